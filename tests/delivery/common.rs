//! What these tests share: floods, readers, and looks at a client's queue.
use std::{
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use elbus_broker::Broker;
use elbus_proto::{
    Op, Qos,
    delivery::{self, Delivery},
};
use elbus_testkit::{PATIENCE, Raw, TestBroker, frame};

/// A message that asks for nothing.
pub(crate) fn message(target: &str, payload: &[u8]) -> Vec<u8> {
    frame(0, Op::Message, Qos::No, &addressed(target, payload))
}

/// A body: address, separator, payload.
pub(crate) fn addressed(address: &str, payload: &[u8]) -> Vec<u8> {
    [address.as_bytes(), b"\0", payload].concat()
}

/// A payload of `len` bytes that says which one it is.
pub(crate) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut payload = vec![b'.'; len.max(8)];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload
}

/// The number of a payload made by [`numbered`].
pub(crate) fn number_of(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

/// Messages `from..to` for `target`, as one stretch of bytes.
pub(crate) fn messages(target: &str, numbers: std::ops::Range<u64>, len: usize) -> Vec<u8> {
    numbers
        .flat_map(|number| message(target, &numbered(number, len)))
        .collect()
}

/// What waits for a client; `None` when it is not on the bus.
pub(crate) fn queue(broker: &Broker, name: &str) -> Option<usize> {
    let clients = broker.clients();
    clients
        .iter()
        .find(|client| client.name == name)
        .map(|client| client.queue)
}

/// Whether a client is on the bus.
pub(crate) fn is_on(broker: &Broker, name: &str) -> bool {
    queue(broker, name).is_some()
}

/// Waits until so many bytes or frames wait for a client.
pub(crate) fn await_queue(bus: &TestBroker, name: &str, at_least: usize) {
    bus.eventually(&format!("{at_least} wait for {name}"), |broker| {
        queue(broker, name).is_some_and(|queued| queued >= at_least)
    });
}

/// Waits until the broker has read so many frames of a client.
pub(crate) fn await_read(bus: &TestBroker, name: &str, frames: u64) {
    bus.eventually(&format!("{frames} frames of {name} are read"), |broker| {
        let clients = broker.clients();
        clients
            .iter()
            .any(|client| client.name == name && client.r_frames >= frames)
    });
}

/// Waits until a client was held back because someone it sends to was full.
pub(crate) fn await_held(bus: &TestBroker, name: &str) {
    bus.eventually(&format!("{name} is held back"), |broker| {
        let clients = broker.clients();
        clients
            .iter()
            .any(|client| client.name == name && client.held > 0)
    });
}

/// Something that a thread does over and over until this is dropped, or it answers false.
pub(crate) struct Repeating {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Does something over and over in a thread of its own.
pub(crate) fn repeat(mut act: impl FnMut() -> bool + Send + 'static) -> Repeating {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || while !stopped.load(SeqCst) && act() {});
    Repeating {
        stop,
        thread: Some(thread),
    }
}

impl Repeating {
    /// Whether it still goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let outcome = self.thread.take().map(JoinHandle::join);
        if let Some(Err(panic)) = outcome
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Sends `bytes` over and over until the connection ends or the answer is dropped. A broker that does not read holds
/// it up for half a second at a time, then it looks whether it has to stop.
pub(crate) fn flood(raw: &Raw, bytes: Vec<u8>) -> Repeating {
    let writer = raw.writer();
    writer.set_patience(Duration::from_millis(500));
    let mut at = 0;
    repeat(move || {
        match rustix::net::send(&writer, &bytes[at..], rustix::net::SendFlags::NOSIGNAL) {
            Ok(n) => at = (at + n) % bytes.len(),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
        true
    })
}

/// Reads and forgets everything until the connection ends or the answer is dropped.
pub(crate) fn discard(raw: &Raw) -> Repeating {
    let reader = raw.writer();
    reader.set_patience(Duration::from_millis(100));
    let mut bytes = vec![0; 64 * 1024];
    repeat(move || receive(&reader, &mut bytes) != Some(0))
}

/// Reads once; `None` when nothing came in time.
pub(crate) fn receive(raw: &impl AsFd, bytes: &mut [u8]) -> Option<usize> {
    match rustix::net::recv(raw, bytes, rustix::net::RecvFlags::empty()) {
        Ok((n, _)) => Some(n),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
        Err(rustix::io::Errno::CONNRESET) => Some(0),
        Err(error) => panic!("reading failed: {error}"),
    }
}

/// A reader for many small frames. It takes over where a [`Raw`] that has nothing buffered stands.
pub(crate) struct Reader {
    raw: Raw,
    bytes: Vec<u8>,
    at: usize,
    /// Bytes read so far.
    pub(crate) total: usize,
    /// Bytes read at once.
    pub(crate) piece: usize,
    /// Rest between two reads.
    pub(crate) rest: Duration,
}

impl Reader {
    pub(crate) fn new(raw: &Raw) -> Self {
        Self {
            raw: raw.writer(),
            bytes: Vec::new(),
            at: 0,
            total: 0,
            piece: 64 * 1024,
            rest: Duration::ZERO,
        }
    }

    /// Reads once; false when the connection is closed.
    pub(crate) fn fill(&mut self) -> bool {
        thread::sleep(self.rest);
        let kept = self.bytes.len() - self.at;
        self.bytes.copy_within(self.at.., 0);
        self.bytes.resize(kept + self.piece, 0);
        self.at = 0;
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(n) = receive(&self.raw, &mut self.bytes[kept..]) {
                self.bytes.truncate(kept + n);
                self.total += n;
                return n > 0;
            }
            assert!(Instant::now() < end, "nothing came in time");
        }
    }

    /// Hands every frame that is there to `take`: its sender and payload. Acknowledgements and pings are passed over.
    pub(crate) fn take_frames(&mut self, mut take: impl FnMut(&[u8], &[u8])) {
        while let Some(decoded) = delivery::decode(&self.bytes[self.at..]) {
            let (delivery, len) = decoded.unwrap();
            if let Delivery::Frame { sender, payload, .. } = delivery {
                take(sender, payload);
            }
            self.at += len;
        }
    }

    /// Reads until so many frames have come; answers how many did before the connection was closed.
    pub(crate) fn frames(&mut self, count: u64, mut take: impl FnMut(&[u8], &[u8])) -> u64 {
        let mut seen = 0;
        loop {
            self.take_frames(|sender, payload| {
                seen += 1;
                take(sender, payload);
            });
            if seen >= count || !self.fill() {
                return seen;
            }
        }
    }

    /// Expects the messages `from..to` and no others, in this order.
    pub(crate) fn expect_numbers(&mut self, numbers: std::ops::Range<u64>) {
        let mut next = numbers.start;
        let count = numbers.end - numbers.start;
        let seen = self.frames(count, |_, payload| {
            assert_eq!(number_of(payload), next, "out of order");
            next += 1;
        });
        assert_eq!(seen, count, "of the messages that were sent");
    }
}

/// Sends a payload back and forth between two clients once; answers how long it took.
pub(crate) fn ping_pong(one: &mut Raw, other: &mut Raw, names: (&str, &str), payload: &[u8]) -> Duration {
    let start = Instant::now();
    one.write(&message(names.1, payload));
    assert_eq!(other.message(), (names.0.to_owned(), payload.to_vec()));
    other.write(&message(names.0, payload));
    assert_eq!(one.message(), (names.1.to_owned(), payload.to_vec()));
    start.elapsed()
}
