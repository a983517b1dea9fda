//! A broker process on a socket of its own.
use std::{
    fs::{self, DirBuilder, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::{Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    cli::BrokerSpec,
    dialect::Dialect,
    failure::Failure,
    stream::Endpoint,
    wire::{Connection, Target},
};

/// How long a broker may take until it greets a client.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long a broker may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// How often a starting or stopping broker is looked at.
const POLL: Duration = Duration::from_millis(5);

/// A running broker; dropping it ends the process and removes its directory.
#[derive(Debug)]
pub(crate) struct Broker {
    child: Child,
    target: Target,
    directory: PrivateDirectory,
}

impl Broker {
    /// Starts a broker and waits until it greets a client.
    pub(crate) fn start(spec: &BrokerSpec) -> Result<Self, Failure> {
        let directory = PrivateDirectory::create().map_err(Failure::Start)?;
        let endpoint = match spec.is_tcp() {
            true => Endpoint::Tcp(free_port().map_err(Failure::Start)?),
            false if spec.dialect == Dialect::Zmtp => Endpoint::Proxy(directory.0.join("bus.sock")),
            false => Endpoint::Unix(directory.0.join("bus.sock")),
        };
        let errors = File::create(directory.errors()).map_err(Failure::Start)?;
        let child = spec
            .command(&endpoint)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .map_err(Failure::Start)?;
        let mut broker = Self {
            child,
            target: Target {
                endpoint,
                dialect: spec.dialect,
            },
            directory,
        };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// Where it listens, and what it speaks.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn exited(&mut self) -> Option<Failure> {
        let status = self.child.try_wait().ok()??;
        let errors = fs::read(self.directory.errors()).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let last = errors.lines().rfind(|line| !line.trim().is_empty());
        Some(Failure::Exited(status, last.unwrap_or_default().to_owned()))
    }

    /// Ends it with SIGTERM, and with SIGKILL if that is not enough.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let last = match Connection::open(&self.target, "load.probe") {
                Ok(_) => return Ok(()),
                // The socket is not there yet.
                Err(Failure::Io(..)) if self.target.endpoint.is_missing() => None,
                Err(failure) => Some(Box::new(failure)),
            };
            if let Some(exited) = self.exited() {
                return Err(exited);
            }
            if Instant::now() > deadline {
                return Err(Failure::NotReady(last));
            }
            thread::sleep(POLL);
        }
    }

    fn end(&mut self) {
        let deadline = Instant::now() + STOP_LIMIT;
        if matches!(self.child.try_wait(), Ok(None)) {
            // Not waited for yet, so the id is still this child's.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody listens on. Somebody else may take it before the broker does; then that fails.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A directory that only this user can enter, removed when dropped.
#[derive(Debug)]
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn create() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("elbus-load-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where the broker's stderr goes.
    fn errors(&self) -> PathBuf {
        self.0.join("stderr")
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
