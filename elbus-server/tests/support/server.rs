//! The server as a process of its own.
use std::{path::Path, process::Command, time::Duration};

use elbus_broker::Address;
use elbus_testkit::{PATIENCE, Raw};
use rustix::process::Signal;

use super::Process;

/// A server that listens; killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where it said that it listens.
    pub(crate) addresses: Vec<Address>,
    /// Everything it said when it was up.
    pub(crate) introduction: String,
}

/// A server that did not start.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) message: String,
}

/// The server's command, with an environment in which the default address lies in `directory`.
pub(crate) fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbus-server"));
    command
        .env_remove("ELBUS_ADDRESS")
        .env("XDG_RUNTIME_DIR", directory)
        .current_dir(directory);
    command
}

impl Server {
    /// Starts a server that listens at `bus.sock` in a directory and at a TCP port which the system chooses.
    pub(crate) fn start(directory: &Path, more: &[&str]) -> Self {
        let socket = directory.join("bus.sock");
        let mut command = command(directory);
        command
            .arg("-B")
            .arg(socket)
            .args(["-B", "127.0.0.1:0"])
            .args(more);
        Self::run(&mut command)
    }

    /// Runs a command and waits until the server listens.
    pub(crate) fn run(command: &mut Command) -> Self {
        Self::try_run(command).unwrap_or_else(|refused| panic!("{command:?} does not start: {refused:?}"))
    }

    /// Runs a command and waits until the server listens or gives up.
    pub(crate) fn try_run(command: &mut Command) -> Result<Self, Refused> {
        Self::up(Process::spawn(command))
    }

    /// Runs a command that must not start a server, and answers how it failed.
    pub(crate) fn refused(command: &mut Command) -> Refused {
        match Self::try_run(command) {
            Ok(server) => panic!("{command:?} listens at {:?}", server.addresses),
            Err(refused) => refused,
        }
    }

    /// Waits until a started server listens or gives up.
    pub(crate) fn up(mut process: Process) -> Result<Self, Refused> {
        let mut addresses = Vec::new();
        let mut introduction = String::new();
        while let Some(line) = process.line() {
            introduction.push_str(&line);
            introduction.push('\n');
            if let Some(address) = line.strip_prefix("  ").and_then(|address| address.parse().ok()) {
                addresses.push(address);
            }
            if line.starts_with("Ctrl-C") {
                return Ok(Self {
                    process,
                    addresses,
                    introduction,
                });
            }
        }
        let (code, _, message) = process.finish(PATIENCE);
        Err(Refused { code, message })
    }

    /// A registered client at the first address.
    pub(crate) fn client(&self, name: &str) -> Raw {
        Raw::register(&self.addresses[0], name)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the end and answers the exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.process.wait(PATIENCE).code()
    }

    /// CPU time used so far, by the system's clock of ten milliseconds.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // The second field is the program's name in parentheses and may hold spaces.
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = [11, 12]
            .iter()
            .map(|&at| fields[at].parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<usize>().unwrap() * 1024
    }

    fn proc(&self, file: &str) -> String {
        let pid = self.process.pid().as_raw_nonzero();
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    }
}
