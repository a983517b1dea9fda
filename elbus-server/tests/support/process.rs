//! A process whose words are read as they come, and whose end is waited for.
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use elbus_testkit::PATIENCE;
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

/// A process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    words: Lines,
    errors: Lines,
}

/// Lines as they come from a pipe, and those that came.
struct Lines {
    coming: Receiver<String>,
    came: Vec<String>,
}

impl Process {
    /// Starts a process without input.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = start(command.stderr(Stdio::piped()));
        let words = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        Self { child, words, errors }
    }

    /// Starts a process without input whose standard error is a terminal.
    pub(crate) fn spawn_on_terminal(command: &mut Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().write(true).open(name.to_str().unwrap()).unwrap();
        let mut child = start(command.stderr(theirs));
        // The terminal ends when nobody has its other side open any more.
        command.stderr(Stdio::null());
        let words = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(File::from(ours));
        Self { child, words, errors }
    }

    /// The next line on the standard output; `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        self.words.next(Instant::now() + PATIENCE)
    }

    /// Waits for a line on the standard error that holds `text`.
    pub(crate) fn wait_for_error(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.errors.next(end) {
                Some(line) if line.contains(text) => return,
                Some(_) => {}
                None => panic!("{text:?} was not said, but:\n{}", self.errors()),
            }
        }
    }

    /// Everything on the standard error so far.
    pub(crate) fn errors(&mut self) -> String {
        while self.errors.next(Instant::now()).is_some() {}
        self.errors.came.join("\n")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the end, but only for so long.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        // A process that ends closes its pipes: that is the event. What it says in between is kept.
        let end = Instant::now() + limit;
        while self.words.next(end).is_some() {}
        while self.errors.next(end).is_some() {}
        assert!(
            Instant::now() < end,
            "still running after {limit:?}; it said:\n{}\n{}",
            self.words.came.join("\n"),
            self.errors.came.join("\n"),
        );
        self.child.wait().unwrap()
    }

    /// Waits for the end and answers the exit code, what was said and the errors.
    pub(crate) fn finish(mut self, limit: Duration) -> (Option<i32>, String, String) {
        let status = self.wait(limit);
        (
            status.code(),
            self.words.came.join("\n"),
            self.errors.came.join("\n"),
        )
    }
}

fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"))
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (sender, coming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            coming,
            came: Vec::new(),
        }
    }

    /// The next line; `None` at the end of the pipe or of the time.
    fn next(&mut self, end: Instant) -> Option<String> {
        match self
            .coming
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            Ok(line) => {
                self.came.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}
