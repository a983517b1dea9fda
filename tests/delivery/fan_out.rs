//! One frame for many receivers.
use std::time::Duration;

use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, PATIENCE, Raw, TestBroker, Transport};

use super::common::{Reader, addressed, await_queue, discard, is_on, message, numbered, queue};

const MARK: usize = 64 * 1024;

/// Fills a client's outbox.
fn fill(bus: &TestBroker, sender: &mut Raw, name: &str) {
    sender.write(&message(name, &numbered(0, 16 * 1024 * 1024)));
    await_queue(bus, name, MARK);
}

fn publication(raw: &mut Raw) -> Vec<u8> {
    match raw.got() {
        Got::Frame { payload, .. } => payload,
        got => panic!("expected a publication, got {got:?}"),
    }
}

#[test]
fn a_fan_out_reaches_everyone_who_has_room_before_it_waits() {
    for (op, address) in [(Op::Publish, "a/b"), (Op::Broadcast, "sub.*")] {
        let bus = TestBroker::with(|config| {
            config.high_water = MARK;
            config.stall_timeout = 2 * PATIENCE;
        });
        let names: Vec<_> = (0..10).map(|n| format!("sub.{n}")).collect();
        let mut subscribers: Vec<_> = names
            .iter()
            .zip(Transport::ALL.iter().cycle())
            .map(|(name, transport)| bus.client(*transport, name))
            .collect();
        for subscriber in &mut subscribers {
            subscriber.subscribe("a/+");
        }
        let mut publisher = bus.client(Transport::Unix, "publisher");
        // The first and one in the middle are full.
        fill(&bus, &mut publisher, "sub.0");
        let mut other = bus.client(Transport::Unix, "other");
        fill(&bus, &mut other, "sub.5");

        publisher.send(7, op, Qos::Processed, &addressed(address, b"hello"));

        for n in (1..10).filter(|n| *n != 5) {
            assert_eq!(publication(&mut subscribers[n]), b"hello", "subscriber {n}");
        }
        // It is not done: some have not got it. Both get it when they read.
        for n in [5, 0] {
            let reader = &mut subscribers[n];
            assert_eq!(publication(reader).len(), 16 * 1024 * 1024);
        }
        assert_eq!(publisher.got(), Got::Ack(7, Ok(())));
        for n in [5, 0] {
            assert_eq!(publication(&mut subscribers[n]), b"hello", "subscriber {n}");
        }
    }
}

#[test]
fn one_dead_subscriber_does_not_keep_the_others_from_getting_everything() {
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| config.high_water = MARK);
        let mut dead = bus.client(transport, "dead");
        dead.subscribe("a");
        let mut alive: Vec<_> = (0..3)
            .map(|n| bus.client(transport, &format!("alive.{n}")))
            .collect();
        for subscriber in &mut alive {
            subscriber.subscribe("a");
        }
        let mut publisher = bus.client(transport, "publisher");
        let (count, len) = (3_000, 4096);
        let readers: Vec<_> = alive
            .into_iter()
            .map(|raw| std::thread::spawn(move || Reader::new(&raw).expect_numbers(0..count)))
            .collect();
        for number in 0..count {
            publisher.send(0, Op::Publish, Qos::No, &addressed("a", &numbered(number, len)));
        }
        publisher.expect_nothing();
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(bus.broker.stats().stalled, 1);
        assert!(!is_on(&bus.broker, "dead"));
    }
}

#[test]
fn everyone_a_broadcast_touched_is_flushed_before_its_sender_is_held() {
    let bus = TestBroker::with(|config| {
        config.high_water = MARK;
        config.stall_timeout = 2 * PATIENCE;
    });
    // More than are flushed in one go.
    let mut receivers: Vec<_> = (0..200)
        .map(|n| bus.client(Transport::Unix, &format!("r.{n}")))
        .collect();
    let mut sender = bus.client(Transport::Unix, "sender");
    let mut other = bus.client(Transport::Unix, "other");
    // It has no room for its acknowledgements, and does not read.
    fill(&bus, &mut other, "sender");
    sender.send(1, Op::Broadcast, Qos::Processed, &addressed("r.*", b"all"));
    for receiver in &mut receivers {
        assert_eq!(receiver.message(), ("sender".to_owned(), b"all".to_vec()));
    }
    assert!(queue(&bus.broker, "sender").unwrap() >= MARK);
    // Nor are those receivers lost to others.
    assert_eq!(other.ask(2, Op::Message, &addressed("r.150", b"x")), Ok(()));
    assert_eq!(receivers[150].message().1, b"x");
}

#[test]
fn large_publications_reach_slow_and_fast_subscribers_unharmed() {
    let bus = TestBroker::with(|config| {
        config.high_water = MARK;
        config.stall_timeout = 2 * PATIENCE;
    });
    let (mut slow, mut fast) = (
        bus.client(Transport::Tcp, "slow"),
        bus.client(Transport::Unix, "fast"),
    );
    slow.subscribe("a");
    fast.subscribe("a");
    let mut publisher = bus.client(Transport::Unix, "publisher");
    let (count, len) = (200, 200_000);
    let readers: Vec<_> = [(slow, 8), (fast, 64)]
        .into_iter()
        .map(|(raw, kib)| {
            let mut reader = Reader::new(&raw);
            reader.piece = kib * 1024;
            std::thread::spawn(move || reader.expect_numbers(0..count))
        })
        .collect();
    for number in 0..count {
        publisher.send(0, Op::Publish, Qos::No, &addressed("a", &numbered(number, len)));
    }
    publisher.expect_nothing();
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_slow_listener_of_announcements_does_not_block_registrations() {
    let bus = TestBroker::with(|config| {
        config.high_water = 1024;
        config.stall_timeout = 2 * PATIENCE;
    });
    let mut listener = bus.client(Transport::Unix, "listener");
    listener.subscribe(".broker/info");
    let mut filler = bus.client(Transport::Unix, "filler");
    fill(&bus, &mut filler, "listener");
    for n in 0..200 {
        let mut client = bus.client(Transport::Unix, &format!("client.{n}"));
        client.expect_nothing();
    }
    assert!(bus.broker.stats().unannounced > 0);
    assert!(is_on(&bus.broker, "listener"));
    drop(discard(&listener));
}

#[test]
fn a_message_to_a_stalled_client_that_nobody_waited_for_is_refused_with_its_code() {
    let bus = TestBroker::with(|config| {
        config.high_water = MARK;
        config.stall_timeout = Duration::from_millis(100);
    });
    let _dead = bus.client(Transport::Unix, "dead");
    let mut filler = bus.client(Transport::Unix, "filler");
    filler.write(&message("dead", &numbered(0, 16 * 1024 * 1024)));
    bus.eventually("it is cut although nobody waits for it", |broker| {
        broker.stats().stalled == 1 && !is_on(broker, "dead")
    });
    let body = addressed("dead", b"x");
    // It remembers the client that was cut; somebody who never heard of it does not.
    let told = filler.ask(1, Op::Message, &body);
    assert!(
        matches!(told, Err(Code::NotDelivered | Code::NotRegistered)),
        "{told:?}"
    );
    assert_eq!(filler.ask(2, Op::Message, &body), Err(Code::NotRegistered));
}
