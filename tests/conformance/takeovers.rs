//! Forced re-registration: a connection takes a name over.
use elbus_broker::Config;
use elbus_proto::{Code, delivery::Kind};
use elbus_testkit::Transport;

use crate::link::{Ask, Bus, Link, Party};

/// Runs a case over every pair of sockets with a broker that lets names be taken over.
fn on_every_pair_of_sockets(case: impl Fn(&Bus)) {
    for near in Transport::ALL {
        for far in Transport::ALL {
            println!("near end over {near:?}, far end over {far:?}");
            case(&Bus::new(Link::Socket(near), Link::Socket(far), forced));
        }
    }
}

const fn forced(config: &mut Config) {
    config.force_register = true;
}

#[test]
fn a_name_can_be_taken_over_from_another_connection() {
    on_every_pair_of_sockets(|bus| {
        let mut watcher = bus.near("watcher");
        let mut old = bus.far("client");
        old.subscribe("t");
        watcher.must(Ask::Message("client", b"to the old one"));
        old.expect(Kind::Message, "watcher", b"to the old one");
        let mut new = bus.near("client");
        old.expect_end();
        watcher.must(Ask::Message("client", b"to the new one"));
        watcher.must(Ask::Publish("t", b"not subscribed"));
        new.expect(Kind::Message, "watcher", b"to the new one");
        new.expect_nothing();
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (2, 0));
    });
}

#[test]
fn a_client_in_the_process_never_loses_its_name() {
    for near in Link::ALL {
        let bus = Bus::new(near, Link::Process, forced);
        let mut client = bus.far("core");
        assert_eq!(bus.try_over(bus.near, "core").err(), Some(Code::Busy));
        client.must(Ask::Message("core", b"still here"));
        client.expect(Kind::Message, "core", b"still here");
    }
}

#[test]
fn a_client_in_the_process_takes_a_name_over_from_a_connection() {
    for transport in Transport::ALL {
        let bus = Bus::new(Link::Process, Link::Socket(transport), forced);
        let mut old = bus.far("client");
        let mut new = bus.near("client");
        old.expect_end();
        new.must(Ask::Message("client", b"x"));
        new.expect(Kind::Message, "client", b"x");
    }
}

#[test]
fn an_ejected_client_cannot_send_on_under_its_old_name() {
    on_every_pair_of_sockets(|bus| {
        let mut watcher = bus.near("watcher");
        let mut old = bus.far("client");
        let mut new = bus.near("client");
        for ask in [
            Ask::Message("watcher", b"x"),
            Ask::Broadcast("*", b"x"),
            Ask::Subscribe(&["t"]),
        ] {
            assert_eq!(old.ask(ask), Err(Code::Io));
        }
        old.expect_end();
        watcher.expect_nothing();
        new.must(Ask::Message("watcher", b"the new one"));
        watcher.expect(Kind::Message, "client", b"the new one");
        assert_eq!(bus.test.broker.stats().subscriptions, 0);
    });
}

#[test]
fn the_late_clean_up_of_an_ejected_client_does_not_remove_its_successor() {
    on_every_pair_of_sockets(|bus| {
        let mut watcher = bus.near("watcher");
        let mut new = bus.far("client");
        for _ in 0..20 {
            let mut old = std::mem::replace(&mut new, bus.far("client"));
            new.subscribe("t");
            // Its session is over when it sees the end, and then its connection goes as well.
            old.expect_end();
            drop(old);
            watcher.must(Ask::Message("client", b"m"));
            watcher.must(Ask::Publish("t", b"p"));
            watcher.must(Ask::Broadcast("client", b"b"));
            for payload in [b"m", b"p", b"b"] {
                assert_eq!(new.frame().payload, payload);
            }
        }
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (2, 1));
    });
}

#[test]
fn the_secondaries_of_an_ejected_client_leave_with_it() {
    on_every_pair_of_sockets(|bus| {
        let _old = bus.far("client");
        let mut secondary = bus.far("client%%1");
        let mut new = bus.near("client");
        secondary.expect_end();
        assert_eq!(new.ask(Ask::Message("client%%1", b"x")), Err(Code::NotRegistered));
        assert_eq!(bus.test.broker.clients()[0].instances, 1);
        bus.near("client%%1").leave();
    });
}

#[test]
fn a_takeover_is_announced_as_leaving_and_coming() {
    on_every_pair_of_sockets(|bus| {
        let mut watcher = bus.near("watcher");
        let _old = bus.far("client");
        watcher.subscribe(".broker/info");
        let _new = bus.near("client");
        let subjects = [watcher.frame(), watcher.frame()].map(|frame| frame.payload);
        assert!(subjects[0].windows(6).any(|bytes| bytes == b"\xA5unreg"));
        assert!(subjects[1].windows(4).any(|bytes| bytes == b"\xA3reg"));
        watcher.expect_nothing();
    });
}

#[test]
fn a_takeover_by_a_foreign_secondary_is_denied_and_ejects_nobody() {
    let bus = Bus::new(
        Link::Socket(Transport::Tcp),
        Link::Socket(Transport::Unix),
        forced,
    );
    let _primary = bus.far("client");
    let mut secondary = bus.far("client%%1");
    assert_eq!(bus.try_over(bus.near, "client%%1").err(), Some(Code::Access));
    secondary.expect_nothing();
    let mut successor: Box<dyn Party> = bus.far("client%%1");
    secondary.expect_end();
    successor.expect_nothing();
}
