//! When frames leave: real-time ones at once, others within the time set, and nobody starves.
use std::time::{Duration, Instant};

use elbus_proto::{Op, Qos};
use elbus_testkit::{TestBroker, Transport};

use super::common::{Reader, addressed, discard, flood, messages, ping_pong};

/// The longest that frames can be held up for.
const TTL: Duration = Duration::from_secs(1);

/// Twenty rounds that were held up take twice as long, and a busy machine takes far less.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn real_time_frames_are_flushed_at_once_however_long_others_may_wait() {
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| config.buf_ttl = TTL);
        let mut receiver = bus.client(transport, "receiver");
        let mut sender = bus.client(transport, "sender");
        let start = Instant::now();
        for _ in 0..20 {
            sender.send(0, Op::Message, Qos::No, &addressed("receiver", b"held up"));
            sender.send(0, Op::Message, Qos::Realtime, &addressed("receiver", b"now"));
            assert_eq!(receiver.message().1, b"held up");
            assert_eq!(receiver.message().1, b"now");
        }
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
}

#[test]
fn the_acknowledgement_of_a_real_time_frame_is_flushed_at_once() {
    let bus = TestBroker::with(|config| config.buf_ttl = TTL);
    let mut receiver = bus.client(Transport::Unix, "receiver");
    let mut sender = bus.client(Transport::Unix, "sender");
    let start = Instant::now();
    for id in 0..20 {
        let body = addressed("receiver", b"now");
        sender.send(id, Op::Message, Qos::RealtimeProcessed, &body);
        assert_eq!(sender.got(), elbus_testkit::Got::Ack(id, Ok(())));
        assert_eq!(receiver.message().1, b"now");
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn other_frames_are_gathered_and_arrive_within_the_time_set() {
    let ttl = Duration::from_millis(100);
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| config.buf_ttl = ttl);
        let mut receiver = bus.client(transport, "receiver");
        let mut sender = bus.client(transport, "sender");
        let mut round = || {
            let start = Instant::now();
            for _ in 0..10 {
                sender.send(0, Op::Message, Qos::No, &addressed("receiver", b"gathered"));
            }
            for _ in 0..10 {
                assert_eq!(receiver.message().1, b"gathered");
            }
            start.elapsed()
        };
        let times: Vec<_> = (0..5).map(|_| round()).collect();
        // Whoever is writing already takes along what comes meanwhile, so some may be early; most are held.
        assert!(times.iter().any(|took| *took >= ttl), "{times:?}");
        assert!(times.iter().all(|took| *took < SOON), "{times:?}");
    }
}

#[test]
fn a_flood_does_not_wait_for_the_time_set() {
    let bus = TestBroker::with(|config| {
        config.buf_ttl = TTL;
        config.high_water = 256 * 1024;
    });
    let receiver = bus.client(Transport::Unix, "receiver");
    let mut sender = bus.client(Transport::Unix, "sender");
    let count = 20_000;
    let start = Instant::now();
    let sending = std::thread::spawn(move || sender.write(&messages("receiver", 0..count, 1000)));
    Reader::new(&receiver).expect_numbers(0..count);
    sending.join().unwrap();
    // Eighty times the mark: eighty seconds if every filling had to wait.
    assert!(start.elapsed() < 20 * TTL, "{:?}", start.elapsed());
}

#[test]
fn floods_do_not_starve_a_ping_pong() {
    let bus = TestBroker::start();
    let pairs: Vec<_> = [Transport::Unix, Transport::Tcp]
        .into_iter()
        .enumerate()
        .map(|(n, transport)| {
            let target = format!("sink.{n}");
            let sink = bus.client(transport, &target);
            let source = bus.client(transport, &format!("source.{n}"));
            (discard(&sink), flood(&source, messages(&target, 0..1000, 100)))
        })
        .collect();
    let (mut one, mut other) = (
        bus.client(Transport::Unix, "one"),
        bus.client(Transport::Unix, "other"),
    );
    bus.eventually("the floods are on their way", |broker| {
        broker.stats().w_frames > 10_000
    });
    let mut times: Vec<_> = (0..200)
        .map(|_| ping_pong(&mut one, &mut other, ("one", "other"), b"ping"))
        .collect();
    times.sort_unstable();
    assert!(times[100] < Duration::from_millis(200), "median {:?}", times[100]);
    drop(pairs);
}
