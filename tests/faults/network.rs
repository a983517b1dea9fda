//! Connections that break.
use elbus_proto::{Op, Qos};
use elbus_testkit::{Raw, TestBroker, Transport, frame};
use socket2::SockRef;
use std::time::Duration;

use crate::{Bystander, expect_nothing_left};

/// Ends a TCP connection as a crashed host's successor does: with a reset, and what was not read is lost.
fn reset(raw: Raw) {
    SockRef::from(&raw).set_linger(Some(Duration::ZERO)).unwrap();
    drop(raw);
}

#[test]
fn a_connection_reset_in_mid_frame_costs_only_what_was_not_whole() {
    let test = TestBroker::start();
    let mut bystander = Bystander::new(&test);
    let mut receiver = test.client(Transport::Tcp, "receiver");
    let whole = frame(1, Op::Message, Qos::Processed, b"receiver\0whole");
    let cut = frame(2, Op::Message, Qos::Processed, b"receiver\0never whole");
    for end in 1..cut.len() {
        let mut client = test.client(Transport::Tcp, "client");
        client.subscribe("news/#");
        client.write(&whole);
        assert_eq!(client.got(), elbus_testkit::Got::Ack(1, Ok(())));
        client.write(&cut[..end]);
        reset(client);
        assert_eq!(receiver.message(), ("client".to_owned(), b"whole".to_vec()));
        test.eventually("its name is free", |broker| broker.stats().clients == 2);
        bystander.is_served();
    }
    receiver.expect_nothing();
    drop((receiver, bystander));
    expect_nothing_left(&test);
}

/// A connection that is past the version, once there is a place for it among those that greet.
fn greeting_in_progress(test: &TestBroker) -> Raw {
    let mut placed = None;
    test.eventually("a place among the greetings", |_| {
        let mut client = test.connect(Transport::Tcp);
        // Whoever is turned away is told so at once, behind the version.
        let _ = client.try_write(&elbus_proto::greeting::GREETING);
        let [_, _, _, answer] = client.read_exact();
        placed = (answer == elbus_proto::OK).then_some(client);
        placed.is_some()
    });
    placed.unwrap()
}

#[test]
fn a_connection_reset_anywhere_in_the_greeting_leaves_nothing() {
    let test = TestBroker::with(|config| config.greetings = 2);
    let mut bystander = Bystander::new(&test);
    let said = [&elbus_proto::greeting::GREETING[..], b"\x06\0client"].concat();
    for end in 0..=said.len() {
        let mut client = test.connect(Transport::Tcp);
        client.write(&said[..end]);
        reset(client);
        test.eventually("it has left", |broker| broker.stats().clients == 1);
        bystander.is_served();
    }
    // As many as may greet at once do so.
    let mut greeting = [0; 2].map(|_| greeting_in_progress(&test));
    greeting[0].say_name(b"one");
    greeting[1].say_name(b"other");
    for client in &mut greeting {
        assert_eq!(client.read_exact(), [elbus_proto::OK]);
    }
    drop((greeting, bystander));
    expect_nothing_left(&test);
}

#[test]
fn a_receiver_whose_connection_is_reset_while_it_is_written_to_harms_nobody() {
    let test = TestBroker::with(|config| config.high_water = 64 * 1024);
    let mut bystander = Bystander::new(&test);
    for _ in 0..20 {
        let receiver = test.client(Transport::Tcp, "receiver");
        let mut sender = test.client(Transport::Tcp, "sender");
        let body = [b"receiver\0", &[b'.'; 1024][..]].concat();
        let flood = frame(0, Op::Message, Qos::No, &body).repeat(100);
        sender.write(&flood);
        reset(receiver);
        sender.write(&flood);
        sender.expect_nothing();
        bystander.is_served();
        drop(sender);
        test.eventually("both have left", |broker| broker.stats().clients == 1);
    }
    drop(bystander);
    expect_nothing_left(&test);
}
