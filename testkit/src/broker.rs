//! A broker with a runtime of its own and a listener of every kind.
use std::time::{Duration, Instant};

use elbus_broker::{Address, Broker, Config};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{Authority, PATIENCE, Raw};

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX socket.
    Unix,
    /// TCP over the loopback interface.
    Tcp,
    /// TLS over that.
    Tls,
}

impl Transport {
    /// Those that [`Raw`] speaks.
    pub const ALL: [Self; 2] = [Self::Unix, Self::Tcp];
}

/// A broker with two workers, a UNIX socket in a directory of its own, and a port for TCP and one for TLS that the system
/// chose.
pub struct TestBroker {
    /// The broker.
    pub broker: Broker,
    runtime: Option<Runtime>,
    unix: Address,
    tcp: Address,
    tls: Address,
    _directory: TempDir,
}

impl TestBroker {
    /// A broker with the default configuration, except that it waits longer before it takes a reader for dead.
    #[must_use]
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A broker whose configuration is changed first.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on_workers(2, change)
    }

    /// A broker on so many threads. On one, the order in which its sessions go on is its own doing and not the
    /// machine's.
    pub fn on_workers(workers: usize, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        // Whether a machine gives a reader a processor within half a second is not what tests are about.
        config.stall_timeout = Duration::from_secs(2);
        change(&mut config);
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .unwrap();
        let broker = Broker::new(config).unwrap();
        let unix = Address::Unix(directory.path().join("bus.sock"));
        let tcp = Address::Tcp("127.0.0.1:0".to_owned());
        let unix = runtime.block_on(broker.listen(&unix)).unwrap();
        let tcp = runtime.block_on(broker.listen(&tcp)).unwrap();
        let tls = Address::Tls("127.0.0.1:0".to_owned());
        let tls = runtime
            .block_on(broker.listen_tls(&tls, &Authority::shared().options()))
            .unwrap();
        Self {
            broker,
            runtime: Some(runtime),
            unix,
            tcp,
            tls,
            _directory: directory,
        }
    }

    /// Where the broker listens.
    #[must_use]
    pub const fn address(&self, transport: Transport) -> &Address {
        match transport {
            Transport::Unix => &self.unix,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        }
    }

    /// A connection that has not greeted.
    #[must_use]
    pub fn connect(&self, transport: Transport) -> Raw {
        Raw::connect(self.address(transport))
    }

    /// A registered client.
    #[must_use]
    pub fn client(&self, transport: Transport, name: &str) -> Raw {
        Raw::register(self.address(transport), name)
    }

    /// Runs a future on the broker's runtime, for as long as patience lasts.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().unwrap().block_on(async {
            tokio::time::timeout(PATIENCE, future)
                .await
                .expect("the future did not end in time")
        })
    }

    /// Waits until something is true of the broker.
    pub fn eventually(&self, what: &str, mut is_true: impl FnMut(&Broker) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_true(&self.broker) {
            assert!(Instant::now() < end, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        // Tests that need an orderly end ask for it; the others need not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
