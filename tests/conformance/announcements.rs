//! What the broker says of its own accord.
use std::time::{Duration, UNIX_EPOCH};

use elbus_testkit::{PATIENCE, TestBroker};

use crate::link::{Ask, Bus, Link, Party, Received, on_every_link, on_every_pair};

/// An announcement: subject, data, time.
#[derive(Debug, PartialEq, Eq)]
struct Announcement {
    s: String,
    d: Option<String>,
    t: u64,
}

impl Announcement {
    /// Reads a MessagePack map of exactly these keys.
    fn read(mut payload: &[u8]) -> Self {
        let mut read = Self {
            s: String::new(),
            d: None,
            t: 0,
        };
        let entries = rmp::decode::read_map_len(&mut payload).unwrap();
        for _ in 0..entries {
            let key = text(&mut payload);
            match key.as_str() {
                "s" => read.s = text(&mut payload),
                "d" => read.d = Some(text(&mut payload)),
                "t" => read.t = rmp::decode::read_int(&mut payload).unwrap(),
                key => panic!("unknown key {key}"),
            }
        }
        assert!(payload.is_empty(), "bytes behind the map");
        read
    }
}

fn text(payload: &mut &[u8]) -> String {
    let (text, rest) = rmp::decode::read_str_from_slice(*payload).unwrap();
    *payload = rest;
    text.to_owned()
}

fn expect_info(frame: &Received, subject: &str, client: &str) {
    assert_eq!(
        (frame.sender.as_str(), frame.topic.as_str()),
        (".broker", ".broker/info")
    );
    let read = Announcement::read(&frame.payload);
    assert_eq!((read.s.as_str(), read.d.as_deref()), (subject, Some(client)));
    let now = UNIX_EPOCH.elapsed().unwrap();
    let age = now.saturating_sub(Duration::from_nanos(read.t));
    assert!(age < 2 * PATIENCE, "the time is {age:?} ago");
}

#[test]
fn clients_that_come_and_go_are_announced_to_who_listens() {
    on_every_pair(|bus| {
        let mut listener = bus.far("listener");
        let mut other = bus.far("other");
        listener.subscribe(".broker/info");
        bus.near("a.b").leave();
        expect_info(&listener.frame(), "reg", "a.b");
        expect_info(&listener.frame(), "unreg", "a.b");
        listener.expect_nothing();
        other.expect_nothing();
    });
}

#[test]
fn wildcard_subscribers_hear_announcements_once() {
    on_every_pair(|bus| {
        let mut listener = bus.far("listener");
        listener.must(Ask::Subscribe(&["#", ".broker/#", "+/info", ".broker/info"]));
        let _client = bus.near("a");
        expect_info(&listener.frame(), "reg", "a");
        listener.expect_nothing();
        listener.must(Ask::Exclude(&[".broker/info"]));
        let _another = bus.near("b");
        listener.expect_nothing();
    });
}

#[test]
fn a_client_that_is_disconnected_is_announced() {
    on_every_pair(|bus| {
        let mut listener = bus.far("listener");
        let _client = bus.near("a");
        listener.subscribe(".broker/info");
        assert!(bus.test.broker.disconnect("a"));
        expect_info(&listener.frame(), "unreg", "a");
        listener.expect_nothing();
    });
}

/// Shuts the broker down while `clients` read to their end; answers what each received.
fn heard_at_shutdown(test: &TestBroker, clients: Vec<Box<dyn Party + '_>>) -> Vec<Vec<Received>> {
    let broker = &test.broker;
    std::thread::scope(|scope| {
        scope.spawn(|| test.block_on(broker.shutdown()));
        let mut heard = Vec::new();
        for mut client in clients {
            let mut frames = Vec::new();
            while let Some(frame) = client.next() {
                frames.push(frame);
            }
            // It hangs up only now, so that the broker's goodbye need not wait for it.
            drop(client);
            heard.push(frames);
        }
        heard
    })
}

fn expect_warning(frame: &Received) {
    assert_eq!(
        (frame.sender.as_str(), frame.topic.as_str()),
        (".broker", ".broker/warn")
    );
    let read = Announcement::read(&frame.payload);
    assert_eq!((read.s.as_str(), read.d), ("shutdown", None));
    assert!(read.t > 0);
}

#[test]
fn every_client_is_told_of_the_shutdown_without_subscribing() {
    on_every_pair(|bus| {
        let clients = vec![bus.near("a"), bus.far("b"), bus.far("b%%1")];
        for frames in heard_at_shutdown(&bus.test, clients) {
            let [warning] = &frames[..] else {
                panic!("expected one frame, got {frames:?}");
            };
            expect_warning(warning);
        }
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (0, 0));
    });
}

#[test]
fn what_waits_for_clients_and_their_secondaries_at_shutdown_is_delivered() {
    on_every_pair(|bus| {
        let clients = vec![bus.far("a"), bus.far("a%%1"), bus.far("b")];
        let mut sender = bus.near("sender");
        // More than the system takes for a client that does not read.
        let payload = [7; 4096];
        for _ in 0..500 {
            sender.must(Ask::Message("a%%1", &payload));
            sender.must(Ask::Message("b", &payload));
        }
        sender.leave();
        let heard = heard_at_shutdown(&bus.test, clients);
        let counts: Vec<_> = heard.iter().map(Vec::len).collect();
        assert_eq!(counts, [1, 501, 501]);
    });
}

#[test]
fn a_warning_comes_once_however_often_it_is_subscribed_to() {
    on_every_link(|bus| {
        let mut client = bus.near("a");
        let filters = [".broker/warn", ".broker/#", "#", "+/warn"];
        client.must(Ask::Subscribe(&filters));
        let heard = heard_at_shutdown(&bus.test, vec![client]);
        let warnings = heard[0].iter().filter(|frame| frame.topic == ".broker/warn");
        assert_eq!(warnings.count(), 1);
    });
}

#[test]
fn a_client_can_unsubscribe_from_the_warnings_and_subscribe_again() {
    on_every_link(|bus| {
        let warn = Ask::Subscribe(&[".broker/warn"]);
        let not = Ask::Unsubscribe(&[".broker/warn"]);
        let mut out = bus.near("out");
        out.must(not);
        let mut out_of_both = bus.near("out.of.both");
        out_of_both.must(warn);
        out_of_both.must(not);
        let mut back = bus.near("back");
        back.must(not);
        back.must(warn);
        let mut excluded = bus.near("excluded");
        excluded.must(Ask::Exclude(&[".broker/#"]));
        let mut unexcluded = bus.near("unexcluded");
        unexcluded.must(Ask::Exclude(&[".broker/warn"]));
        unexcluded.must(Ask::Unexclude(&[".broker/warn"]));
        let clients = vec![out, out_of_both, back, excluded, unexcluded];
        let heard = heard_at_shutdown(&bus.test, clients);
        let counts: Vec<_> = heard.iter().map(Vec::len).collect();
        assert_eq!(counts, [0, 0, 1, 0, 1]);
    });
}

#[test]
fn a_slow_listener_of_announcements_does_not_hold_registrations_up() {
    for near in Link::ALL {
        let bus = Bus::new(near, Link::Process, |config| {
            config.queue_size = 2;
            config.stall_timeout = Duration::from_secs(3600);
        });
        let mut listener = bus.far("listener");
        listener.subscribe(".broker/info");
        for n in 0..10 {
            bus.near(&format!("client.{n}")).leave();
        }
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.unannounced), (1, 18));
        expect_info(&listener.frame(), "reg", "client.0");
        expect_info(&listener.frame(), "unreg", "client.0");
        let _client = bus.near("back");
        expect_info(&listener.frame(), "reg", "back");
    }
}

#[test]
fn coming_and_going_is_announced_in_the_order_in_which_it_happens() {
    let bus = TestBroker::start();
    let (listener, mut inbox) = bus.broker.client("listener").unwrap();
    bus.block_on(async { listener.subscribe(&[".broker/info"]).await.unwrap() });
    let rounds = 500;
    let broker = bus.broker.clone();
    let ejecting = std::thread::spawn(move || {
        for _ in 0..rounds {
            while !broker.disconnect("restless") {
                std::thread::yield_now();
            }
        }
    });
    for _ in 0..rounds {
        let (_restless, mut inbox) = bus.broker.client("restless").unwrap();
        assert_eq!(bus.block_on(inbox.recv()), None);
    }
    ejecting.join().unwrap();
    for _ in 0..rounds {
        for subject in ["reg", "unreg"] {
            let frame = bus.block_on(inbox.recv()).unwrap();
            assert_eq!(Announcement::read(frame.payload()).s, subject);
        }
    }
}
