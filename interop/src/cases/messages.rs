//! One-to-one.
use busrt::{ErrorKind, QoS};

use super::QUALITIES;
use crate::{Ask, Bus, Got};

/// Messages of every quality of service arrive as they were sent, and are acknowledged if that was asked for.
pub fn messages_arrive_and_are_acknowledged(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    for qos in QUALITIES {
        let payload = format!("{qos:?}");
        assert_eq!(a.does(Ask::Send(b.name(), payload.as_bytes()), qos), Ok(()));
        b.expect(&Got::message(a.name(), payload.as_bytes()).with(qos));
    }
}

/// Payloads are bytes: none at all, zeros, every value.
pub fn payloads_are_any_bytes(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let every: Vec<u8> = (0..=255).collect();
    for payload in [&b""[..], b"\0", b"with\0zeros\0", &every] {
        assert_eq!(a.send(b.name(), payload), Ok(()));
        b.expect(&Got::message(a.name(), payload));
    }
    // The libraries can also send what lies in two places.
    assert_eq!(
        a.does(Ask::SendInParts(b.name(), b"head\0", b"tail"), QoS::Processed),
        Ok(())
    );
    b.expect(&Got::message(a.name(), b"head\0tail"));
}

/// The name that a frame came from is one to answer to.
pub fn the_receiver_can_answer(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    assert_eq!(a.send(b.name(), b"question"), Ok(()));
    let question = b.frame();
    assert_eq!(b.send(&question.sender, b"answer"), Ok(()));
    a.expect(&Got::message(b.name(), b"answer"));
}

/// A message to nobody is refused if it asks for the verdict, and else lost without a trace.
pub fn a_message_to_nobody_is_refused(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let nobody = bus.name("nobody");
    for qos in QUALITIES {
        let verdict = a.does(Ask::Send(&nobody, b"x"), qos);
        let expected = if qos.needs_ack() {
            Err(ErrorKind::NotRegistered)
        } else {
            Ok(())
        };
        assert_eq!(verdict, expected, "{qos:?}");
    }
    a.expect_nothing();
    b.expect_nothing();
}

/// Pings go unanswered and leave the stream as it was.
pub fn pings_change_nothing(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    for _ in 0..10 {
        a.ping();
        assert_eq!(a.send(b.name(), b"between pings"), Ok(()));
        b.ping();
        b.expect(&Got::message(a.name(), b"between pings"));
    }
    a.expect_nothing();
    b.expect_nothing();
    assert!(a.is_connected() && b.is_connected());
}
