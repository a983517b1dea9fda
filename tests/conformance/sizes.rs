//! Payloads of every size, from nothing to the frame limit.
use elbus_proto::delivery::Kind;

use crate::link::{Ask, Party, on_every_pair, on_every_pair_with};

/// The broker reads so many bytes at once.
const READ_SIZE: usize = 64 * 1024;

/// Bytes in front of the payload of a message to `target`: header, name, separator.
const HEAD: usize = 9 + 6 + 1;

/// A payload in which a lost, doubled or moved byte shows.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n ^ n >> 8 ^ n >> 16) as u8).collect()
}

fn exchange(sender: &mut dyn Party, target: &mut dyn Party, payload: &[u8]) {
    sender.must(Ask::Message("target", payload));
    sender.must(Ask::Broadcast("target", payload));
    sender.must(Ask::Publish("t/1", payload));
    sender.must(Ask::PublishFor("t/2", "target", payload));
    target.expect(Kind::Message, "sender", payload);
    target.expect(Kind::Broadcast, "sender", payload);
    target.expect_publication("sender", "t/1", payload);
    target.expect_publication("sender", "t/2", payload);
    target.expect_nothing();
}

#[test]
fn empty_payloads_and_payloads_that_hold_zeros_arrive_as_they_are() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        target.subscribe("t/+");
        for payload in [
            b"".as_slice(),
            b"\0",
            b"\0\0\0",
            b"a\0b\0",
            b"\0a",
            &[0; 1000],
            &[0xFE; 12],
        ] {
            exchange(&mut *sender, &mut *target, payload);
        }
    });
}

#[test]
fn frames_around_the_size_of_a_read_arrive_whole() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        target.subscribe("t/+");
        let around = |len: usize| [len - 1, len, len + 1];
        let sizes = [READ_SIZE - HEAD, READ_SIZE, 2 * READ_SIZE - HEAD, 4096].map(around);
        for size in sizes.concat() {
            exchange(&mut *sender, &mut *target, &payload(size));
        }
    });
}

#[test]
fn large_and_small_frames_keep_their_order() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        let payloads: Vec<_> = [3, 200_000, 1, 70_000, 0, 65_536, 5, 400_000, 2]
            .map(payload)
            .into();
        for payload in &payloads {
            sender.must(Ask::Message("target", payload));
        }
        for payload in &payloads {
            target.expect(Kind::Message, "sender", payload);
        }
        target.expect_nothing();
    });
}

#[test]
fn a_megabyte_arrives_whole() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        target.subscribe("t/+");
        exchange(&mut *sender, &mut *target, &payload(1_000_000));
    });
}

#[test]
fn a_frame_of_exactly_the_limit_arrives_whole() {
    const LIMIT: usize = 300_000;
    on_every_pair_with(
        |config| config.frame_limit = LIMIT,
        |bus| {
            let mut sender = bus.near("sender");
            let mut target = bus.far("target");
            target.subscribe("t");
            let address = "target".len() + 1;
            let largest = payload(LIMIT - address);
            sender.must(Ask::Message("target", &largest));
            target.expect(Kind::Message, "sender", &largest);
            let largest = payload(LIMIT - "t".len() - 1);
            sender.must(Ask::Publish("t", &largest));
            target.expect_publication("sender", "t", &largest);
        },
    );
}
