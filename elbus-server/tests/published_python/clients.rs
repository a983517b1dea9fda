//! Everything that the clients do, each library with each other one, over UNIX sockets, TCP and from one to the other.
use rustix::process::Signal;
use tempfile::tempdir;

use crate::{finish, start, support::Server};

/// Runs a program with the addresses of a new server.
fn check(program: &str) {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let [unix, tcp] = [0, 1].map(|n: usize| server.addresses[n].to_string());
    finish(start(program, &[&unix, &tcp]));
}

#[test]
fn messages_arrive_as_they_were_and_are_acknowledged() {
    check("messages.py");
}

#[test]
fn broadcasts_reach_whom_their_masks_name() {
    check("masks.py");
}

#[test]
fn publications_reach_their_subscribers_once() {
    check("topics.py");
}

#[test]
fn duplicate_and_reserved_names_are_refused_and_secondaries_belong_to_their_primary() {
    check("names.py");
}

#[test]
fn payloads_of_2_mb_arrive_whole() {
    check("large.py");
}

#[test]
fn thousands_of_frames_of_every_quality_and_kind_arrive_in_order() {
    check("order.py");
}

#[test]
fn clients_that_only_ping_stay_on_the_bus() {
    check("idle.py");
}

#[test]
fn clients_call_each_other() {
    check("rpc.py");
}

#[test]
fn clients_hear_that_the_server_shuts_down() {
    let directory = tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    let address = server.addresses[0].to_string();
    let witnesses = ["elbus", "busrt", "busrt_async"].map(|library| {
        let mut witness = start("hear_warning.py", &[library, &address]);
        assert_eq!(witness.line().as_deref(), Some("ready"), "{}", witness.errors());
        witness
    });
    server.signal(Signal::TERM);
    for witness in witnesses {
        finish(witness);
    }
    assert_eq!(server.exit_code(), Some(0));
}
