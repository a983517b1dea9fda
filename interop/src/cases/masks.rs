//! One-to-many.
use super::QUALITIES;
use crate::{Ask, Bus, Got, Party};

/// Masks reach whom they name, the sender included, and nobody else.
pub fn broadcasts_reach_whom_their_masks_name(bus: &Bus<'_>) {
    let (mut a, mut b) = (bus.near("a"), bus.far("sub.b"));
    let mut reached = |mask: &str, a_is: bool, b_is: bool| {
        assert_eq!(a.broadcast(mask, mask.as_bytes()), Ok(()), "{mask}");
        let expected = Got::broadcast(a.name(), mask.as_bytes());
        for (party, is) in [(&mut a, a_is), (&mut b, b_is)] {
            if is {
                party.expect(&expected);
            }
            party.expect_nothing();
        }
    };
    reached("*", true, true);
    reached(&bus.within(".*"), true, true);
    reached(&bus.within(".?"), true, false);
    reached(&bus.within(".?.b"), false, true);
    reached(&bus.within(".sub.*"), false, true);
    reached(&bus.within(".sub.?"), false, true);
    reached(&bus.within(".sub.b"), false, true);
    reached(&bus.within(".nobody.*"), false, false);
}

/// Broadcasts of every quality of service arrive, and are acknowledged if that was asked for.
pub fn broadcasts_are_acknowledged(bus: &Bus<'_>) {
    let (mut a, mut b): (Box<dyn Party>, Box<dyn Party>) = bus.two();
    let mask = bus.within(".b");
    for qos in QUALITIES {
        assert_eq!(a.does(Ask::Broadcast(&mask, b"all"), qos), Ok(()));
        b.expect(&Got::broadcast(a.name(), b"all").with(qos));
    }
}
