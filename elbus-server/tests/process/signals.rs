//! How the server ends: nothing that was sent is lost, and nothing is left behind.
use std::{path::Path, process::Command};

use elbus_broker::Address;
use elbus_proto::{Op, Qos, delivery::Kind};
use elbus_testkit::{Got, PATIENCE, Raw};
use rustix::process::Signal;
use tempfile::tempdir;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use crate::support::Server;

/// Frames that wait for a client, each of them shorter than the high-water mark by far.
const WAITING: u32 = 5_000;

/// A thousand bytes, so that no socket's buffer hides what the server holds.
fn payload(n: u32) -> Vec<u8> {
    let mut payload = n.to_string().into_bytes();
    payload.resize(1000, b'.');
    payload
}

/// Puts frames for `target` into the broker: every one is acknowledged.
fn fill(sender: &mut Raw, target: &str) {
    for n in 0..WAITING {
        let body = [target.as_bytes(), b"\0", &payload(n)].concat();
        sender.send(n, Op::Message, Qos::Processed, &body);
        assert_eq!(sender.got(), Got::Ack(n, Ok(())));
    }
}

/// Expects the announcement that the broker shuts down.
fn expect_warning(client: &mut Raw) {
    match client.got() {
        Got::Frame {
            kind: Kind::Publication,
            sender,
            topic,
            ..
        } => {
            assert_eq!((&sender[..], &topic[..]), (".broker", ".broker/warn"));
        }
        got => panic!("expected the announcement of the shutdown, got {got:?}"),
    }
}

fn start(directory: &Path, more: &[&str]) -> Server {
    Server::start(directory, &[&["-P", "server.pid"], more].concat())
}

fn expect_nothing_left(directory: &Path) {
    assert!(!directory.join("bus.sock").exists());
    assert!(!directory.join("server.pid").exists());
}

/// A signal that is caught has its default effect again in processes that are started, also where whoever runs the tests
/// ignores it. The runtime goes on catching it.
fn catch_hang_ups() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    drop(signal(SignalKind::hangup()).unwrap());
}

#[test]
fn each_signal_ends_it_with_exit_code_0_and_no_files_are_left() {
    catch_hang_ups();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let directory = tempdir().unwrap();
        let mut server = start(directory.path(), &[]);
        let mut client = server.client("a.client");
        server.signal(signal);
        expect_warning(&mut client);
        client.expect_end();
        drop(client);
        assert_eq!(server.exit_code(), Some(0), "{signal:?}");
        expect_nothing_left(directory.path());
    }
}

#[test]
fn under_nohup_a_hang_up_does_not_end_it() {
    let directory = tempdir().unwrap();
    let mut command = Command::new("nohup");
    command
        .args([env!("CARGO_BIN_EXE_elbus-server"), "-B"])
        .arg(directory.path().join("bus.sock"));
    let mut server = Server::run(&mut command);
    server.signal(Signal::HUP);
    let client = server.client("a.client");
    server.signal(Signal::TERM);
    drop(client);
    assert_eq!(server.exit_code(), Some(0));
    let said = server.process.errors();
    assert!(said.contains("SIGTERM") && !said.contains("SIGHUP"), "{said}");
}

#[test]
fn it_ends_although_clients_never_hang_up() {
    let directory = tempdir().unwrap();
    let mut server = start(directory.path(), &[]);
    let [unix, tcp] = &server.addresses[..] else {
        panic!("{:?}", server.addresses)
    };
    let _registered = [Raw::register(unix, "over.unix"), Raw::register(tcp, "over.tcp")];
    let _without_a_name = [Raw::connect(unix), Raw::connect(tcp)];
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    expect_nothing_left(directory.path());
}

#[test]
fn everything_queued_when_sigterm_arrives_reaches_a_receiver_that_reads() {
    for transport in 0..2 {
        let directory = tempdir().unwrap();
        // The receiver may be as slow as the machine is loaded.
        let mut server = start(directory.path(), &["-t", "20"]);
        let address = server.addresses[transport].clone();
        let mut receiver = Raw::register(&address, "the.receiver");
        let mut witness = server.client("the.witness");
        fill(&mut Raw::register(&address, "the.sender"), "the.receiver");
        server.signal(Signal::TERM);
        // The shutdown is under way before anything is read.
        expect_warning(&mut witness);
        for n in 0..WAITING {
            let (sender, got) = receiver.message();
            assert!(
                sender == "the.sender" && got == payload(n),
                "message {n} at {address}"
            );
        }
        expect_warning(&mut receiver);
        receiver.expect_end();
        drop((receiver, witness));
        assert_eq!(server.exit_code(), Some(0));
        expect_nothing_left(directory.path());
    }
}

#[test]
fn what_has_arrived_before_sigterm_is_carried_out() {
    for transport in 0..2 {
        let directory = tempdir().unwrap();
        let mut server = start(directory.path(), &["-t", "20"]);
        let address: Address = server.addresses[transport].clone();
        let mut receiver = Raw::register(&address, "the.receiver");
        let mut sender = Raw::register(&address, "the.sender");
        // In the socket, not yet in the broker: nobody waits for an acknowledgement.
        let messages = 100;
        for n in 0..messages {
            let body = [b"the.receiver\0", &payload(n)[..]].concat();
            sender.send(n, Op::Message, Qos::No, &body);
        }
        server.signal(Signal::TERM);
        // The announcement goes out before they are read.
        let mut warned = false;
        let mut next = 0;
        while let Some(got) = receiver.got_or_end() {
            match got {
                Got::Frame { topic, .. } if topic == ".broker/warn" => warned = true,
                Got::Frame { payload: got, .. } => {
                    assert!(got == payload(next), "message {next} at {address}");
                    next += 1;
                }
                got => panic!("expected a frame, got {got:?}"),
            }
        }
        assert!(warned);
        assert_eq!(next, messages, "at {address}");
        drop((sender, receiver));
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let directory = tempdir().unwrap();
    // Far longer than the test waits: only the second signal can end it in time.
    let mut server = start(directory.path(), &["-t", "3600"]);
    let _never_reads = {
        let receiver = server.client("never.reads");
        fill(&mut server.client("the.sender"), "never.reads");
        receiver
    };
    let mut witness = server.client("the.witness");
    server.signal(Signal::TERM);
    expect_warning(&mut witness);
    server.signal(Signal::INT);
    let status = server.process.wait(PATIENCE);
    assert_eq!(status.code(), Some(1));
    let said = server.process.errors();
    assert!(
        said.contains("ended by a second signal before everything was delivered"),
        "{said}"
    );
    expect_nothing_left(directory.path());
}
