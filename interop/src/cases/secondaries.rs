//! Secondaries: more connections of one client.
use busrt::{ErrorKind, QoS};

use crate::{Ask, Bus, Got, eventually};

/// A secondary is reached by its own name, sends under it, and is known for its primary's.
pub fn secondaries_send_and_receive(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let (mut one, mut two) = (a.secondary(), a.secondary());
    assert_ne!(one.name(), two.name());
    assert!(
        one.name().starts_with(&format!("{}%%", a.name())),
        "{}",
        one.name()
    );

    assert_eq!(b.send(one.name(), b"to one"), Ok(()));
    one.expect(&Got::message(b.name(), b"to one"));
    assert_eq!(two.send(b.name(), b"from two"), Ok(()));
    let got = b.frame();
    assert_eq!(got, Got::message(two.name(), b"from two"));
    assert_eq!(got.primary, a.name());

    assert_eq!(b.broadcast(&bus.within(".?"), b"to all"), Ok(()));
    for party in [&mut a, &mut b, &mut one, &mut two] {
        party.expect(&Got::broadcast(&bus.name("b"), b"to all"));
    }
    let topic = bus.within("/topic");
    assert_eq!(one.subscribe(&[&topic]), Ok(()));
    assert_eq!(a.publish(&topic, b"published"), Ok(()));
    one.expect(&Got::publication(a.name(), &topic, b"published"));
    for party in [&mut a, &mut b, &mut two] {
        party.expect_nothing();
    }
}

/// One secondary leaves and the others stay; the primary leaves and all are gone.
pub fn secondaries_leave_with_their_primary(bus: &Bus<'_>) {
    let (a, mut b) = bus.two();
    let (mut one, two) = (a.secondary(), a.secondary());
    let two_was = two.name().to_owned();
    drop(two);
    eventually("one secondary is gone", || {
        b.send(&two_was, b"?") == Err(ErrorKind::NotRegistered)
    });
    assert_eq!(b.send(one.name(), b"still there"), Ok(()));
    one.expect(&Got::message(b.name(), b"still there"));

    drop(a);
    eventually("the other is gone with its primary", || {
        b.send(one.name(), b"?") == Err(ErrorKind::NotRegistered)
    });
    eventually("its library notices", || !one.is_connected());
}

/// A name made to look like a secondary's is refused while there is no such primary.
pub fn a_secondary_of_nobody_is_refused(bus: &Bus<'_>) {
    let refused = bus.try_join(bus.near, &bus.name("nobody%%1"));
    assert_eq!(refused.err(), Some(ErrorKind::NotRegistered));
}

/// What is published for one client reaches those of its connections that subscribe, and no others.
pub fn publications_for_one_client_reach_its_connections_only(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let mut secondary = a.secondary();
    let topic = bus.within("/topic");
    for party in [&mut a, &mut b, &mut secondary] {
        assert_eq!(party.subscribe(&[&topic]), Ok(()));
    }
    for qos in super::QUALITIES {
        assert_eq!(b.does(Ask::PublishFor(&topic, a.name(), b"yours"), qos), Ok(()));
        for party in [&mut a, &mut secondary] {
            party.expect(&Got::publication(&bus.name("b"), &topic, b"yours").with(qos));
        }
    }
    let nobody = bus.name("nobody");
    assert_eq!(
        b.does(Ask::PublishFor(&topic, &nobody, b"nobody's"), QoS::Processed),
        Ok(())
    );
    for party in [&mut a, &mut b, &mut secondary] {
        party.expect_nothing();
    }
}
