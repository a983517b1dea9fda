//! Receivers that are slower than their senders, and receivers that never read.
use std::{thread, time::Duration};

use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, PATIENCE, TestBroker, Transport};

use super::common::{
    Reader, addressed, await_queue, discard, flood, is_on, message, messages, numbered, ping_pong, queue,
};

fn everything_reaches_a_slower_receiver(transport: Transport, count: u64) {
    let bus = TestBroker::start();
    let (slow, mut fast) = (bus.client(transport, "slow"), bus.client(transport, "fast"));
    let sender = thread::spawn(move || {
        for from in (0..count).step_by(1000) {
            fast.write(&messages("slow", from..(from + 1000).min(count), 100));
        }
        // It was never taken for dead either.
        fast.expect_nothing();
    });

    let mut reader = Reader::new(&slow);
    (reader.piece, reader.rest) = (32 * 1024, Duration::from_micros(500));
    reader.expect_numbers(0..count);

    sender.join().unwrap();
    assert_eq!(bus.broker.stats().stalled, 0);
    assert!(is_on(&bus.broker, "slow"));
}

#[test]
fn a_receiver_slower_than_its_sender_gets_300_000_messages_over_unix() {
    everything_reaches_a_slower_receiver(Transport::Unix, 300_000);
}

#[test]
fn a_receiver_slower_than_its_sender_gets_300_000_messages_over_tcp() {
    everything_reaches_a_slower_receiver(Transport::Tcp, 300_000);
}

#[test]
fn a_sender_is_held_at_the_mark_and_nothing_it_sent_is_lost() {
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| {
            config.high_water = 64 * 1024;
            config.stall_timeout = 2 * PATIENCE;
        });
        let (slow, mut fast) = (bus.client(transport, "slow"), bus.client(transport, "fast"));
        // More than the sockets and the outbox hold.
        let count = 40_000;
        let sender = thread::spawn(move || {
            fast.write(&messages("slow", 0..count, 1000));
            fast.expect_nothing();
        });
        await_queue(&bus, "slow", 64 * 1024);
        Reader::new(&slow).expect_numbers(0..count);
        sender.join().unwrap();
    }
}

#[test]
fn a_receiver_that_never_reads_costs_bounded_memory_and_is_cut() {
    let (mark, payload) = (256 * 1024, 16 * 1024);
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| config.high_water = mark);
        let mut dead = bus.client(transport, "dead");
        let mut sender = bus.client(transport, "sender");

        let body = addressed("dead", &numbered(0, payload));
        let mut largest = 0;
        let answer = loop {
            match sender.ask(1, Op::Message, &body) {
                Ok(()) => largest = largest.max(queue(&bus.broker, "dead").unwrap_or(0)),
                Err(code) => break code,
            }
        };

        // The one that waited for it is told that it was not delivered, those behind it that nobody is there.
        assert_eq!(answer, Code::NotDelivered);
        assert_eq!(sender.ask(2, Op::Message, &body), Err(Code::NotRegistered));
        assert!(largest <= mark + payload + 64, "{largest} bytes were queued");
        assert!(!is_on(&bus.broker, "dead"));
        assert_eq!(bus.broker.stats().stalled, 1);
        // What it had in its socket is still there; then the connection ends.
        while dead.read_more() > 0 {}
        let _again = bus.client(transport, "dead");
        assert_eq!(sender.ask(3, Op::Message, &body), Ok(()));
    }
}

#[test]
fn several_senders_of_a_dead_receiver_are_all_told() {
    let bus = TestBroker::with(|config| config.high_water = 64 * 1024);
    let _dead = bus.client(Transport::Unix, "dead");
    let senders: Vec<_> = (0..4)
        .map(|n| {
            let mut sender = bus.client(Transport::Unix, &format!("sender.{n}"));
            thread::spawn(move || {
                let body = addressed("dead", &numbered(0, 4096));
                loop {
                    if let Err(code) = sender.ask(1, Op::Message, &body) {
                        return (code, sender.ask(2, Op::Message, &body));
                    }
                }
            })
        })
        .collect();
    for sender in senders {
        let told = sender.join().unwrap();
        assert_eq!(told, (Code::NotDelivered, Err(Code::NotRegistered)));
    }
}

#[test]
fn others_go_on_undisturbed_while_a_receiver_is_over_its_mark() {
    let mark = 64 * 1024;
    let bus = TestBroker::with(|config| {
        config.high_water = mark;
        config.stall_timeout = 2 * PATIENCE;
    });
    let _dead = bus.client(Transport::Unix, "dead");
    let sender = bus.client(Transport::Unix, "sender");
    let _flood = flood(&sender, message("dead", &numbered(0, 1000)));
    let (mut one, mut other) = (
        bus.client(Transport::Unix, "one"),
        bus.client(Transport::Tcp, "other"),
    );
    await_queue(&bus, "dead", mark);

    for _ in 0..100 {
        ping_pong(&mut one, &mut other, ("one", "other"), b"ping");
    }

    assert!(
        queue(&bus.broker, "dead").unwrap() >= mark,
        "it was over all the time"
    );
}

#[test]
fn a_receiver_that_pauses_below_its_mark_is_not_cut() {
    let bus = TestBroker::with(|config| config.stall_timeout = Duration::from_millis(50));
    let idle = bus.client(Transport::Unix, "idle");
    let mut sender = bus.client(Transport::Unix, "sender");
    let count = 5_000;
    sender.write(&messages("idle", 0..count, 1000));
    sender.expect_nothing();
    assert!(queue(&bus.broker, "idle").unwrap() > 0);
    // Many times the stall time-out.
    thread::sleep(Duration::from_millis(500));
    Reader::new(&idle).expect_numbers(0..count);
    assert_eq!(bus.broker.stats().stalled, 0);
}

#[test]
fn a_frame_larger_than_the_mark_is_admitted_when_the_outbox_is_below_it() {
    let mark = 64 * 1024;
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| {
            config.high_water = mark;
            config.stall_timeout = 2 * PATIENCE;
        });
        let mut receiver = bus.client(transport, "receiver");
        let mut sender = bus.client(transport, "sender");
        // More than the sockets hold, so that it stays in the outbox.
        let large = numbered(1, 16 * 1024 * 1024);
        assert_eq!(sender.ask(1, Op::Message, &addressed("receiver", &large)), Ok(()));
        let queued = queue(&bus.broker, "receiver").unwrap();
        assert!(queued > mark, "{queued} bytes wait");
        // The next one has to wait, however small it is.
        sender.send(2, Op::Message, Qos::Processed, &addressed("receiver", b"small"));
        assert_eq!(receiver.message(), ("sender".to_owned(), large));
        assert_eq!(receiver.message(), ("sender".to_owned(), b"small".to_vec()));
        assert_eq!(sender.got(), Got::Ack(2, Ok(())));
    }
}

#[test]
fn a_client_that_is_disconnected_sees_its_connection_end_although_others_remember_it() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut leaver = bus.client(transport, "leaver");
        let mut sender = bus.client(transport, "sender");
        leaver.subscribe("a/b");
        for op in [
            (Op::Message, "leaver"),
            (Op::Publish, "a/b"),
            (Op::Broadcast, "leaver"),
        ] {
            assert_eq!(sender.ask(1, op.0, &addressed(op.1, b"x")), Ok(()));
            assert_eq!(leaver.message(), ("sender".to_owned(), b"x".to_vec()));
        }
        assert!(bus.broker.disconnect("leaver"));
        leaver.expect_end();
        drop(sender);
    }
}

#[test]
fn a_reader_that_never_stops_is_never_taken_for_dead() {
    let bus = TestBroker::with(|config| {
        config.high_water = 1;
        config.stall_timeout = Duration::from_secs(3);
    });
    let receiver = bus.client(Transport::Unix, "receiver");
    let _reads = discard(&receiver);
    let mut sender = bus.client(Transport::Unix, "sender");
    for _ in 0..20 {
        sender.write(&messages("receiver", 0..1000, 100));
    }
    sender.expect_nothing();
    assert_eq!(bus.broker.stats().stalled, 0);
}
