//! What our broker refuses although the published ones accept it, as the libraries tell it to their users.
use busrt::{ErrorKind, QoS};
use elbus_interop::{Ask, Got};

use crate::check_all;

#[test]
fn reserved_names_are_refused() {
    check_all(|bus| {
        for name in [".broker", ".any", ".any.client"] {
            assert_eq!(
                bus.try_join(bus.far, name).err(),
                Some(ErrorKind::Data),
                "{name:?}"
            );
        }
    });
}

#[test]
fn malformed_names_are_refused() {
    let (long, deep) = ("x".repeat(256), ["x"; 17].join("."));
    check_all(|bus| {
        for name in [
            "",
            "any*",
            "any?",
            "with\0zero",
            "with\nline",
            "%%1",
            &long,
            &deep,
        ] {
            assert_eq!(
                bus.try_join(bus.far, name).err(),
                Some(ErrorKind::Data),
                "{name:?}"
            );
        }
    });
}

#[test]
fn a_secondary_from_another_peer_is_refused() {
    check_all(|bus| {
        let a = bus.near("a");
        let joined = bus.try_join(bus.far, &format!("{}%%x", a.name()));
        // Over UNIX sockets the peer is a user, over TCP a host: here one user of one host.
        if bus.near.transport == bus.far.transport {
            assert!(joined.is_ok());
        } else {
            assert_eq!(joined.err(), Some(ErrorKind::Access));
        }
    });
}

#[test]
fn malformed_addresses_are_refused_and_the_connection_goes_on() {
    check_all(|bus| {
        let (mut a, mut b) = bus.two();
        let [plus, hash, hash_within] = ["/+", "/#", "/#/x"].map(|rest| bus.within(rest));
        let star_within = bus.within(".*.b");
        for (ask, refusal) in [
            (Ask::Send("any*", b""), ErrorKind::Data),
            (Ask::Broadcast(&star_within, b""), ErrorKind::Data),
            (Ask::Publish(&plus, b""), ErrorKind::Data),
            (Ask::Publish(&hash, b""), ErrorKind::Data),
            (Ask::Publish(".broker/warn", b""), ErrorKind::Access),
            (Ask::Subscribe(&[&hash_within]), ErrorKind::Data),
            (Ask::Unsubscribe(&[&hash_within]), ErrorKind::Data),
        ] {
            assert_eq!(a.does(ask, QoS::Processed), Err(refusal), "{ask:?}");
            assert_eq!(a.does(ask, QoS::No), Ok(()), "{ask:?}");
        }
        assert_eq!(a.send(b.name(), b"still here"), Ok(()));
        b.expect(&Got::message(a.name(), b"still here"));
        a.expect_nothing();
        b.expect_nothing();
    });
}

#[test]
fn of_several_filters_the_valid_ones_take_effect_and_the_first_error_is_the_verdict() {
    check_all(|bus| {
        let (mut a, mut b) = bus.two();
        let [one, malformed, two] = ["/one", "/#/x", "/two"].map(|rest| bus.within(rest));
        assert_eq!(b.subscribe(&[&one, &malformed, &two]), Err(ErrorKind::Data));
        for topic in [&one, &two] {
            assert_eq!(a.publish(topic, b"news"), Ok(()));
            b.expect(&Got::publication(a.name(), topic, b"news"));
        }
    });
}

#[test]
fn a_hash_does_not_match_the_level_above_it() {
    check_all(|bus| {
        let (mut a, mut b) = bus.two();
        assert_eq!(b.subscribe(&[&bus.within("/x/#")]), Ok(()));
        assert_eq!(a.publish(&bus.within("/x"), b"above"), Ok(()));
        assert_eq!(a.publish(&bus.within("/x/"), b"below"), Ok(()));
        b.expect(&Got::publication(a.name(), &bus.within("/x/"), b"below"));
    });
}
