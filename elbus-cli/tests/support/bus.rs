//! A broker at a UNIX socket, which can be stopped and started again.
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use elbus_broker::{Address, Broker, ClientInfo, Config};
use elbus_rpc::{Rpc, Service};
use elbus_testkit::{PATIENCE, Raw};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{Cli, Running};

/// A bus in a directory of its own.
pub(crate) struct Bus {
    broker: Broker,
    runtime: Runtime,
    directory: TempDir,
}

impl Bus {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let bus = Self {
            broker: broker(),
            runtime,
            directory,
        };
        bus.listen();
        bus
    }

    /// Ends as a server does that is told to, and starts again at the same address.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.broker = broker();
        self.listen();
    }

    pub(crate) fn stop(&self) {
        let stopped = async { tokio::time::timeout(PATIENCE, self.broker.shutdown()).await };
        self.runtime.block_on(stopped).expect("no end of the shutdown");
    }

    /// Cuts a client off; it may come back.
    pub(crate) fn cut(&self, name: &str) {
        assert!(self.broker.disconnect(name), "{name} is not on the bus");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("bus.sock")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A client that does not use our client library.
    pub(crate) fn client(&self, name: &str) -> Raw {
        Raw::register(&Address::Unix(self.socket()), name)
    }

    /// A service in the broker's process, for as long as what this answers is held.
    pub(crate) fn serve<S: Clone + Send + Sync + 'static>(&self, name: &str, service: Service<S>) -> Rpc {
        let _runtime = self.runtime.enter();
        let (client, inbox) = self.broker.client(name).unwrap();
        service.start(client, inbox).unwrap()
    }

    /// Has the broker's method `reload` answered, as a server does that has a configuration.
    pub(crate) fn reload(&self, outcome: Result<(), &'static str>) {
        let mut requests = self.broker.reload_requests();
        self.runtime.spawn(async move {
            while let Some(request) = requests.next().await {
                request.answer(outcome.map_err(str::to_owned)).await;
            }
        });
    }

    /// Who is on the bus.
    pub(crate) fn clients(&self) -> Vec<String> {
        let clients = self.broker.clients().into_iter();
        clients.map(|client| client.name).collect()
    }

    /// Waits until a client on the bus has sent something: then it knows that it is registered.
    pub(crate) fn wait_for(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        let speaks = |client: &ClientInfo| client.name == name && client.r_frames > 0;
        while !self.broker.clients().iter().any(speaks) {
            assert!(
                Instant::now() < end,
                "{name} has not said anything, on the bus are {:?}",
                self.clients()
            );
            std::thread::yield_now();
        }
    }

    /// The bus over TCP as well.
    pub(crate) fn listen_on_tcp(&self) -> Address {
        let address = "127.0.0.1:0".parse().unwrap();
        self.runtime.block_on(self.broker.listen(&address)).unwrap()
    }

    /// The program with these arguments, and this bus as the default one.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Cli {
        Cli::new(arguments).env("ELBUS_ADDRESS", self.socket())
    }

    /// A listener that is ready.
    pub(crate) fn listen_as(&self, name: &str, arguments: &[&str]) -> Running {
        let listening = self
            .cli(&[&["listen", "--name", name], arguments].concat())
            .spawn();
        listening.wait_for_error("listening as");
        listening
    }

    fn listen(&self) {
        let address = Address::Unix(self.socket());
        self.runtime.block_on(self.broker.listen(&address)).unwrap();
    }
}

/// However long this machine keeps a receiver from running, it is not taken for dead.
fn broker() -> Broker {
    let mut config = Config::default();
    config.stall_timeout = Duration::from_secs(3600);
    Broker::new(config).unwrap()
}
