//! The client: sending, and taking in what the broker sends.
use std::hint::black_box;

use elbus_client::{
    Payload, Qos,
    bench::Link,
    link::{Operation, Ticket},
};
use elbus_proto::delivery::{self, Kind};

use super::{Case, Round, message};

/// Frames in a chunk: about what 64 KiB hold.
const CHUNK: u64 = 512;

/// Operations on the way when they are confirmed.
const WINDOW: u64 = 64;

const PAYLOAD: [u8; 100] = [7; 100];

pub(super) fn cases() -> Vec<Case> {
    [sends(), receipts()].into_iter().flatten().collect()
}

fn sends() -> Vec<Case> {
    vec![
        message(
            "client-send",
            "messages of 100 bytes, written together",
            CHUNK,
            32,
            || {
                let link = link();
                Box::new(move || {
                    for _ in 0..CHUNK {
                        link.submit(&mut message_to("plant.pump"), Qos::No, false);
                    }
                    assert_eq!(link.flush() as u64, CHUNK * (9 + 11 + 100));
                })
            },
        ),
        message(
            "client-send-realtime",
            "real-time messages of 100 bytes, one a write",
            1,
            4096,
            || {
                let link = link();
                Box::new(move || {
                    link.submit(&mut message_to("plant.pump"), Qos::Realtime, false);
                    assert_eq!(link.flush(), 9 + 11 + 100);
                })
            },
        ),
        message(
            "client-publish",
            "publications of 100 bytes to eight topics in turn",
            CHUNK,
            32,
            || {
                let link = link();
                let topics: Vec<String> = (0..8).map(|n| format!("plant/line1/device{n}/state")).collect();
                Box::new(move || {
                    for topic in topics.iter().cycle().take(CHUNK as usize) {
                        let (receiver, payload) = (None, Payload::Borrowed(black_box(&PAYLOAD)));
                        let mut operation = Operation::Publish {
                            topic,
                            receiver,
                            payload,
                        };
                        link.submit(&mut operation, Qos::No, false);
                    }
                    assert_eq!(link.flush() as u64, CHUNK * (9 + 26 + 100));
                })
            },
        ),
    ]
}

fn receipts() -> Vec<Case> {
    vec![
        message(
            "client-confirmed-64",
            "messages of 100 bytes, 64 sent, answered and asked about",
            WINDOW,
            256,
            confirmed,
        ),
        message(
            "client-receive",
            "messages of 100 bytes into the inbox and out of it",
            CHUNK,
            32,
            || receive(Kind::Message, b"plant.sender\0"),
        ),
        message(
            "client-receive-topic",
            "publications of 100 bytes into the inbox and out of it",
            CHUNK,
            32,
            || receive(Kind::Publication, b"plant.sender\0plant/line1/device1/state\0"),
        ),
    ]
}

fn link() -> Link {
    Link::new().expect("a socket pair")
}

fn message_to(target: &str) -> Operation<'_> {
    Operation::Message {
        target: black_box(target),
        payload: Payload::Borrowed(black_box(&PAYLOAD)),
    }
}

fn confirmed() -> Round {
    let mut link = link();
    let mut tickets: Vec<Ticket> = Vec::new();
    let mut answers = Vec::new();
    Box::new(move || {
        for _ in 0..WINDOW {
            tickets.extend(link.submit(&mut message_to("plant.pump"), Qos::Processed, false));
        }
        assert_eq!(link.flush() as u64, WINDOW * (9 + 11 + 100));
        answers.clear();
        for ticket in &tickets {
            answers.extend_from_slice(&delivery::acknowledgement(ticket.0.get(), Ok(())));
        }
        assert_eq!(link.receive(black_box(&answers)), 0);
        for ticket in tickets.drain(..) {
            assert!(matches!(link.verdict(ticket), Some(Ok(()))), "it was answered");
        }
    })
}

fn receive(kind: Kind, addresses: &[u8]) -> Round {
    let len = u32::try_from(addresses.len() + PAYLOAD.len()).expect("short");
    let frame = [&delivery::header(kind, len, false)[..], addresses, &PAYLOAD].concat();
    let chunk = frame.repeat(CHUNK as usize);
    let mut link = link();
    Box::new(move || assert_eq!(link.receive(black_box(&chunk)) as u64, CHUNK))
}
