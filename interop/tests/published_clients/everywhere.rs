//! What holds for every library on every broker.
use elbus_interop::{Library, cases};

use crate::{check, check_all};

#[test]
fn messages_arrive_and_are_acknowledged() {
    check_all(cases::messages_arrive_and_are_acknowledged);
}

#[test]
fn payloads_are_any_bytes() {
    check_all(cases::payloads_are_any_bytes);
}

#[test]
fn the_receiver_can_answer() {
    check_all(cases::the_receiver_can_answer);
}

#[test]
fn a_message_to_nobody_is_refused() {
    check_all(cases::a_message_to_nobody_is_refused);
}

#[test]
fn pings_change_nothing() {
    check_all(cases::pings_change_nothing);
}

#[test]
fn broadcasts_reach_whom_their_masks_name() {
    check_all(cases::broadcasts_reach_whom_their_masks_name);
}

#[test]
fn broadcasts_are_acknowledged() {
    check_all(cases::broadcasts_are_acknowledged);
}

#[test]
fn publications_reach_their_subscribers_once() {
    check_all(cases::publications_reach_their_subscribers_once);
}

#[test]
fn publications_are_acknowledged() {
    check_all(cases::publications_are_acknowledged);
}

#[test]
fn subscriptions_need_no_acknowledgement() {
    check_all(cases::subscriptions_need_no_acknowledgement);
}

#[test]
fn a_name_in_use_is_refused() {
    check_all(cases::a_name_in_use_is_refused);
}

#[test]
fn a_name_is_free_again() {
    check_all(cases::a_name_is_free_again);
}

#[test]
fn names_may_be_in_any_language() {
    check_all(cases::names_may_be_in_any_language);
}

#[test]
fn secondaries_send_and_receive() {
    check_all(cases::secondaries_send_and_receive);
}

#[test]
fn secondaries_leave_with_their_primary() {
    check_all(cases::secondaries_leave_with_their_primary);
}

#[test]
fn a_secondary_of_nobody_is_refused() {
    check_all(cases::a_secondary_of_nobody_is_refused);
}

#[test]
fn payloads_of_2_mb_arrive_whole() {
    check_all(cases::payloads_of_2_mb_arrive_whole);
}

#[test]
fn frames_arrive_in_the_order_sent() {
    check_all(cases::frames_arrive_in_the_order_sent);
}

#[test]
fn excluded_topics_do_not_come() {
    check(
        &[Library::Busrt, Library::BusrtBlocking],
        cases::excluded_topics_do_not_come,
    );
}

#[test]
fn publications_for_one_client_reach_its_connections_only() {
    check(
        &[Library::Busrt, Library::BusrtBlocking],
        cases::publications_for_one_client_reach_its_connections_only,
    );
}

#[test]
fn arrivals_and_departures_are_announced() {
    check_all(cases::arrivals_and_departures_are_announced);
}
