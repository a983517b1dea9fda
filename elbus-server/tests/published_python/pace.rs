//! A published sender beside a slow but healthy reader: it gives up after a second without progress, so the server must
//! never let one pass.
use std::{
    thread,
    time::{Duration, Instant},
};

use elbus_testkit::{Got, Raw};
use tempfile::tempdir;

use crate::{finish, start, support::Server};

/// What the reader takes, in bytes a second.
const PACE: u64 = 250_000;

/// How long the reader rests between two reads.
const REST: Duration = Duration::from_millis(100);

/// Bytes of a message, as the program sends them, and on the wire.
const SIZE: u64 = 1000;

/// The default high-water mark: with more than that on its way, the sender was held back.
const HIGH_WATER: u64 = 8 * 1024 * 1024;

/// A published client sends as fast as it can for some seconds to a reader that keeps its pace: the client is held back
/// and lives, and everything arrives.
fn send_beside_a_slow_reader(transport: usize, library: &str, seconds: u64) {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let address = server.addresses[transport].clone();
    let mut reader = Raw::register(&address, "slow.reader");
    let seconds = seconds.to_string();
    let arguments = [library, &address.to_string(), "slow.reader", &seconds];
    let sender = start("send_steadily.py", &arguments);
    let sender = thread::spawn(move || finish(sender));

    let began = Instant::now();
    let mut read = 0;
    while !sender.is_finished() {
        while read < PACE * u64::try_from(began.elapsed().as_millis()).unwrap() / 1000 {
            expect_message(&mut reader, read / SIZE);
            read += SIZE;
        }
        thread::sleep(REST);
    }
    let report = sender.join().unwrap();
    let mut words = report.split(' ');
    let sent: u64 = words.nth(1).unwrap().parse().unwrap();
    assert!(
        sent * SIZE > read + HIGH_WATER,
        "{library} was not held back: {report}, {read} bytes read"
    );
    for n in read / SIZE..sent {
        expect_message(&mut reader, n);
    }
}

fn expect_message(reader: &mut Raw, n: u64) {
    match reader.got() {
        Got::Frame { payload, .. } => {
            assert_eq!(payload.len() as u64, SIZE);
            assert_eq!(payload[..8], n.to_le_bytes(), "message {n}");
        }
        got => panic!("expected message {n}, got {got:?}"),
    }
}

/// Every library over every transport, all at once: each with a server of its own.
fn with_each(seconds: u64) {
    thread::scope(|scope| {
        for library in ["elbus", "busrt_async"] {
            for transport in 0..2 {
                scope.spawn(move || send_beside_a_slow_reader(transport, library, seconds));
            }
        }
    });
}

#[test]
fn a_sender_beside_a_slow_reader_lives() {
    with_each(3);
}

#[test]
#[ignore = "takes 30 s; the second stage of .ci/run runs it"]
fn a_sender_beside_a_slow_reader_lives_for_30_s() {
    with_each(30);
}
