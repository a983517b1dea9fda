//! Our RPC layer with itself and with every published one, on every broker.
use elbus_interop::cases;

use crate::check;

#[test]
fn calls_are_answered() {
    check(cases::calls_are_answered);
}

#[test]
fn calls_fail_as_the_service_says() {
    check(cases::calls_fail_as_the_service_says);
}

#[test]
fn calls_to_nobody_fail() {
    check(|bus| {
        // The blocking layer of `busrt` waits for ever.
        if bus.near.library != elbus_interop::Library::BusrtBlocking {
            cases::calls_to_nobody_fail(bus);
        }
    });
}

#[test]
fn notifications_and_calls_without_reply_are_heard() {
    check(cases::notifications_and_calls_without_reply_are_heard);
}

#[test]
fn broadcasts_pass_the_rpc_layer() {
    check(cases::broadcasts_pass_the_rpc_layer);
}

#[test]
fn every_call_gets_its_own_reply() {
    check(cases::every_call_gets_its_own_reply);
}

#[test]
fn notifications_to_nobody_are_refused() {
    check(cases::notifications_to_nobody_are_refused);
}
