//! Large payloads.
use std::sync::OnceLock;

use busrt::QoS;

use super::QUALITIES;
use crate::{Ask, Bus, Got};

/// Payloads of 2 MB arrive whole, however they are sent.
pub fn payloads_of_2_mb_arrive_whole(bus: &Bus<'_>) {
    let (mut a, mut b) = bus.two();
    let topic = bus.within("/large");
    assert_eq!(b.subscribe(&[&topic]), Ok(()));
    for qos in QUALITIES {
        assert_eq!(a.does(Ask::Send(b.name(), payload()), qos), Ok(()));
        b.expect(&Got::message(a.name(), payload()).with(qos));
    }
    assert_eq!(
        b.does(Ask::SendInParts(a.name(), b"head", payload()), QoS::Processed),
        Ok(())
    );
    a.expect(&Got::message(b.name(), &[b"head", payload()].concat()));
    assert_eq!(a.publish(&topic, payload()), Ok(()));
    b.expect(&Got::publication(a.name(), &topic, payload()));
    assert_eq!(a.broadcast(&bus.within(".b"), payload()), Ok(()));
    b.expect(&Got::broadcast(a.name(), payload()));
    a.expect_nothing();
    b.expect_nothing();
}

/// Bytes that look random and are the same on every run (xorshift64).
fn payload() -> &'static [u8] {
    static PAYLOAD: OnceLock<Vec<u8>> = OnceLock::new();
    PAYLOAD.get_or_init(|| {
        let mut state = 0x5EED_u64;
        let mut bytes = Vec::with_capacity(2_000_000);
        while bytes.len() < 2_000_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes
    })
}
