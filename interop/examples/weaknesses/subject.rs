//! A broker as a process of its own.
use std::{
    env,
    fs::{self, File},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The argument with which this program is a published broker.
const BE: &str = "--be-the-broker-of";

/// Memory that a broker may reserve, in KiB: more than any needs, and less than would hurt the machine.
const MEMORY: u32 = 4 << 20;

/// Whose broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Elbus,
    Busrt,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Elbus, Self::Busrt];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Elbus => "elbus 0.2.21",
            Self::Busrt => "busrt 0.5.6",
        }
    }
}

/// A running broker; killed when dropped.
pub(crate) struct Subject {
    kind: Kind,
    pub(crate) unix: PathBuf,
    pub(crate) tcp: String,
    process: Child,
    directory: TempDir,
}

impl Subject {
    pub(crate) fn start(kind: Kind, files: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let unix = directory.path().join("bus.sock");
        // Not all of them say which port the system chose, so it is chosen before.
        let tcp = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        let process = spawn(kind, &unix, &tcp, files, &directory);
        let subject = Self {
            kind,
            unix,
            tcp,
            process,
            directory,
        };
        let end = Instant::now() + elbus_interop::PATIENCE;
        while UnixStream::connect(&subject.unix).is_err() {
            assert!(Instant::now() < end, "{kind:?} does not start: {}", subject.log());
            thread::sleep(Duration::from_millis(5));
        }
        subject
    }

    /// Starts another one at the same UNIX socket; answers whether it runs on for a second.
    pub(crate) fn second_runs(&self) -> bool {
        let other = tempfile::tempdir().unwrap();
        let mut second = spawn(self.kind, &self.unix, "127.0.0.1:0", 1024, &other);
        thread::sleep(Duration::from_secs(1)); // what is looked at is a second
        let runs = second.try_wait().unwrap().is_none();
        let _ = second.kill();
        let _ = second.wait();
        runs
    }

    /// Whether it has ended, or does so now.
    pub(crate) fn ends(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            if self.process.try_wait().unwrap().is_some() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).unwrap_or_default()
    }

    /// The most that was resident so far, in MiB.
    pub(crate) fn peak(&self) -> usize {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
        kib.unwrap_or(0) / 1024
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace());
        let ticks = fields.map(|fields| {
            fields
                .skip(11)
                .take(2)
                .filter_map(|ticks| ticks.parse::<u64>().ok())
        });
        Duration::from_millis(ticks.map_or(0, Iterator::sum) * 10)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(kind: Kind, unix: &std::path::Path, tcp: &str, files: u32, directory: &TempDir) -> Child {
    let log = File::create(directory.path().join("log")).unwrap();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!(r#"ulimit -v {MEMORY}; ulimit -n {files}; exec "$0" "$@""#),
    ]);
    match kind {
        Kind::Ours => command
            .arg(elbus_interop::server_program())
            .args(["-B"])
            .arg(unix)
            .args(["-B", tcp]),
        Kind::Elbus => command
            .arg(env::current_exe().unwrap())
            .args([BE, "elbus"])
            .arg(unix)
            .arg(tcp),
        Kind::Busrt => command
            .arg(env::current_exe().unwrap())
            .args([BE, "busrt"])
            .arg(unix)
            .arg(tcp),
    };
    command
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Is a published broker if this process was started as one.
pub(crate) fn become_a_published_broker() -> Option<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [be, origin, unix, tcp] = arguments.as_slice() else {
        return None;
    };
    if be != BE {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let ended = match origin.as_str() {
        "elbus" => runtime
            .block_on(elbus(unix, tcp))
            .map_err(|error| error.to_string()),
        _ => runtime
            .block_on(busrt(unix, tcp))
            .map_err(|error| error.to_string()),
    };
    eprintln!("{ended:?}");
    Some(ExitCode::FAILURE)
}

/// What the daemons of both crates have for a time-out by default.
const TIMEOUT: Duration = Duration::from_secs(5);

async fn elbus(unix: &str, tcp: &str) -> Result<(), elbus::Error> {
    let mut broker = elbus::broker::Broker::new();
    broker.init_default_core_rpc().await?;
    let config = || elbus::broker::ServerConfig::new().timeout(TIMEOUT);
    broker.spawn_unix_server(unix, config()).await?;
    broker.spawn_tcp_server(tcp, config()).await?;
    std::future::pending().await
}

async fn busrt(unix: &str, tcp: &str) -> Result<(), busrt::Error> {
    let mut broker = busrt::broker::Broker::new();
    broker.init_default_core_rpc().await?;
    let config = || busrt::broker::ServerConfig::new().timeout(TIMEOUT);
    broker.spawn_unix_server(unix, config()).await?;
    broker.spawn_tcp_server(tcp, config()).await?;
    std::future::pending().await
}
