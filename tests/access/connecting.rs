//! Who may be on the bus, and under which name.
use elbus_broker::{
    RegisterError,
    access::{AccessRule, AccessRules, Source},
};
use elbus_proto::{Code, delivery::Kind};
use elbus_testkit::{Raw, TestBroker, Transport};

use crate::{
    common::{everything, expect_denied, restrain, rule, rules},
    link::{Ask, Bus, Link, on_every_link},
};

const UNIX: Link = Link::Socket(Transport::Unix);
const TCP: Link = Link::Socket(Transport::Tcp);

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn own_group() -> u32 {
    rustix::process::getegid().as_raw()
}

fn bus() -> Bus {
    Bus::new(UNIX, UNIX, |_| {})
}

/// Which of the three kinds of link a client named `me` may use.
fn admitted(rules: AccessRules) -> (bool, bool, bool) {
    let bus = bus();
    bus.test.broker.set_access(rules);
    let may = |link| match bus.try_over(link, "me") {
        Ok(client) => {
            client.leave();
            true
        }
        Err(code) => {
            assert_eq!(code, Code::Access);
            false
        }
    };
    (may(UNIX), may(TCP), may(Link::Process))
}

fn admitted_from(source: Source) -> (bool, bool, bool) {
    admitted(rules([AccessRule::new("me").from([source])]))
}

#[test]
fn without_rules_everybody_may_connect_and_with_one_only_those_that_it_names() {
    on_every_link(|bus| {
        bus.near("anybody").leave();
        restrain(bus, rule("plant.*"));
        bus.near("plant.pump").leave();
        bus.near("plant.hall.pump").leave();
        for name in ["plant", "anybody", "office.printer"] {
            assert_eq!(bus.try_over(bus.near, name).err(), Some(Code::Access), "{name}");
        }
        assert_eq!(bus.test.broker.stats().denied, 3);
        assert_eq!(bus.test.broker.stats().clients, 0);
    });
}

#[test]
fn a_client_connects_only_from_where_its_rule_says() {
    let network = |text: &str| Source::Network(text.parse().unwrap());
    for (source, expected) in [
        (Source::Any, (true, true, true)),
        (Source::Process, (false, false, true)),
        (Source::Fifo, (false, false, false)),
        (Source::Unix, (true, false, false)),
        (Source::UnixUser(own_user()), (true, false, false)),
        (Source::UnixUser(own_user() + 1), (false, false, false)),
        (Source::UnixGroup(own_group()), (true, false, false)),
        (Source::UnixGroup(own_group() + 1), (false, false, false)),
        (Source::Tcp, (false, true, false)),
        (network("127.0.0.1"), (false, true, false)),
        (network("127.0.0.0/8"), (false, true, false)),
        (network("10.0.0.0/8"), (false, false, false)),
        (network("::1"), (false, false, false)),
        // Without TLS nobody proves anything.
        (Source::Certificate("CN=me".to_owned()), (false, false, false)),
        (Source::Certificate(String::new()), (false, false, false)),
    ] {
        assert_eq!(admitted_from(source.clone()), expected, "{source:?}");
    }
}

#[test]
fn one_of_several_sources_is_enough() {
    let both = AccessRule::new("me").from([Source::Process, Source::UnixUser(own_user())]);
    assert_eq!(admitted(rules([both])), (true, false, true));
}

#[test]
fn a_rule_gives_its_rights_only_to_those_who_come_from_where_it_says() {
    let bus = bus();
    bus.test.broker.set_access(rules([
        AccessRule::new("me").from([Source::Unix]).publish(["unix"]),
        AccessRule::new("me").from([Source::Tcp]).publish(["tcp"]),
        AccessRule::new("me").from([Source::Process]).publish(["process"]),
    ]));
    for (link, own) in [(UNIX, "unix"), (TCP, "tcp"), (Link::Process, "process")] {
        let mut client = bus.over(link, "me");
        for topic in ["unix", "tcp", "process"] {
            let expected = if topic == own { Ok(()) } else { Err(Code::Access) };
            assert_eq!(
                client.ask(Ask::Publish(topic, b"x")),
                expected,
                "{link:?} {topic}"
            );
        }
        client.leave();
    }
}

#[test]
fn a_host_is_told_apart_by_its_ipv6_address_too_and_any_host_admits_it() {
    let test = TestBroker::start();
    let address = test
        .block_on(test.broker.listen(&"[::1]:0".parse().unwrap()))
        .unwrap();
    let network = |text: &str| Source::Network(text.parse().unwrap());
    for (source, admitted) in [
        (Source::Any, true),
        (Source::Tcp, true),
        (network("::1"), true),
        (network("::/0"), true),
        (network("2001:db8::/32"), false),
        (network("127.0.0.1"), false),
        (network("0.0.0.0/0"), false),
        (Source::Unix, false),
    ] {
        test.broker
            .set_access(rules([AccessRule::new("me").from([source.clone()])]));
        let (client, answer) = Raw::try_register(&address, b"me");
        assert_eq!(Code::result(answer).is_ok(), admitted, "{source:?}");
        drop(client);
        test.eventually("it has left", |broker| broker.stats().clients == 0);
    }
}

#[test]
fn hosts_are_told_apart_by_their_addresses() {
    let test = TestBroker::start();
    let host = Source::Network("127.0.0.2".parse().unwrap());
    test.broker
        .set_access(rules([AccessRule::new("me").from([host]), rule("anybody")]));
    let register = |source: &str, name: &str| {
        let mut raw = Raw::connect_from(source, test.address(Transport::Tcp));
        raw.greet();
        raw.say_name(name.as_bytes());
        let [answer] = raw.read_exact();
        (raw, Code::result(answer))
    };
    let (_client, answer) = register("127.0.0.2", "me");
    assert_eq!(answer, Ok(()));
    let (mut refused, answer) = register("127.0.0.3", "me");
    assert_eq!(answer, Err(Code::Access));
    refused.expect_end();
    assert_eq!(register("127.0.0.3", "anybody").1, Ok(()));
}

#[test]
fn a_client_in_the_process_that_is_not_admitted_is_told_so() {
    let bus = bus();
    bus.test
        .broker
        .set_access(rules([AccessRule::new("me").from([Source::Unix])]));
    let error = bus.test.broker.client("me").err().unwrap();
    let name = "me".to_owned();
    assert_eq!(error, RegisterError::Denied { name });
    assert_eq!(
        error.to_string(),
        "the access rules do not admit \"me\" in this process"
    );
}

#[test]
fn whether_a_name_is_taken_is_not_told_to_those_who_may_not_have_it() {
    let bus = bus();
    bus.test
        .broker
        .set_access(rules([AccessRule::new("me").from([Source::Unix])]));
    let _first = bus.over(UNIX, "me");
    assert_eq!(bus.try_over(UNIX, "me").err(), Some(Code::Busy));
    assert_eq!(bus.try_over(TCP, "me").err(), Some(Code::Access));
}

#[test]
fn a_reserved_name_is_had_by_those_for_whom_it_is_reserved_whatever_the_rules_say() {
    let reserve = |user: u32, open: bool| {
        let builder = AccessRules::builder();
        let builder = if open { builder } else { builder.rule(rule("*")) };
        builder.reserve("me", [Source::UnixUser(user)]).build().unwrap()
    };
    for open in [true, false] {
        assert_eq!(admitted(reserve(own_user(), open)), (true, false, false));
        assert_eq!(admitted(reserve(own_user() + 1, open)), (false, false, false));
    }
}

#[test]
fn a_reservation_gives_no_rights_and_leaves_other_names_alone() {
    on_every_link(|bus| {
        let reserved = || AccessRules::builder().reserve("plant.*", [Source::Any]);
        bus.test.broker.set_access(reserved().build().unwrap());
        assert!(bus.test.broker.access().is_open());
        let mut other = bus.near("office");
        other.must(Ask::Publish("t", b"x"));
        other.leave();
        bus.near("plant.pump").leave();
        let strict = reserved().rule(rule("office")).build().unwrap();
        bus.test.broker.set_access(strict);
        assert_eq!(bus.try_over(bus.near, "plant.pump").err(), Some(Code::Access));
        expect_denied(&mut *bus.near("office"), Ask::Publish("t", b"x"));
    });
}

#[test]
fn a_name_that_is_reserved_twice_is_had_from_either_source() {
    let twice = AccessRules::builder()
        .reserve("me", [Source::Process])
        .reserve("?", [Source::Tcp])
        .build()
        .unwrap();
    assert_eq!(admitted(twice), (false, true, true));
}

#[test]
fn a_secondary_has_the_name_and_the_rights_of_its_primary() {
    on_every_link(|bus| {
        restrain(bus, rule("me").send(["other.a"]).publish(["t"]));
        let _primary = bus.near("me");
        let mut other = bus.near("other.a");
        let mut secondary = bus.near("me%%x.y");
        secondary.must(Ask::Message("other.a", b"x"));
        other.expect(Kind::Message, "me%%x.y", b"x");
        secondary.must(Ask::Publish("t", b"x"));
        expect_denied(&mut *secondary, Ask::Publish("u", b"x"));
        assert_eq!(bus.try_over(bus.near, "you%%1").err(), Some(Code::Access));
    });
}

#[test]
fn a_secondary_comes_from_the_peer_of_its_primary_even_if_the_rules_admit_others() {
    for near in Link::ALL {
        for far in Link::ALL {
            let bus = Bus::new(near, far, |_| {});
            bus.test.broker.set_access(rules([everything("*")]));
            let _primary = bus.near("me");
            let expected = if near.is_same_peer(far) {
                None
            } else {
                Some(Code::Access)
            };
            let secondary = bus.try_over(far, "me%%1");
            assert_eq!(secondary.err(), expected, "{near:?} {far:?}");
        }
    }
}

#[test]
fn the_brokers_own_client_is_above_the_rules() {
    on_every_link(|bus| {
        restrain(bus, rule("me"));
        let (own, _inbox) = bus.test.broker.own_client().unwrap();
        let mut client = bus.near("me");
        assert_eq!(bus.test.block_on(async { own.send("me", "x").await }), Ok(()));
        client.expect(Kind::Message, ".broker", b"x");
        restrain(bus, rule("me"));
        assert_eq!(bus.test.block_on(async { own.send("me", "y").await }), Ok(()));
        client.expect(Kind::Message, ".broker", b"y");
    });
}
