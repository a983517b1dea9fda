//! Our client on every broker, ours and the published ones, with itself and with every published client, over UNIX
//! sockets, TCP, and from one to the other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod connection;
mod cursors;
mod everywhere;
mod rpc;
mod verdicts;

use elbus_interop::{Broker, Bus, Library, Place};

/// Runs a case on these brokers, for every two places of which at least one is our client's.
fn check_on(brokers: &[fn() -> Broker], libraries: &[Library], case: impl Fn(&Bus<'_>)) {
    for start in brokers {
        let broker = start();
        for near in Place::all(libraries) {
            for far in Place::all(libraries) {
                if [near, far].iter().any(|place| place.library == Library::Ours) {
                    case(&Bus::new(&broker, near, far));
                }
            }
        }
    }
}

/// Runs a case on every broker with every library.
fn check(case: impl Fn(&Bus<'_>)) {
    check_on(&[Broker::ours, Broker::elbus, Broker::busrt], &Library::ALL, case);
}

/// Runs a case where there are exclusions and publications for one receiver: `elbus` has none.
fn check_with_exclusions(case: impl Fn(&Bus<'_>)) {
    let libraries = [Library::Busrt, Library::BusrtBlocking, Library::Ours];
    check_on(&[Broker::ours, Broker::busrt], &libraries, case);
}
