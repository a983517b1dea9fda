//! Clients that go away with something on its way, to them and from them.
use elbus_proto::{Code, Op};
use elbus_testkit::{PATIENCE, TestBroker, Transport};
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};

use super::common::{Reader, addressed, await_queue, flood, is_on, message, numbered};

#[test]
fn what_a_client_sent_before_it_was_gone_is_carried_out_although_it_can_no_longer_be_written_to() {
    let bus = TestBroker::with(|config| {
        config.high_water = 64 * 1024;
        config.stall_timeout = 2 * PATIENCE;
    });
    let slow = bus.client(Transport::Unix, "slow");
    let gone = bus.client(Transport::Unix, "gone");
    let other = bus.client(Transport::Unix, "other");
    // It is being written to: that fails before its own messages are read.
    let _flood = flood(&other, message("gone", &numbered(0, 1000)));
    await_queue(&bus, "gone", 64 * 1024);
    let mut sent = 0;
    loop {
        match send(
            &gone,
            &message("slow", &numbered(sent, 1000)),
            SendFlags::DONTWAIT,
        ) {
            Ok(_) => sent += 1,
            Err(Errno::AGAIN) if super::common::queue(&bus.broker, "slow") >= Some(64 * 1024) => break,
            Err(Errno::AGAIN) => {}
            Err(error) => panic!("{error}"),
        }
    }

    drop(gone);

    bus.eventually("its name is free", |broker| !is_on(broker, "gone"));
    Reader::new(&slow).expect_numbers(0..sent);
    // It was off the bus by then, but what it sent counts.
    let floods = bus.broker.clients();
    let others: u64 = floods.iter().map(|client| client.r_frames).sum();
    bus.eventually("all of it is counted", |broker| {
        broker.stats().r_frames >= others + sent
    });
    assert_eq!(bus.broker.stats().stalled, 0);
}

#[test]
fn only_those_who_waited_for_a_dead_receiver_are_told_that_it_was_not_delivered() {
    let bus = TestBroker::with(|config| config.high_water = 64 * 1024);
    let _dead = bus.client(Transport::Unix, "dead");
    let mut earlier = bus.client(Transport::Unix, "earlier");
    assert_eq!(earlier.ask(1, Op::Message, &addressed("dead", b"x")), Ok(()));
    let mut waits = bus.client(Transport::Unix, "waits");
    let body = addressed("dead", &numbered(0, 4096));

    let told = loop {
        if let Err(code) = waits.ask(1, Op::Message, &body) {
            break code;
        }
    };

    assert_eq!(told, Code::NotDelivered);
    let answer = earlier.ask(2, Op::Message, &addressed("dead", b"x"));
    assert_eq!(answer, Err(Code::NotRegistered));
}
