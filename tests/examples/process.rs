//! An example as a process: its lines are waited for, and so is its end.
use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use elbus_broker::Address;
use elbus_client::default_address::VARIABLE;
use elbus_testkit::PATIENCE;

/// An example that runs; killed when dropped.
pub(crate) struct Example {
    child: Child,
    lines: Receiver<String>,
    /// What it said so far, for whoever looks at a failure.
    said: Vec<String>,
}

impl Example {
    /// Starts an example on a bus, which is the default one for it.
    pub(crate) fn on(bus: &Address, name: &str) -> Self {
        Self::on_with(bus, name, &[])
    }

    /// The same with arguments.
    pub(crate) fn on_with(bus: &Address, name: &str, arguments: &[&str]) -> Self {
        Self::run(program(name).env(VARIABLE, bus.to_string()).args(arguments))
    }

    /// Starts an example with arguments.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        Self::run(program(name).env_remove(VARIABLE).args(arguments))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// The next line; `None` at the end of the program.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it says no more than {:#?}", self.said),
        }
    }

    /// The next line must be this one.
    pub(crate) fn says(&mut self, line: &str) {
        let said = self.line();
        assert_eq!(said.as_deref(), Some(line), "it said: {:#?}", self.said);
    }

    /// It must end successfully and say nothing more.
    pub(crate) fn ends(mut self) {
        let said = self.line();
        assert_eq!(said, None, "it said: {:#?}", self.said);
        let end = Instant::now() + PATIENCE;
        // It has closed its output, and is about to end.
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it closed its output and did not end");
            thread::sleep(Duration::from_millis(1));
        };
        assert!(status.success(), "{status}; it said: {:#?}", self.said);
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command of an example.
pub(crate) fn program(name: &str) -> Command {
    Command::new(built(&format!("examples/{name}")))
}

/// A program that cargo has built: target/PROFILE/NAME, or target/PROFILE/examples/NAME, beside
/// target/PROFILE/deps/TEST.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        program.exists(),
        "{program:?} is not built: run `cargo test --workspace --features full`, which builds everything first"
    );
    program
}
