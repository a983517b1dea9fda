//! The published brokers, embedded, as their crates offer it.
use std::{any::Any, net::Ipv4Addr, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
};

use crate::PATIENCE;

/// A crate that has a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Elbus,
    Busrt,
}

/// A published broker.
pub(super) struct Published {
    pub(super) origin: Origin,
    pub(super) unix: String,
    pub(super) tcp: String,
    timeout: Duration,
    running: Option<Running>,
    _reserved: TcpSocket,
    _directory: TempDir,
}

/// The broker itself, which only has to live, and a runtime of its own, which ends all of its tasks.
struct Running {
    broker: Box<dyn Any>,
    runtime: Runtime,
}

impl Published {
    pub(super) fn start(origin: Origin, timeout: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // They do not say which port the system chose, so one is chosen before. Nobody else is given it while it is bound
        // here, but whoever asks for it gets it.
        let reserved = TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = reserved.local_addr().unwrap().port();
        let mut published = Self {
            origin,
            unix: directory.path().join("bus.sock").to_str().unwrap().to_owned(),
            tcp: format!("127.0.0.1:{port}"),
            timeout,
            running: None,
            _reserved: reserved,
            _directory: directory,
        };
        published.restart();
        published
    }

    pub(super) fn restart(&mut self) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let broker: Box<dyn Any> = match self.origin {
            Origin::Elbus => Box::new(runtime.block_on(self.elbus())),
            Origin::Busrt => Box::new(runtime.block_on(self.busrt())),
        };
        self.running = Some(Running { broker, runtime });
    }

    pub(super) fn end(&mut self) {
        if let Some(Running { broker, runtime }) = self.running.take() {
            runtime.shutdown_timeout(PATIENCE);
            drop(broker);
        }
    }

    async fn elbus(&self) -> elbus::broker::Broker {
        let mut broker = elbus::broker::Broker::new();
        // Without it nothing is announced.
        broker.init_default_core_rpc().await.unwrap();
        let config = || elbus::broker::ServerConfig::new().timeout(self.timeout);
        broker.spawn_unix_server(&self.unix, config()).await.unwrap();
        broker.spawn_tcp_server(&self.tcp, config()).await.unwrap();
        broker
    }

    async fn busrt(&self) -> busrt::broker::Broker {
        let mut broker = busrt::broker::Broker::new();
        broker.init_default_core_rpc().await.unwrap();
        let config = || busrt::broker::ServerConfig::new().timeout(self.timeout);
        broker.spawn_unix_server(&self.unix, config()).await.unwrap();
        broker.spawn_tcp_server(&self.tcp, config()).await.unwrap();
        broker
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.end();
    }
}
