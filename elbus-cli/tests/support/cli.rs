//! The program as a process: what it says is kept as bytes and waited for.
use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use elbus_testkit::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take on a loaded machine: some send hundreds of thousands of messages.
const WORK: Duration = Duration::from_secs(180);

/// The program, about to be started.
pub(crate) struct Cli {
    command: Command,
    input: Vec<u8>,
}

/// The program while it runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    output: Option<Words>,
    errors: Words,
}

/// How the program ended.
pub(crate) struct Ended {
    /// The exit code, as a shell tells it.
    pub(crate) code: Option<i32>,
    /// The signal by which it ended.
    pub(crate) signal: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Cli {
    /// Nothing of the environment that would change what it does reaches it.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elbus-cli"));
        command.args(arguments).env("TERM", "xterm");
        for variable in ["ELBUS_ADDRESS", "XDG_RUNTIME_DIR", "NO_COLOR", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self {
            command,
            input: Vec::new(),
        }
    }

    pub(crate) fn env(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(variable, value);
        self
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// What comes on the standard input before its end.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// A file, a terminal or a pipe as its standard input.
    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.spawn().end()
    }

    /// Starts it. Terminals and pipes it was given are closed here, so that they end with the program.
    pub(crate) fn spawn(mut self) -> Running {
        let mut running = Running::new(&mut self.command);
        if let Some(mut stdin) = running.child.stdin.take() {
            // A thread: it may be more than a pipe holds. The program may end without having read it.
            let input = self.input;
            thread::spawn(move || stdin.write_all(&input));
        }
        running
    }

    /// Starts it with a standard input that stays open.
    pub(crate) fn spawn_with_open_input(mut self) -> (Running, ChildStdin) {
        let mut running = Running::new(&mut self.command);
        let stdin = running.child.stdin.take().unwrap();
        (running, stdin)
    }
}

impl Running {
    /// Starts the program with what is shown on a terminal as its output.
    pub(crate) fn on_screen(cli: Cli, screen: File) -> Self {
        let mut running = cli.spawn();
        running.output = Some(Words::of(screen));
        running
    }

    /// Starts another program whose output comes from a pipe of the caller, which only the program holds then.
    pub(crate) fn with_output(command: &mut Command, reader: impl Read + Send + 'static) -> Self {
        let mut running = Self::new(command);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        running.output = Some(Words::of(reader));
        running
    }

    fn new(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self {
            output: child.stdout.take().map(Words::of),
            errors: child
                .stderr
                .take()
                .map_or_else(|| Words::of(std::io::empty()), Words::of),
            child,
        }
    }

    /// Waits until the standard error holds a text.
    pub(crate) fn wait_for_error(&self, text: &str) {
        self.errors.wait_for(text.as_bytes());
    }

    /// Waits until the standard output holds some bytes.
    pub(crate) fn wait_for_output(&self, bytes: impl AsRef<[u8]>) {
        self.output.as_ref().unwrap().wait_for(bytes.as_ref());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        // A process that ends closes its pipes: that is the event.
        let output = self
            .output
            .take()
            .map(|output| output.wait_for_end())
            .unwrap_or_default();
        let errors = self.errors.wait_for_end();
        let status = self.child.wait().unwrap();
        Ended {
            code: status.code().or(status.signal().map(|signal| 128 + signal)),
            signal: status.signal(),
            output,
            errors: String::from_utf8(errors).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The standard output as a text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.output).unwrap()
    }

    /// It did what it was asked to and had nothing to say.
    pub(crate) fn expect_success(&self) {
        assert_eq!((self.code, &self.errors[..]), (Some(0), ""), "{self:?}");
    }

    /// It failed with this code and told a reason, with neither panic nor backtrace.
    pub(crate) fn expect_failure(&self, code: i32, reason: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(
            self.errors.contains(reason),
            "{reason:?} is not what it said: {self:?}"
        );
        assert!(!self.errors.contains("panicked"), "{self:?}");
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let output = String::from_utf8_lossy(&self.output);
        write!(
            f,
            "exit code {:?}\n{output}\n--- errors:\n{}",
            self.code, self.errors
        )
    }
}

/// What comes from a pipe.
#[derive(Clone)]
struct Words(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    ended: bool,
}

impl Words {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let words = Self(Arc::default());
        let theirs = words.clone();
        thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let n = pipe.read(&mut chunk).unwrap_or(0);
                let (said, changed) = &*theirs.0;
                let mut said = said.lock().unwrap();
                said.bytes.extend_from_slice(&chunk[..n]);
                said.ended = n == 0;
                changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        words
    }

    fn wait_for(&self, wanted: &[u8]) {
        let found = |said: &Said| said.bytes.windows(wanted.len()).any(|bytes| bytes == wanted);
        let said = self.wait_until(PATIENCE, |said| found(said) || said.ended);
        let wanted = String::from_utf8_lossy(wanted);
        assert!(
            found(&said),
            "{wanted:?} was not said, but {:?}",
            String::from_utf8_lossy(&said.bytes)
        );
    }

    fn wait_for_end(&self) -> Vec<u8> {
        let said = self.wait_until(WORK, |said| said.ended);
        let so_far = String::from_utf8_lossy(&said.bytes);
        assert!(said.ended, "still running; it said {so_far:?}");
        said.bytes.clone()
    }

    fn wait_until(&self, limit: Duration, is_true: impl Fn(&Said) -> bool) -> MutexGuard<'_, Said> {
        let end = Instant::now() + limit;
        let (said, changed) = &*self.0;
        let mut said = said.lock().unwrap();
        while !is_true(&said) && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            said = changed.wait_timeout(said, left).unwrap().0;
        }
        said
    }
}
