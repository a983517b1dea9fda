//! Remote calls between the RPC layers of the libraries.
use elbus_interop::{Library, cases};

use crate::{check, check_all};

#[test]
fn calls_are_answered() {
    check_all(cases::calls_are_answered);
}

#[test]
fn calls_fail_as_the_service_says() {
    check_all(cases::calls_fail_as_the_service_says);
}

#[test]
fn calls_to_nobody_fail() {
    // The blocking layer of `busrt` waits for ever.
    check(&[Library::Elbus, Library::Busrt], cases::calls_to_nobody_fail);
}

#[test]
fn notifications_and_calls_without_reply_are_heard() {
    check_all(cases::notifications_and_calls_without_reply_are_heard);
}

#[test]
fn broadcasts_pass_the_rpc_layer() {
    check_all(cases::broadcasts_pass_the_rpc_layer);
}

#[test]
fn every_call_gets_its_own_reply() {
    check_all(cases::every_call_gets_its_own_reply);
}

#[test]
fn notifications_to_nobody_are_refused() {
    check_all(cases::notifications_to_nobody_are_refused);
}
