//! What goes wrong outside of the bus, in short: processes that are killed or stopped, connections that are reset, a network
//! that splits, delays and cuts, brokers that go and come back. The promise about a message is held to account under it.
//!
//! Where chance is in play the seed is told, and `ELBUS_SEED` brings it back. What the whole server meets, such as a full
//! disk, is in `elbus-server/tests/process`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod ledger;
mod network;
mod processes;
mod promise;
mod proxy;
mod soak;

use elbus_proto::Op;
use elbus_testkit::{PATIENCE, Raw, TestBroker, Transport};

/// Runs a future on a runtime of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits for something that must happen.
async fn soon<F: IntoFuture>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future.into_future())
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A client that has nothing to do with what goes wrong.
struct Bystander(Raw, u32);

impl Bystander {
    fn new(test: &TestBroker) -> Self {
        Self(test.client(Transport::Unix, "bystander"), 0)
    }

    /// Expects that it is served, and that nothing else has reached it.
    fn is_served(&mut self) {
        self.1 += 1;
        let body = [b"bystander\0", &self.1.to_le_bytes()[..]].concat();
        self.0.send(self.1, Op::Message, elbus_proto::Qos::No, &body);
        let message = ("bystander".to_owned(), self.1.to_le_bytes().to_vec());
        assert_eq!(self.0.message(), message);
    }
}

/// Waits until everyone has left, and expects that nothing is left of them.
fn expect_nothing_left(test: &TestBroker) {
    test.eventually("everyone has left", |broker| broker.stats().clients == 0);
    test.eventually("everything is returned", |broker| {
        let stats = broker.stats();
        (stats.subscriptions, stats.exclusions) == (0, 0)
    });
    assert_eq!(test.broker.clients(), []);
}
