//! Clients that feed each other, or themselves: when nobody in a ring reads, one is cut and the others go on.
use std::time::Duration;

use elbus_testkit::{Raw, TestBroker, Transport};

use super::common::{Reader, discard, flood, is_on, message, messages, numbered, repeat};

fn small_marks() -> TestBroker {
    TestBroker::with(|config| config.high_water = 64 * 1024)
}

/// Clients of these names, each of which floods the next one, the last one the first.
fn ring(bus: &TestBroker, transport: Transport, names: &[&str]) -> Vec<(Raw, super::common::Repeating)> {
    let clients: Vec<_> = names.iter().map(|name| bus.client(transport, name)).collect();
    let nexts = names.iter().cycle().skip(1);
    clients
        .into_iter()
        .zip(nexts)
        .map(|(raw, next)| {
            let flood = flood(&raw, message(next, &numbered(0, 1000)));
            (raw, flood)
        })
        .collect()
}

/// Of a ring in which nobody reads one is cut, and the others go on without being cut when they begin to read.
fn only_one_of_a_ring_is_cut(transport: Transport, names: &[&str]) {
    let bus = small_marks();
    let clients = ring(&bus, transport, names);
    bus.eventually("somebody is cut", |broker| broker.stats().clients < names.len());
    let readers: Vec<_> = clients.iter().map(|(raw, _)| discard(raw)).collect();
    let sent = |broker: &elbus_broker::Broker| {
        let clients = broker.clients();
        clients.iter().map(|client| client.r_frames).sum::<u64>()
    };
    let before = sent(&bus.broker);
    bus.eventually("the others go on", |broker| sent(broker) > before + 10_000);
    assert_eq!(bus.broker.stats().stalled, 1);
    assert_eq!(bus.broker.stats().clients, names.len() - 1);
    drop(readers);
}

#[test]
fn of_two_clients_that_flood_each_other_without_reading_one_is_cut() {
    for transport in Transport::ALL {
        only_one_of_a_ring_is_cut(transport, &["one", "other"]);
    }
}

#[test]
fn of_three_clients_in_a_ring_one_is_cut() {
    for transport in Transport::ALL {
        only_one_of_a_ring_is_cut(transport, &["one", "two", "three"]);
    }
}

#[test]
fn two_clients_that_flood_each_other_and_read_go_on_for_ever() {
    let bus = small_marks();
    let clients = ring(&bus, Transport::Unix, &["one", "other"]);
    let _readers: Vec<_> = clients.iter().map(|(raw, _)| discard(raw)).collect();
    bus.eventually("100,000 messages have passed", |broker| {
        broker.stats().w_frames > 100_000
    });
    assert_eq!(bus.broker.stats().stalled, 0);
    assert!(clients.iter().all(|(_, flood)| flood.goes_on()));
}

#[test]
fn a_client_that_sends_to_itself_and_never_reads_is_cut() {
    for transport in Transport::ALL {
        let bus = small_marks();
        let clients = ring(&bus, transport, &["self"]);
        bus.eventually("it is cut", |broker| broker.stats().stalled == 1);
        bus.eventually("its name is free", |broker| !is_on(broker, "self"));
        drop(clients);
    }
}

#[test]
fn a_client_that_sends_to_itself_and_reads_gets_everything() {
    for transport in Transport::ALL {
        let bus = small_marks();
        let client = bus.client(transport, "self");
        let mut writer = client.writer();
        let count = 20_000;
        let sender = std::thread::spawn(move || writer.write(&messages("self", 0..count, 100)));
        Reader::new(&client).expect_numbers(0..count);
        sender.join().unwrap();
        assert_eq!(bus.broker.stats().stalled, 0);
    }
}

#[test]
fn whoever_is_held_back_by_a_dead_receiver_is_not_cut_with_it() {
    // `middle` does not read while the broker holds it back; that is not its fault.
    let bus = small_marks();
    let _dead = bus.client(Transport::Unix, "dead");
    let middle = bus.client(Transport::Unix, "middle");
    let first = bus.client(Transport::Unix, "first");
    let mut writer = middle.writer();
    let reader = std::thread::spawn(move || {
        // Sends first, and reads only when that is done: as a program with one thread does.
        writer.write(&messages("dead", 0..2_000, 1000));
        let mut reader = Reader::new(&middle);
        reader.frames(10_000, |_, _| {})
    });
    let _flood = flood(&first, message("middle", &numbered(0, 1000)));
    assert_eq!(reader.join().unwrap().min(10_000), 10_000);
    assert_eq!(bus.broker.stats().stalled, 1);
    assert!(!is_on(&bus.broker, "dead"));
}

/// As long as it is held back by its slow friend its time starts anew, but not for ever.
#[test]
fn a_client_that_never_reads_is_cut_although_it_floods_a_slow_one() {
    let bus = TestBroker::with(|config| {
        config.high_water = 64 * 1024;
        // Twenty times that is what it takes; once is what the slow one may be kept from its processor.
        config.stall_timeout = Duration::from_millis(600);
    });
    let (slow, mute) = (
        bus.client(Transport::Unix, "slow"),
        bus.client(Transport::Unix, "mute"),
    );
    let other = bus.client(Transport::Unix, "other");
    let _floods = [
        flood(&mute, message("slow", &numbered(0, 1000))),
        flood(&other, message("mute", &numbered(0, 1000))),
    ];
    let mut reader = Reader::new(&slow);
    (reader.piece, reader.rest) = (64 * 1024, Duration::from_millis(5));
    let _reading = repeat(move || {
        let open = reader.fill();
        reader.take_frames(|_, _| {});
        open
    });

    bus.eventually("it is cut", |broker| !is_on(broker, "mute"));

    assert!(is_on(&bus.broker, "slow"));
    assert!(is_on(&bus.broker, "other"));
}
