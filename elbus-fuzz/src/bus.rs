//! A broker on one thread that lives on from input to input, and connections to it.
use std::{cell::RefCell, future::Future, time::Duration};

use elbus_broker::{Address, Broker, Config};
use elbus_proto::{
    OK, Op, Qos,
    delivery::{self, Delivery},
    greeting,
    request::RequestHeader,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::{Builder, Runtime},
};

/// How long anything may take. A fuzzer with all its instruments is slow, and nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A body may not be larger, so that inputs of a few bytes reach the limit.
pub(crate) const FRAME_LIMIT: usize = 4_096;

/// Greetings that may be in progress: so few that one that is never returned is soon missed.
const GREETINGS: usize = 8;

/// The client that is served whatever the others do.
pub(crate) const WITNESS: &str = "a.witness";

/// A runtime that lives as long as its thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Waits for something that must happen.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A request, header and body.
pub(crate) fn frame(id: u32, op: Op, qos: Qos, body: &[u8]) -> Vec<u8> {
    let header = RequestHeader::new(id, op, qos, u32::try_from(body.len()).unwrap());
    [&header.encode()[..], body].concat()
}

/// The broker, and the client that must be served.
pub(crate) struct Bus {
    runtime: Runtime,
    pub(crate) broker: Broker,
    path: std::path::PathBuf,
    witness: RefCell<Option<Wire>>,
    served: u32,
    _directory: TempDir,
}

impl Bus {
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config.frame_limit = FRAME_LIMIT;
        config.greetings = GREETINGS;
        config.subscriptions = 16;
        config.high_water = 16 * 1024;
        // Everybody reads, however long the thread of all of them may be kept from running.
        config.stall_timeout = PATIENCE;
        let broker = Broker::new(config).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus.sock");
        let runtime = runtime();
        let address = Address::Unix(path.clone());
        runtime.block_on(broker.listen(&address)).unwrap();
        let mut bus = Self {
            runtime,
            broker,
            path,
            witness: RefCell::new(None),
            served: 0,
            _directory: directory,
        };
        bus.witness = RefCell::new(Some(bus.run(async |bus| bus.client(WITNESS).await)));
        bus
    }

    /// Runs what a stranger does.
    pub(crate) fn run<T>(&self, act: impl AsyncFnOnce(&Self) -> T) -> T {
        self.runtime
            .block_on(async { soon("the end of an input", act(self)).await })
    }

    /// A connection that has not greeted.
    pub(crate) async fn connect(&self) -> Wire {
        Wire {
            stream: UnixStream::connect(&self.path).await.unwrap(),
            heard: Vec::new(),
        }
    }

    /// A registered client.
    pub(crate) async fn client(&self, name: &str) -> Wire {
        let mut wire = self.connect().await;
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        let said = [&greeting::GREETING[..], &len, name.as_bytes()].concat();
        wire.stream.write_all(&said).await.unwrap();
        let mut answers = [0; greeting::LEN + 2];
        wire.stream.read_exact(&mut answers).await.unwrap();
        assert_eq!(answers[greeting::LEN..], [OK, OK], "{name} is registered");
        wire
    }

    /// The witness takes what there is for it, so that nobody waits for it.
    pub(crate) fn witness_hears(&self) {
        self.witness.borrow_mut().iter_mut().for_each(Wire::try_hear);
    }

    /// Expects that the strangers have left nothing behind, and that the witness is served.
    pub(crate) fn expect_order(&mut self) {
        self.served += 1;
        let token = self.served.to_le_bytes();
        let mut witness = self.witness.take().unwrap();
        self.runtime.block_on(soon("the witness is served", async {
            loop {
                let stats = self.broker.stats();
                if (stats.clients, stats.subscriptions, stats.exclusions) == (1, 0, 0) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let body = [WITNESS.as_bytes(), b"\0", &token].concat();
            let message = frame(self.served, Op::Message, Qos::Processed, &body);
            witness.stream.write_all(&message).await.unwrap();
            let expected = [
                &delivery::acknowledgement(self.served, Ok(()))[..],
                &delivery::header(delivery::Kind::Message, body.len() as u32, false),
                &body,
            ];
            while !expected.iter().all(|one| contains(&witness.heard, one)) {
                assert!(witness.hear().await, "the witness is disconnected");
            }
            witness.expect_frames(|sender| !sender.is_empty());
        }));
        witness.heard.clear();
        self.witness = RefCell::new(Some(witness));
    }
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

/// A connection that keeps what it hears.
pub(crate) struct Wire {
    pub(crate) stream: UnixStream,
    pub(crate) heard: Vec<u8>,
}

impl Wire {
    /// Writes what the broker takes now; answers how much that was, or `None` when it takes nothing ever again.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Option<usize> {
        match self.stream.try_write(bytes) {
            Ok(n) => Some(n),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// Takes what is there.
    pub(crate) fn try_hear(&mut self) {
        while matches!(self.stream.try_read_buf(&mut self.heard), Ok(n) if n > 0) {}
    }

    /// Waits for more; false at the end of the connection.
    pub(crate) async fn hear(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.heard).await, Ok(n) if n > 0)
    }

    /// Hears everything to the end.
    pub(crate) async fn hear_out(&mut self) {
        while self.hear().await {}
    }

    /// Expects whole frames in what was heard, but for the last one, and of senders that may be.
    pub(crate) fn expect_frames(&self, may_send: impl Fn(&[u8]) -> bool) {
        let mut rest = &self.heard[..];
        while let Some(decoded) = delivery::decode(rest) {
            let (delivery, len) = decoded.expect("what the broker sends can be read");
            if let Delivery::Frame { sender, .. } = delivery {
                assert!(
                    may_send(sender),
                    "{:?} is no sender",
                    String::from_utf8_lossy(sender)
                );
            }
            rest = &rest[len..];
        }
    }
}
