//! What these tests share: a broker, clients over every link, and patience.
use std::time::Duration;

use elbus_client::{Client, Inbox, Options};
use elbus_rpc::{Rpc, Service};
use elbus_testkit::{PATIENCE, TestBroker, Transport};

/// A limit that is never reached.
pub(crate) const LONG: Duration = PATIENCE;

/// How a client is linked to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Process,
    Socket(Transport),
}

/// Runs a case with clients in the broker's process, on UNIX sockets and on TCP, each with a broker and a runtime of
/// its own.
pub(crate) fn on_every_link<F: Future<Output = ()>>(case: impl Fn(Bus) -> F) {
    for link in [
        Link::Process,
        Link::Socket(Transport::Unix),
        Link::Socket(Transport::Tcp),
    ] {
        // Shown when the case fails.
        println!("over {link:?}");
        let bus = Bus {
            test: TestBroker::start(),
            link,
        };
        block_on(case(bus));
    }
}

/// Runs a case with clients in the broker's process.
pub(crate) fn in_process<F: Future<Output = ()>>(case: impl FnOnce(Bus) -> F) {
    let bus = Bus {
        test: TestBroker::start(),
        link: Link::Process,
    };
    block_on(case(bus));
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A broker, and how clients reach it.
pub(crate) struct Bus {
    pub(crate) test: TestBroker,
    pub(crate) link: Link,
}

impl Bus {
    pub(crate) async fn client(&self, name: &str) -> (Client, Inbox) {
        match self.link {
            Link::Process => self.test.broker.client(name).unwrap(),
            Link::Socket(transport) => {
                let options = Options::new(name)
                    .address(self.test.address(transport).clone())
                    .timeout(PATIENCE)
                    .backoff(Duration::from_millis(5), Duration::from_millis(50));
                options.connect().await.unwrap()
            }
        }
    }

    /// One that only calls, and waits for long.
    pub(crate) async fn caller(&self, name: &str) -> Rpc {
        self.start(name, options()).await
    }

    pub(crate) async fn serve<S: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        service: Service<S>,
    ) -> Rpc {
        self.start(name, options().service(service)).await
    }

    pub(crate) async fn start(&self, name: &str, options: elbus_rpc::Options) -> Rpc {
        let (client, inbox) = self.client(name).await;
        options.start(client, inbox).unwrap()
    }
}

/// Options under which no call ends early.
pub(crate) fn options() -> elbus_rpc::Options {
    elbus_rpc::Options::new().timeout(LONG)
}

/// Waits for something that must happen.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits until something is true of a layer.
pub(crate) async fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    soon(what, async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A target that takes requests and never answers.
pub(crate) async fn silent(bus: &Bus, name: &str) -> (Client, Inbox) {
    bus.client(name).await
}

/// Waits until no call is pending. Beside the test's own there may be one by which the layer asks the broker who is
/// there: on a loaded machine any call may take long enough for that.
pub(crate) async fn nothing_is_left(rpc: &Rpc) {
    eventually("no call is pending", || rpc.stats().calls_pending == 0).await;
}
