//! Names are unique, and free again when their client is gone.
use busrt::ErrorKind;

use crate::{Bus, Got, eventually};

/// A name in use is refused, and whoever has it goes on.
pub fn a_name_in_use_is_refused(bus: &Bus<'_>) {
    let mut a = bus.near("a");
    for _ in 0..3 {
        assert_eq!(bus.try_join(bus.far, a.name()).err(), Some(ErrorKind::Busy));
    }
    a.expect_nothing();
}

/// A client that is dropped leaves the bus, and its name can be used again.
pub fn a_name_is_free_again(bus: &Bus<'_>) {
    let (mut a, b) = bus.two();
    let name = b.name().to_owned();
    drop(b);
    eventually("the name is nobody's", || {
        a.send(&name, b"?") == Err(ErrorKind::NotRegistered)
    });
    let mut again = bus.far("b");
    assert_eq!(a.send(&name, b"welcome back"), Ok(()));
    again.expect(&Got::message(a.name(), b"welcome back"));
}

/// Names may be in any language.
pub fn names_may_be_in_any_language(bus: &Bus<'_>) {
    let (mut a, mut b) = (bus.near("zähler"), bus.far("気温"));
    assert_eq!(a.send(b.name(), b"there"), Ok(()));
    b.expect(&Got::message(a.name(), b"there"));
    assert_eq!(b.send(a.name(), b"back"), Ok(()));
    a.expect(&Got::message(b.name(), b"back"));
}
