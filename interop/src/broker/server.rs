//! Our broker as users run it: the server, a process of its own.
use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{PATIENCE, eventually};

/// A server that listens at a UNIX socket and at a TCP port which the system chose; killed when dropped.
pub(super) struct Server {
    pub(super) unix: String,
    pub(super) tcp: String,
    process: Child,
    log: Arc<Mutex<String>>,
    directory: TempDir,
}

impl Server {
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let unix = directory.path().join("bus.sock").to_str().unwrap().to_owned();
        let log = Arc::default();
        let (process, tcp) = spawn(directory.path(), &unix, "127.0.0.1:0", &log);
        Self {
            unix,
            tcp,
            process,
            log,
            directory,
        }
    }

    /// Asks the server to end.
    pub(super) fn end(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// Waits for the end and starts the server again.
    pub(super) fn restart(&mut self) {
        eventually("the server has ended", || {
            self.process.try_wait().unwrap().is_some()
        });
        (self.process, self.tcp) = spawn(self.directory.path(), &self.unix, &self.tcp, &self.log);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log.lock().unwrap());
        }
    }
}

/// Starts the server, waits until it listens, and answers the TCP address that it says.
fn spawn(directory: &Path, unix: &str, tcp: &str, log: &Arc<Mutex<String>>) -> (Child, String) {
    let mut process = Command::new(program())
        .env_remove("ELBUS_ADDRESS")
        .current_dir(directory)
        .args(["-B", unix, "-B", tcp])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    keep(process.stderr.take().unwrap(), Arc::clone(log));
    let Some(tcp) = introduction(&lines(process.stdout.take().unwrap())) else {
        let _ = process.kill();
        let _ = process.wait();
        panic!("the server did not start: {}", log.lock().unwrap());
    };
    (process, tcp)
}

/// The server's program, built from this tree by whoever is first.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        // Where a plain build of the workspace puts it as well, so that it is built once.
        let target = root.join("target");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "elbus-server", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "elbus-server cannot be built:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        target.join("debug/elbus-server")
    })
}

/// Waits until the server listens, and answers the TCP address that it says; `None` if it gives up.
fn introduction(words: &Receiver<String>) -> Option<String> {
    let end = Instant::now() + PATIENCE;
    let mut tcp = None;
    while let Ok(line) = words.recv_timeout(end.saturating_duration_since(Instant::now())) {
        let line = line.trim_start();
        if line.starts_with("127.0.0.1:") {
            tcp = Some(line.to_owned());
        }
        if line.starts_with("Ctrl-C") {
            return tcp;
        }
    }
    None
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listens after the introduction, but the server must be able to go on talking.
            let _ = sender.send(line);
        }
    });
    lines
}

/// Keeps what comes, to be shown when a test fails.
fn keep(pipe: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
