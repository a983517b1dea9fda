//! Receivers that do not keep up, and what was chosen for them: hold, disconnect, drop the oldest, drop the newest.
use std::time::{Duration, Instant};

use elbus_broker::{ClientInfo, SlowConsumer, SlowConsumers};
use elbus_client::Error;
use elbus_proto::{BROKER_INFO_TOPIC, Code, Op, Qos};
use elbus_testkit::{Got, PATIENCE, Raw, TestBroker, Transport, frame};

use super::common::{Reader, addressed, await_queue, await_read, flood, is_on, message, number_of, numbered};

const MARK: usize = 256 * 1024;

/// More publications than sockets and outbox hold.
const MANY: u64 = 20_000;

fn bus(choice: SlowConsumer) -> TestBroker {
    TestBroker::with(|config| {
        config.high_water = MARK;
        config.stall_timeout = 2 * PATIENCE;
        config.slow_consumers = SlowConsumers::default().but("panel", choice);
    })
}

fn publications(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let one = |number| frame(0, Op::Publish, Qos::No, &addressed("t", &numbered(number, 1000)));
    numbers.flat_map(one).collect()
}

/// A subscriber and a publisher.
fn pair(bus: &TestBroker, transport: Transport) -> (Raw, Raw) {
    let mut panel = bus.client(transport, "panel");
    panel.subscribe("t");
    (panel, bus.client(transport, "pump"))
}

fn info(bus: &TestBroker, name: &str) -> ClientInfo {
    let clients = bus.broker.clients();
    clients.into_iter().find(|client| client.name == name).unwrap()
}

/// What a subscriber gets that reads only after everything was published: numbers, in the order in which they came.
fn received(bus: &TestBroker, panel: &Raw) -> Vec<u64> {
    let dropped = info(bus, "panel").dropped;
    assert!(dropped > 0);
    assert_eq!(bus.broker.stats().dropped, dropped);
    let mut numbers = Vec::new();
    let left = MANY - dropped;
    let seen = Reader::new(panel).frames(left, |_, payload| numbers.push(number_of(payload)));
    assert_eq!(seen, left, "of {MANY}, {dropped} dropped");
    numbers
}

#[test]
fn of_a_receiver_that_drops_the_newest_publishers_do_not_wait_and_it_gets_what_came_first() {
    for transport in Transport::ALL {
        let bus = bus(SlowConsumer::DropNewest);
        let (mut panel, mut pump) = pair(&bus, transport);
        pump.write(&publications(0..MANY));
        pump.expect_nothing();
        assert_eq!(info(&bus, "pump").held, 0);

        let numbers = received(&bus, &panel);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(numbers[..100], Vec::from_iter(0..100)[..]);
        assert_ne!(numbers.last(), Some(&(MANY - 1)));
        // It has room again.
        pump.write(&publications(7..8));
        assert_eq!(number_of(&panel.message().1), 7);
    }
}

#[test]
fn of_a_receiver_that_drops_the_oldest_publishers_do_not_wait_and_it_gets_what_came_last() {
    for transport in Transport::ALL {
        let bus = bus(SlowConsumer::DropOldest);
        let (panel, mut pump) = pair(&bus, transport);
        pump.write(&publications(0..MANY));
        pump.expect_nothing();
        assert_eq!(info(&bus, "pump").held, 0);

        let numbers = received(&bus, &panel);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        // What the system had taken, and then the last ones without a gap.
        let last = MANY - 50..MANY;
        assert!(numbers.ends_with(&Vec::from_iter(last)), "{numbers:?}");
    }
}

#[test]
fn large_publications_that_are_shared_make_room_as_well() {
    let bus = bus(SlowConsumer::DropOldest);
    let (panel, mut pump) = pair(&bus, Transport::Unix);
    let mut other = bus.client(Transport::Unix, "other");
    other.subscribe("t");
    for number in 0..100 {
        let body = addressed("t", &numbered(number, 100_000));
        pump.write(&frame(0, Op::Publish, Qos::No, &body));
        assert_eq!(number_of(&other.message().1), number);
    }
    let dropped = info(&bus, "panel").dropped;
    let mut numbers = Vec::new();
    Reader::new(&panel).frames(100 - dropped, |_, payload| {
        assert_eq!(payload.len(), 100_000);
        numbers.push(number_of(payload));
    });
    assert!(dropped > 50 && numbers.is_sorted(), "{dropped} {numbers:?}");
    assert_eq!(numbers.last(), Some(&99));
}

#[test]
fn messages_among_publications_are_never_dropped() {
    for choice in [SlowConsumer::DropOldest, SlowConsumer::DropNewest] {
        let bus = bus(choice);
        let (panel, mut pump) = pair(&bus, Transport::Unix);
        let mut bytes = Vec::new();
        for number in 0..MANY {
            if number % 500 == 0 {
                bytes.extend(message("panel", format!("message {}", number / 500).as_bytes()));
            }
            bytes.extend(publications(number..number + 1));
        }
        // Messages wait for room, and so does what stands behind them.
        let _pump = flood_once(&mut pump, bytes);
        let mut messages = Vec::new();
        let mut reader = Reader::new(&panel);
        while messages.len() < MANY as usize / 500 {
            reader.take_frames(|_, payload| {
                if payload.starts_with(b"message") {
                    messages.push(String::from_utf8(payload.to_vec()).unwrap());
                }
            });
            if messages.len() < MANY as usize / 500 {
                assert!(reader.fill());
            }
        }
        let expected = (0..MANY / 500).map(|number| format!("message {number}"));
        assert_eq!(messages, Vec::from_iter(expected), "{choice}");
    }
}

/// Writes in a thread of its own.
fn flood_once(raw: &mut Raw, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
    let mut writer = raw.writer();
    std::thread::spawn(move || writer.write(&bytes))
}

#[test]
fn a_message_for_a_receiver_full_of_publications_waits_and_its_sender_is_told_how_long() {
    let bus = bus(SlowConsumer::DropNewest);
    let (panel, mut pump) = pair(&bus, Transport::Unix);
    pump.write(&publications(0..MANY));
    pump.expect_nothing();
    pump.send(1, Op::Message, Qos::Processed, &addressed("panel", b"last"));
    bus.eventually("the sender is held", |_| info(&bus, "pump").held == 1);

    let mut last = Vec::new();
    Reader::new(&panel).frames(MANY - info(&bus, "panel").dropped + 1, |_, payload| {
        last = payload.to_vec()
    });
    assert_eq!(last, b"last");
    assert_eq!(pump.got(), Got::Ack(1, Ok(())));
    let pump = info(&bus, "pump");
    assert!(pump.held == 1 && pump.held_for > Duration::ZERO, "{pump:?}");
}

#[test]
fn a_receiver_that_is_not_to_be_waited_for_is_disconnected_at_once_and_its_senders_go_on() {
    for transport in Transport::ALL {
        let bus = bus(SlowConsumer::Disconnect);
        let (panel, mut pump) = pair(&bus, transport);
        pump.write(&publications(0..MANY));
        pump.expect_nothing();
        bus.eventually("it is disconnected", |broker| !is_on(broker, "panel"));
        let stats = bus.broker.stats();
        assert_eq!((stats.slow, stats.stalled, stats.dropped), (1, 0, 0));
        assert_eq!(pump.ask(1, Op::Message, b"panel\0x"), Err(Code::NotRegistered));
        drop(panel);
        // The name is free.
        let _panel = bus.client(transport, "panel");
    }
}

#[test]
fn a_message_that_finds_a_receiver_full_that_is_not_to_be_waited_for_is_not_delivered() {
    let bus = bus(SlowConsumer::Disconnect);
    let (_panel, mut pump) = pair(&bus, Transport::Unix);
    let big = addressed("panel", &vec![0; 2 * MARK]);
    // The first is taken whatever its size; the second may be if the system took all of the first.
    let verdicts = [1, 2, 3].map(|id| pump.ask(id, Op::Message, &big));
    assert_eq!(verdicts[0], Ok(()));
    assert!(verdicts.contains(&Err(Code::NotDelivered)), "{verdicts:?}");
    assert_eq!(bus.broker.stats().slow, 1);
}

#[test]
fn a_sender_in_the_brokers_process_hears_the_same() {
    let bus = bus(SlowConsumer::Disconnect);
    let _panel = bus.client(Transport::Unix, "panel");
    let (sender, _inbox) = bus.broker.client("inside").unwrap();
    let big = vec![0; 2 * MARK];
    let send = async || sender.send("panel", &big[..]).qos(Qos::Processed).await;
    let verdicts = [(); 3].map(|()| bus.block_on(send()));
    let cut = verdicts.iter().position(Result::is_err).expect("it is full");
    assert_eq!(verdicts[cut], Err(Error::Refused(Code::NotDelivered)));
    assert_eq!(bus.broker.stats().slow, 1);
}

#[test]
fn nobody_is_disconnected_and_nothing_dropped_to_make_room_for_an_announcement() {
    for choice in [SlowConsumer::Disconnect, SlowConsumer::DropOldest] {
        let bus = bus(choice);
        let (mut panel, mut pump) = pair(&bus, Transport::Unix);
        panel.subscribe(BROKER_INFO_TOPIC);
        // It is taken whatever its size, and is more than the system takes.
        let big = addressed("t", &vec![0; 16 * MARK]);
        assert_eq!(pump.ask(1, Op::Publish, &big), Ok(()));
        let before = bus.broker.stats();
        let _other = bus.client(Transport::Unix, "other");
        let after = bus.broker.stats();
        assert_eq!(after.unannounced, before.unannounced + 1, "{choice}");
        assert_eq!((after.slow, after.dropped), (0, 0), "{choice}");

        let mut len = 0;
        Reader::new(&panel).frames(1, |_, payload| len = payload.len());
        assert_eq!(len, 16 * MARK, "{choice}");
    }
}

#[test]
fn a_receiver_that_publications_are_dropped_for_may_pause_until_somebody_waits_for_it() {
    let stall = Duration::from_millis(50);
    let bus = TestBroker::with(|config| {
        config.high_water = MARK;
        config.stall_timeout = stall;
        config.slow_consumers = SlowConsumers::all(SlowConsumer::DropOldest);
    });
    let (_panel, mut pump) = pair(&bus, Transport::Unix);
    let start = Instant::now();
    while start.elapsed() < 6 * stall {
        pump.write(&publications(0..500));
        pump.expect_nothing();
    }
    await_queue(&bus, "panel", MARK - MARK / 8);
    assert!(is_on(&bus.broker, "panel"));

    let body = addressed("panel", &vec![0; MARK]);
    // There may have been room for one.
    let verdicts = [1, 2].map(|id| pump.ask(id, Op::Message, &body));
    assert!(verdicts.contains(&Err(Code::NotDelivered)), "{verdicts:?}");
    assert_eq!(bus.broker.stats().stalled, 1);
}

#[test]
fn other_traffic_goes_on_beside_a_dead_receiver_whatever_was_chosen_for_it() {
    for choice in [
        SlowConsumer::Hold,
        SlowConsumer::Disconnect,
        SlowConsumer::DropOldest,
        SlowConsumer::DropNewest,
    ] {
        let bus = bus(choice);
        let (_panel, pump) = pair(&bus, Transport::Unix);
        let _flood = flood(&pump, publications(0..500));
        let (mut one, mut other) = (
            bus.client(Transport::Unix, "one"),
            bus.client(Transport::Unix, "other"),
        );
        await_read(&bus, "pump", 500);
        for number in 0..100_u64 {
            one.write(&message("other", &number.to_le_bytes()));
            assert_eq!(other.message().1, number.to_le_bytes(), "{choice}");
        }
    }
}
