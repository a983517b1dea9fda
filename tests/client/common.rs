//! What these tests share: clients of a test broker, and patience.
use std::time::Duration;

use elbus_client::{Client, Event, Events, Inbox, Options};
use elbus_testkit::{PATIENCE, TestBroker, Transport};

/// Runs a case over both kinds of socket, each with a broker and a runtime of its own.
pub(crate) fn on_every_socket<F: Future<Output = ()>>(case: impl Fn(Bus) -> F) {
    for transport in Transport::ALL {
        // Shown when the case fails.
        println!("over {transport:?}");
        let bus = Bus {
            test: TestBroker::start(),
            transport,
        };
        block_on(case(bus));
    }
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

/// A broker, and which of its sockets clients use.
pub(crate) struct Bus {
    pub(crate) test: TestBroker,
    pub(crate) transport: Transport,
}

impl Bus {
    pub(crate) fn options(&self, name: &str) -> Options {
        Options::new(name)
            .address(self.test.address(self.transport).clone())
            .timeout(PATIENCE)
            .backoff(Duration::from_millis(5), Duration::from_millis(50))
    }

    pub(crate) async fn client(&self, name: &str) -> (Client, Inbox) {
        self.options(name).connect().await.unwrap()
    }
}

/// Waits for something that must happen.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits for an event.
pub(crate) async fn event(events: &mut Events, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
    soon(what, async {
        loop {
            let event = events.recv().await.expect("the client is closed");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}
