//! Bytes that make no sense harm nobody but their sender.
use elbus_proto::{Op, Qos, greeting::GREETING};
use elbus_testkit::{Random, Raw, TestBroker, Transport, frame};

use crate::Bystanders;

/// Writes what the broker still takes, and reads to the end.
fn throw(mut raw: Raw, bytes: &[u8]) {
    // The broker may close the connection before it has read everything.
    if raw.try_write(bytes).is_ok() {
        raw.finish_writing();
    }
    while raw.read_more() > 0 {}
}

fn on_both_sockets(case: impl Fn(&TestBroker, Transport, &mut Bystanders)) {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let mut bystanders = Bystanders::new(&test, transport);
        case(&test, transport, &mut bystanders);
        test.eventually("only the bystanders are left", |broker| {
            broker.stats().clients == 2
        });
        let stats = test.broker.stats();
        assert_eq!((stats.subscriptions, stats.exclusions), (0, 0));
    }
}

#[test]
fn random_bytes_behind_the_greeting_harm_nobody() {
    on_both_sockets(|test, transport, bystanders| {
        let mut random = Random::new(1);
        for n in 0..200 {
            let len = 1 + random.below(3_000);
            throw(
                test.client(transport, &format!("garbage.{n}")),
                &random.bytes(len),
            );
            bystanders.are_served();
        }
    });
}

#[test]
fn random_bytes_in_place_of_the_greeting_harm_nobody() {
    on_both_sockets(|test, transport, bystanders| {
        let mut random = Random::new(2);
        for n in 0..200 {
            let len = 1 + random.below(300);
            let mut bytes = random.bytes(len);
            if n % 2 == 0 {
                // Past the version, so that a name of random length and bytes is tried.
                bytes.splice(0..0, GREETING);
            }
            throw(test.connect(transport), &bytes);
            bystanders.are_served();
        }
    });
}

#[test]
fn good_frames_with_random_bytes_changed_harm_nobody() {
    let frames = [
        frame(1, Op::Subscribe, Qos::Processed, b"a/b\0c/#"),
        frame(2, Op::Message, Qos::Processed, b"self\0payload"),
        frame(3, Op::Publish, Qos::RealtimeProcessed, b"a/b\0payload"),
        frame(4, Op::PublishFor, Qos::No, b"a/b\0self\0payload"),
        frame(5, Op::Broadcast, Qos::Processed, b"self.?\0payload"),
        frame(6, Op::Exclude, Qos::Processed, b"c/+"),
        frame(7, Op::Nop, Qos::Processed, b""),
        frame(8, Op::Unsubscribe, Qos::No, b"a/b"),
    ];
    let good = frames.concat().repeat(4);
    on_both_sockets(|test, transport, bystanders| {
        let mut random = Random::new(3);
        for _ in 0..300 {
            let mut bytes = good.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
            throw(test.client(transport, "self"), &bytes);
            bystanders.are_served();
            test.eventually("the name is free", |broker| broker.stats().clients == 2);
        }
    });
}
