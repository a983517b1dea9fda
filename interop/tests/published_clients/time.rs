//! What takes time: clients that do nothing, and the end of the broker.
use std::{thread, time::Duration};

use elbus_interop::{Broker, Bus, Got, Library, Party, Place, cases, eventually};

/// Three times what the libraries wait for anything by default.
const SILENCE: Duration = Duration::from_secs(3);

#[test]
fn clients_that_do_nothing_stay_on_the_bus() {
    let broker = Broker::ours();
    let places = Place::all(&Library::PUBLISHED);
    let mut plain: Vec<Box<dyn Party>> = Vec::new();
    let mut callers = Vec::new();
    for place in places {
        let bus = Bus::new(&broker, place, place);
        plain.push(bus.impatient(place, "plain"));
        callers.push((bus.caller(place, "caller"), bus.name("caller")));
    }
    thread::sleep(SILENCE);
    for n in 0..plain.len() {
        assert!(plain[n].is_connected());
        let (from, to) = (plain[n].name().to_owned(), (n + 1) % plain.len());
        let target = plain[to].name().to_owned();
        assert_eq!(plain[n].send(&target, b"awake"), Ok(()));
        plain[to].expect(&Got::message(&from, b"awake"));
    }
    for (n, (caller, _)) in callers.iter().enumerate() {
        assert!(caller.is_connected());
        let (_, target) = &callers[(n + 1) % callers.len()];
        assert_eq!(
            caller.call(target, "echo", b"awake", busrt::QoS::Processed),
            Ok(b"awake".to_vec())
        );
    }
}

#[test]
fn clients_hear_that_the_broker_ends_and_notice_when_it_has() {
    let mut broker = Broker::ours();
    let mut witnesses: Vec<Box<dyn Party>> = Place::all(&Library::PUBLISHED)
        .map(|place| Bus::new(&broker, place, place).near("witness"))
        .collect();
    broker.end();
    for witness in &mut witnesses {
        cases::expect_shutdown_warning(&mut **witness);
        eventually("the library notices that it is disconnected", || {
            !witness.is_connected()
        });
    }
}
