//! A published sender beside a slow but healthy reader: it gives up after its time-out without progress, so the server
//! must never let that much time pass.
use std::thread;

use tempfile::tempdir;

use crate::{finish, start, support::Server};

/// The sender's time-out in seconds: five times what it is by default, so that a machine may stand still meanwhile.
const TIMEOUT: u64 = 5;

/// What the reader takes, in bytes a second: with five times the time-out, a fifth of the 250 kB/s that must be borne.
const PACE: u64 = 50_000;

/// Bytes of a message, as the program sends them.
const SIZE: u64 = 1000;

/// What the server adds to each: its header, the sender's name and the byte behind it.
const AROUND: u64 = 6 + "sender.to.slow.reader".len() as u64 + 1;

/// The default high-water mark: with more than that on its way, the sender has been held back.
const HIGH_WATER: u64 = 8 * 1024 * 1024;

/// A published client sends as fast as it can for some seconds to another that keeps its pace: the sender is held back
/// and lives, and everything arrives, in order.
fn send_beside_a_slow_reader(transport: usize, library: &str, seconds: u64) {
    let directory = tempdir().unwrap();
    // Whether a slow reader is taken for dead is not tested here.
    let mut server = Server::start(directory.path(), &["--stall-timeout", "20"]);
    let address = server.addresses[transport].to_string();
    let [pace, seconds, timeout] = [PACE, seconds, TIMEOUT].map(|number| number.to_string());
    let mut reader = start(
        "read_slowly.py",
        &[library, &address, "slow.reader", &pace, &seconds],
    );
    assert_eq!(reader.line().as_deref(), Some("ready"), "{}", reader.errors());
    let sender = start(
        "send_steadily.py",
        &[library, &address, "slow.reader", &seconds, &timeout],
    );
    let number = |said: String| -> u64 { said.lines().last().unwrap().parse().unwrap() };
    let sent = number(finish(sender));
    let read_in_time = number(finish(reader));
    assert!(
        (sent - read_in_time) * (SIZE + AROUND) > HIGH_WATER,
        "{library} at {address} was not held back: {sent} messages sent, {read_in_time} read"
    );
    assert_eq!(server.process.errors(), "");
}

fn with_each(libraries: &[&str], seconds: u64) {
    thread::scope(|scope| {
        for &library in libraries {
            for transport in 0..2 {
                scope.spawn(move || send_beside_a_slow_reader(transport, library, seconds));
            }
        }
    });
}

#[test]
fn a_sender_beside_a_slow_reader_lives() {
    with_each(&["elbus"], 3 * TIMEOUT);
}

#[test]
#[ignore = "takes 30 s; the second stage of .ci/run runs it"]
fn a_sender_beside_a_slow_reader_lives_for_30_s() {
    with_each(&["elbus", "busrt"], 30);
}
