//! Slow progress is never a stall: readers of a few kilobytes a second beside a sender that floods them.
use std::{
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use elbus_testkit::{Raw, TestBroker, Transport};
use socket2::SockRef;

use super::common::{Repeating, await_queue, flood, is_on, message, messages, numbered, receive, repeat};

/// What published Python clients make of their sockets' buffers.
const PYTHON: usize = 8 * 1024;

/// A reader of so many bytes a second.
struct Pace {
    transport: Transport,
    rate: usize,
    /// Size of its receive buffer, if it sets one.
    buffer: Option<usize>,
    lasting: Duration,
    stall_timeout: Duration,
    /// Whether the sender writes much at once, and not in small pieces.
    bulk: bool,
}

impl Pace {
    /// Reads at this pace, and answers the number of bytes; none are expected to be held up for long.
    fn read(&self, raw: &Raw) -> usize {
        let start = Instant::now();
        let mut bytes = vec![0; self.rate / 50];
        let mut total = 0;
        while start.elapsed() < self.lasting {
            let due = (start.elapsed().as_secs_f64() * self.rate as f64) as usize;
            while total < due {
                match receive(raw, &mut bytes) {
                    Some(0) => return total,
                    Some(n) => total += n,
                    None => break,
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        total
    }

    /// The reader stays on the bus, and its sender is never held for long.
    fn is_borne(&self) {
        let bus = TestBroker::with(|config| {
            config.high_water = 256 * 1024;
            config.stall_timeout = self.stall_timeout;
        });
        let reader = bus.client(self.transport, "reader");
        reader.set_patience(Duration::from_millis(100));
        if let Some(size) = self.buffer {
            SockRef::from(&reader).set_recv_buffer_size(size).unwrap();
        }
        let sender = bus.client(self.transport, "sender");
        let (tell, told) = std::sync::mpsc::channel();
        let flood = if self.bulk {
            drop(tell);
            flood(&sender, messages("reader", 0..1000, 100))
        } else {
            flood_as_python_does(sender, tell)
        };
        await_queue(&bus, "reader", 256 * 1024);

        let read = self.read(&reader);

        assert!(is_on(&bus.broker, "reader"), "cut after {read} bytes");
        assert_eq!(bus.broker.stats().stalled, 0);
        assert!(read >= self.rate / 2, "{read} bytes came in {:?}", self.lasting);
        drop(reader);
        drop(flood);
        let longest = told.iter().max().unwrap_or_default();
        assert!(
            longest < 2 * self.stall_timeout,
            "the sender was held for {longest:?}"
        );
    }
}

/// A header and a payload at a time, out of a small buffer; tells how long each write took.
fn flood_as_python_does(mut sender: Raw, tell: Sender<Duration>) -> Repeating {
    SockRef::from(&sender).set_send_buffer_size(PYTHON).unwrap();
    let frame = message("reader", &numbered(0, 200));
    repeat(move || {
        for part in [&frame[..9], &frame[9..]] {
            let start = Instant::now();
            sender.write(part);
            let _ = tell.send(start.elapsed());
        }
        true
    })
}

/// Readers of one rate beside senders of both kinds.
fn all_are_borne(transport: Transport, rate: usize, stall_timeout: Duration, seconds: u64) {
    thread::scope(|scope| {
        for (buffer, bulk) in [(None, false), (small_buffer(transport), false), (None, true)] {
            let pace = Pace {
                transport,
                rate,
                buffer,
                lasting: Duration::from_secs(seconds),
                stall_timeout,
                bulk,
            };
            scope.spawn(move || pace.is_borne());
        }
    });
}

/// A small buffer changes nothing for a UNIX socket. Over TCP it makes the window open in its own time.
fn small_buffer(transport: Transport) -> Option<usize> {
    (transport == Transport::Unix).then_some(PYTHON)
}

/// How long a reader goes without visible progress is its pace against the stall time-out. With a long one the same is
/// shown of slower readers, and a machine that is busy for half a second does not look like a dead reader.
const PATIENT: Duration = Duration::from_secs(3);

/// A system frees a UNIX socket's buffer in the pieces in which it was filled, at most some 36 KiB.
#[test]
fn readers_of_50_kilobytes_a_second_are_borne_over_unix() {
    all_are_borne(Transport::Unix, 50_000, PATIENT, 4);
}

#[test]
fn readers_of_250_kilobytes_a_second_are_borne_over_unix() {
    all_are_borne(Transport::Unix, 250_000, PATIENT, 4);
}

/// Over TCP progress shows only when the reader's system opens the window again: on Linux, with buffers of the
/// default size, about every 112 KiB.
#[test]
fn readers_of_250_kilobytes_a_second_are_borne_over_tcp() {
    all_are_borne(Transport::Tcp, 250_000, PATIENT, 4);
}

#[test]
#[ignore = "takes 40 s; the second stage of .ci/run runs it"]
fn slow_readers_are_borne_for_a_long_time() {
    // Twenty times the default, so the rates stand for 100 kB/s and 180 kB/s: a machine that stands still for two seconds
    // does not look like a dead reader.
    let stall_timeout = Duration::from_secs(10);
    thread::scope(|scope| {
        for (transport, rate) in [(Transport::Unix, 5_000), (Transport::Tcp, 9_000)] {
            scope.spawn(move || all_are_borne(transport, rate, stall_timeout, 40));
        }
    });
}
