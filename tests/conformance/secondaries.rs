//! Secondaries: more connections of one client.
use elbus_proto::{Code, delivery::Kind};
use elbus_testkit::{Raw, TestBroker, Transport};

use crate::link::{Ask, Link, on_every_link, on_every_pair};

#[test]
fn a_secondary_sends_and_receives_under_its_full_name() {
    on_every_pair(|bus| {
        let _primary = bus.near("a.b");
        let mut secondary = bus.near("a.b%%1");
        let mut other = bus.far("o");
        secondary.must(Ask::Message("o", b"to other"));
        other.expect(Kind::Message, "a.b%%1", b"to other");
        other.must(Ask::Message("a.b%%1", b"to secondary"));
        secondary.expect(Kind::Message, "o", b"to secondary");
    });
}

#[test]
fn a_secondary_without_its_primary_is_refused() {
    on_every_link(|bus| {
        assert_eq!(bus.try_over(bus.near, "a%%1").err(), Some(Code::NotRegistered));
        bus.near("a").leave();
        assert_eq!(bus.try_over(bus.near, "a%%1").err(), Some(Code::NotRegistered));
        assert_eq!(bus.test.broker.stats().clients, 0);
    });
}

#[test]
fn a_secondary_over_another_kind_of_link_than_its_primary_is_denied() {
    on_every_pair(|bus| {
        let primary = bus.far("victim");
        let secondary = bus.try_over(bus.near, "victim%%x").map(|_| ());
        if bus.near.is_same_peer(bus.far) {
            assert_eq!(secondary, Ok(()));
        } else {
            assert_eq!(secondary, Err(Code::Access));
        }
        primary.leave();
    });
}

#[test]
fn a_secondary_from_another_host_than_its_primary_is_denied() {
    let test = TestBroker::start();
    let _primary = test.client(Transport::Tcp, "victim");
    let address = test.address(Transport::Tcp);
    let mut elsewhere = Raw::connect_from("127.0.0.2", address);
    elsewhere.greet();
    elsewhere.say_name(b"victim%%x");
    assert_eq!(elsewhere.read_exact(), [Code::Access.byte()]);
    elsewhere.expect_end();
    let _same_host = test.client(Transport::Tcp, "victim%%x");
}

#[test]
fn secondaries_are_counted_with_their_primary_and_not_listed() {
    on_every_link(|bus| {
        let _primary = bus.near("a");
        let first = bus.near("a%%1");
        let _second = bus.near("a%%2");
        let instances = || {
            let clients = bus.test.broker.clients();
            assert_eq!(clients.len(), 1);
            (clients[0].name.clone(), clients[0].instances)
        };
        assert_eq!(instances(), ("a".to_owned(), 3));
        assert_eq!(bus.test.broker.stats().clients, 3);
        first.leave();
        assert_eq!(instances(), ("a".to_owned(), 2));
    });
}

#[test]
fn secondaries_come_and_go_unannounced() {
    on_every_pair(|bus| {
        let mut listener = bus.far("listener");
        listener.subscribe(".broker/info");
        let primary = bus.near("a");
        listener.frame();
        bus.near("a%%1").leave();
        let mut second = bus.near("a%%2");
        listener.expect_nothing();
        primary.leave();
        listener.frame();
        second.expect_end();
        listener.expect_nothing();
    });
}

#[test]
fn secondaries_leave_with_their_primary_and_their_names_are_free() {
    on_every_link(|bus| {
        let primary = bus.near("a");
        let mut first = bus.near("a%%1");
        let mut second = bus.near("a%%2");
        first.must(Ask::Message("a%%2", b"hello"));
        second.expect(Kind::Message, "a%%1", b"hello");
        second.subscribe("t");
        let mut unrelated = bus.near("aa");
        primary.leave();
        first.expect_end();
        second.expect_end();
        unrelated.expect_nothing();
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (1, 0));
        assert_eq!(bus.try_over(bus.near, "a%%1").err(), Some(Code::NotRegistered));
        let _primary = bus.near("a");
        bus.near("a%%1").leave();
    });
}

#[test]
fn a_secondary_that_leaves_takes_nobody_with_it() {
    on_every_link(|bus| {
        let mut primary = bus.near("a");
        let mut other = bus.near("a%%1");
        bus.near("a%%2").leave();
        primary.must(Ask::Message("a%%1", b"x"));
        other.must(Ask::Message("a", b"y"));
        primary.expect(Kind::Message, "a%%1", b"y");
        other.expect(Kind::Message, "a", b"x");
    });
}

#[test]
fn masks_match_the_full_name_of_a_secondary() {
    on_every_pair(|bus| {
        let mut sender = bus.near("s");
        let mut primary = bus.far("a.b");
        let mut secondary = bus.far("a.b%%1");
        sender.must(Ask::Broadcast("a.?", b"both"));
        sender.must(Ask::Broadcast("a.b", b"the primary"));
        sender.must(Ask::Broadcast("a.b%%1", b"the secondary"));
        for (client, own) in [
            (&mut primary, b"the primary".as_slice()),
            (&mut secondary, b"the secondary"),
        ] {
            client.expect(Kind::Broadcast, "s", b"both");
            client.expect(Kind::Broadcast, "s", own);
            client.expect_nothing();
        }
    });
}

#[test]
fn a_secondary_subscribes_for_itself() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut primary = bus.far("a");
        let mut secondary = bus.far("a%%1");
        secondary.subscribe("t");
        publisher.must(Ask::Publish("t", b"x"));
        secondary.expect_publication("p", "t", b"x");
        primary.expect_nothing();
    });
}

#[test]
fn a_secondarys_name_that_is_taken_is_refused() {
    on_every_link(|bus| {
        let _primary = bus.near("a");
        let _first = bus.near("a%%1");
        assert_eq!(bus.try_over(bus.near, "a%%1").err(), Some(Code::Busy));
        let other = Link::ALL.into_iter().find(|&link| link != bus.near).unwrap();
        assert!(bus.try_over(other, "a%%1").is_err());
        assert_eq!(bus.test.broker.clients()[0].instances, 2);
    });
}
