//! The brokers: ours as a process, the published ones embedded, as their crates offer it.
use std::net::TcpListener;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{PATIENCE, server::Server};

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX socket.
    Unix,
    /// TCP over the loopback interface.
    Tcp,
}

impl Transport {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Unix, Self::Tcp];
}

/// A broker that listens at a UNIX socket and at a TCP port.
pub struct Broker(Kind);

enum Kind {
    Ours(Server),
    Published(Published),
}

impl Broker {
    /// Ours.
    #[must_use]
    pub fn ours() -> Self {
        Self(Kind::Ours(Server::start()))
    }

    /// That of `elbus`.
    #[must_use]
    pub fn elbus() -> Self {
        let mut broker = elbus::broker::Broker::new();
        let published = Published::new();
        published.runtime.as_ref().unwrap().block_on(async {
            let config = || elbus::broker::ServerConfig::new().timeout(PATIENCE);
            broker.spawn_unix_server(&published.unix, config()).await.unwrap();
            broker.spawn_tcp_server(&published.tcp, config()).await.unwrap();
        });
        Self(Kind::Published(published.of(broker)))
    }

    /// That of `busrt`.
    #[must_use]
    pub fn busrt() -> Self {
        let mut broker = busrt::broker::Broker::new();
        let published = Published::new();
        published.runtime.as_ref().unwrap().block_on(async {
            let config = || busrt::broker::ServerConfig::new().timeout(PATIENCE);
            broker.spawn_unix_server(&published.unix, config()).await.unwrap();
            broker.spawn_tcp_server(&published.tcp, config()).await.unwrap();
        });
        Self(Kind::Published(published.of(broker)))
    }

    /// Where it listens, in the words of the published libraries: a path, or host and port.
    #[must_use]
    pub fn address(&self, transport: Transport) -> &str {
        match (&self.0, transport) {
            (Kind::Ours(server), _) => server.address(transport),
            (Kind::Published(broker), Transport::Unix) => &broker.unix,
            (Kind::Published(broker), Transport::Tcp) => &broker.tcp,
        }
    }

    /// Asks the broker to end.
    pub fn end(&mut self) {
        match &mut self.0 {
            Kind::Ours(server) => server.terminate(),
            Kind::Published(broker) => broker.end(),
        }
    }
}

/// A published broker with a runtime of its own, which ends all of its tasks.
struct Published {
    runtime: Option<Runtime>,
    /// The broker itself, which only has to live.
    broker: Option<Box<dyn std::any::Any>>,
    unix: String,
    tcp: String,
    _directory: TempDir,
}

impl Published {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // They do not say which port the system chose, so it is chosen before. Nobody else gets it in between unless
        // the system runs out of ports.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            runtime: Some(
                Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .unwrap(),
            ),
            broker: None,
            unix: directory.path().join("bus.sock").to_str().unwrap().to_owned(),
            tcp: format!("127.0.0.1:{port}"),
            _directory: directory,
        }
    }

    fn of(mut self, broker: impl std::any::Any) -> Self {
        self.broker = Some(Box::new(broker));
        self
    }

    fn end(&mut self) {
        self.broker = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.end();
    }
}
