//! Senders that are held back because their receiver is full.
use std::thread;

use elbus_broker::Config;
use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, PATIENCE, TestBroker, Transport, frame};

use super::common::{
    Reader, addressed, await_held, await_queue, await_read, discard, flood, is_on, message, messages,
    number_of, numbered, queue,
};

const MARK: usize = 64 * 1024;

/// Stalls are not what these tests are about.
fn settings(config: &mut Config) {
    config.high_water = MARK;
    config.stall_timeout = 2 * PATIENCE;
}

fn patient() -> TestBroker {
    TestBroker::with(settings)
}

#[test]
fn several_held_senders_are_served_in_turn() {
    // With one worker, and everything of the five senders with the system before anything is read, nobody misses a turn for
    // want of a processor.
    let bus = TestBroker::on_workers(1, |config| {
        settings(config);
        config.read_size = 4096;
    });
    let slow = bus.client(Transport::Unix, "slow");
    let mut filler = bus.client(Transport::Unix, "filler");
    let fillings = 2_000;
    let filling = thread::spawn(move || filler.write(&messages("slow", 0..fillings, 1000)));
    await_queue(&bus, "slow", MARK);
    let each = 150;
    let senders: Vec<_> = (0..5)
        .map(|n| {
            let name = format!("sender.{n}");
            let mut sender = bus.client(Transport::Unix, &name);
            sender.write(&messages("slow", 0..each, 1000));
            await_held(&bus, &name);
            sender
        })
        .collect();

    let (mut next, mut when_one_was_done) = (vec![0; senders.len()], None);
    let count = fillings + senders.len() as u64 * each;
    let seen = Reader::new(&slow).frames(count, |sender, payload| {
        let Some(n) = sender.strip_prefix(b"sender.") else {
            return;
        };
        let n = usize::from(n[0] - b'0');
        assert_eq!(number_of(payload), next[n], "out of order");
        next[n] += 1;
        if next[n] == each {
            when_one_was_done.get_or_insert_with(|| next.clone());
        }
    });

    assert_eq!(seen, count);
    // Whoever finds nobody in line gets ahead by a few turns of four messages.
    let shares = when_one_was_done.unwrap();
    assert!(shares.iter().all(|share| share * 3 >= each), "{shares:?}");
    filling.join().unwrap();
}

#[test]
fn a_held_sender_that_hangs_up_frees_its_name_and_what_it_sent_is_delivered() {
    for transport in Transport::ALL {
        let bus = patient();
        let slow = bus.client(transport, "slow");
        let mut sender = bus.client(transport, "sender");
        sender.write(&message("slow", &numbered(0, 16 * 1024 * 1024)));
        await_queue(&bus, "slow", MARK);
        let count = 50;
        sender.write(&messages("slow", 1..count, 100));
        drop(sender);

        bus.eventually("the name is free", |broker| !is_on(broker, "sender"));
        let mut successor = bus.client(transport, "sender");
        successor.write(&message("slow", &numbered(count, 100)));
        // Each in its own order; whose comes first is nobody's promise.
        let mut numbers = Vec::new();
        Reader::new(&slow).frames(count + 1, |_, payload| numbers.push(number_of(payload)));
        numbers.sort_unstable();
        assert_eq!(numbers, Vec::from_iter(0..=count));
    }
}

#[test]
fn a_half_closed_sender_gets_the_acknowledgements_it_asked_for() {
    for transport in Transport::ALL {
        let bus = patient();
        let slow = bus.client(transport, "slow");
        let mut sender = bus.client(transport, "sender");
        let large = addressed("slow", &numbered(0, 16 * 1024 * 1024));
        assert_eq!(sender.ask(0, Op::Message, &large), Ok(()));
        assert!(queue(&bus.broker, "slow").unwrap() >= MARK);
        let count = 20;
        for id in 1..=count {
            sender.send(id, Op::Message, Qos::Processed, &addressed("slow", b"x"));
        }
        sender.shutdown_write();
        bus.eventually("its name is free", |broker| !is_on(broker, "sender"));

        let _reads = discard(&slow);

        for id in 1..=count {
            assert_eq!(sender.got(), Got::Ack(id, Ok(())));
        }
        sender.expect_end();
    }
}

#[test]
fn a_half_closed_sender_that_is_not_held_gets_its_acknowledgements_too() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut sender = bus.client(transport, "sender");
        let requests: Vec<u8> = (1..=1000)
            .flat_map(|id| frame(id, Op::Nop, Qos::Processed, b""))
            .collect();
        sender.write(&requests);
        sender.shutdown_write();
        for id in 1..=1000 {
            assert_eq!(sender.got(), Got::Ack(id, Ok(())));
        }
        sender.expect_end();
    }
}

#[test]
fn what_a_client_subscribes_to_after_it_hung_up_is_returned() {
    let bus = patient();
    let slow = bus.client(Transport::Unix, "slow");
    let mut sender = bus.client(Transport::Unix, "sender");
    sender.write(&message("slow", &numbered(0, 8 * 1024 * 1024)));
    await_queue(&bus, "slow", MARK);
    let held = message("slow", b"held");
    let behind = frame(1, Op::Subscribe, Qos::No, b"a/#\0b/+");
    let excluded = frame(2, Op::Exclude, Qos::No, b"c/#");
    let last = message("slow", b"last");
    sender.write(&[held, behind, excluded, last].concat());
    drop(sender);
    bus.eventually("the name is free", |broker| !is_on(broker, "sender"));

    let mut last = Vec::new();
    Reader::new(&slow).frames(3, |_, payload| last = payload.to_vec());

    assert_eq!(last, b"last");
    let stats = bus.broker.stats();
    assert_eq!((stats.subscriptions, stats.exclusions), (0, 0));
}

#[test]
fn a_sender_that_does_not_read_its_acknowledgements_does_not_keep_others_from_its_receiver() {
    let bus = patient();
    let busy = bus.client(Transport::Unix, "busy");
    let mut stuck = bus.client(Transport::Unix, "stuck");
    let mut other = bus.client(Transport::Unix, "other");
    let mut third = bus.client(Transport::Unix, "third");
    // Its own outbox is full, and so is its receiver's: it waits for both.
    third.write(&message("stuck", &numbered(0, 8 * 1024 * 1024)));
    await_queue(&bus, "stuck", MARK);
    third.write(&message("busy", &numbered(0, 8 * 1024 * 1024)));
    await_queue(&bus, "busy", MARK);
    let asks: Vec<u8> = (0..100)
        .flat_map(|id| frame(id, Op::Nop, Qos::Processed, b""))
        .chain(message("busy", b"from stuck"))
        .collect();
    stuck.write(&asks);
    await_read(&bus, "stuck", 100);
    other.write(&message("busy", b"from other"));

    // `stuck` does not read, so its own message may have to wait. That of the other one must not.
    let mut seen = Vec::new();
    let mut reader = Reader::new(&busy);
    while !seen.contains(&b"from other".to_vec()) {
        assert!(reader.fill());
        reader.take_frames(|_, payload| seen.push(payload[..payload.len().min(10)].to_vec()));
    }
    drop(stuck);
}

#[test]
fn a_held_sender_goes_on_as_soon_as_one_frame_fits() {
    let mark = 1024 * 1024;
    let bus = TestBroker::with(|config| {
        config.high_water = mark;
        config.stall_timeout = 2 * PATIENCE;
    });
    let slow = bus.client(Transport::Unix, "slow");
    let sender = bus.client(Transport::Unix, "sender");
    let _flood = flood(&sender, messages("slow", 0..1000, 1000));
    await_queue(&bus, "slow", mark);
    let taken = |broker: &elbus_broker::Broker| {
        let clients = broker.clients();
        let sender = clients.iter().find(|client| client.name == "sender");
        sender.map_or(0, |client| client.r_frames)
    };
    // What is read makes room for as much, though the outbox stays near its mark all the time.
    let mut reader = Reader::new(&slow);
    reader.piece = 16 * 1024;
    let before = taken(&bus.broker);
    for _ in 0..40 {
        assert!(reader.fill());
        reader.take_frames(|_, _| {});
        bus.eventually(
            "the sender fills what was read, and does not wait for more",
            |broker| queue(broker, "slow").is_some_and(|queued| queued > mark - 64 * 1024),
        );
    }
    bus.eventually("as many frames have gone in as were taken out", |broker| {
        taken(broker) > before + 300
    });
}
