//! The published clients on our broker: every library with every other one, over UNIX sockets, TCP, and from one to
//! the other.

mod everywhere;
mod refusals;
mod rpc;
mod time;

use elbus_interop::{Broker, Bus, Library, Place};

/// Runs a case for every two of these libraries over every two transports.
fn check(libraries: &[Library], case: impl Fn(&Bus<'_>)) {
    let broker = Broker::ours();
    for near in Place::all(libraries) {
        for far in Place::all(libraries) {
            case(&Bus::new(&broker, near, far));
        }
    }
}

/// Runs a case for every two libraries over every two transports.
fn check_all(case: impl Fn(&Bus<'_>)) {
    check(&Library::PUBLISHED, case);
}
