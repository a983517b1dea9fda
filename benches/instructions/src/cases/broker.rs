//! The broker: reading requests, routing, fan-out, acknowledging, outboxes.
use std::hint::black_box;

use bytes::Bytes;
use elbus_broker::bench::{Bus, Client, Outgoing, decode};
use elbus_proto::{Op, Qos, delivery};

use super::{Case, Round, message, request};

/// Requests in a chunk: about what 64 KiB hold.
const CHUNK: u64 = 512;

/// Operations that a client has on the way when they are acknowledged.
const WINDOW: u64 = 64;

const TARGET: &str = "plant.pump";

pub(super) fn cases() -> Vec<Case> {
    [one_to_ones(), publications(), outboxes()]
        .into_iter()
        .flatten()
        .collect()
}

fn one_to_ones() -> Vec<Case> {
    vec![
        message(
            "decode",
            "requests of 100 bytes, found in a chunk",
            CHUNK,
            64,
            || {
                let chunk = chunk(CHUNK, Qos::No, 100, |_| TARGET.into());
                Box::new(move || assert_eq!(decode(black_box(&chunk)) as u64, CHUNK))
            },
        ),
        message(
            "route-16",
            "messages of 16 bytes for one target",
            CHUNK,
            32,
            || one_to_one(CHUNK, 1, Qos::No, 16),
        ),
        message(
            "route-100",
            "messages of 100 bytes for one target",
            CHUNK,
            32,
            || one_to_one(CHUNK, 1, Qos::No, 100),
        ),
        message(
            "route-8-targets",
            "messages of 100 bytes for eight targets in turn",
            CHUNK,
            32,
            || one_to_one(CHUNK, 8, Qos::No, 100),
        ),
        message(
            "route-single",
            "real-time messages of 100 bytes, one in a chunk",
            1,
            4096,
            || one_to_one(1, 1, Qos::Realtime, 100),
        ),
        message(
            "acknowledge-64",
            "acknowledged messages of 100 bytes, 64 in a chunk",
            WINDOW,
            256,
            || one_to_one(WINDOW, 1, Qos::Processed, 100),
        ),
        message(
            "acknowledge-single",
            "acknowledged messages of 100 bytes, one in a chunk",
            1,
            4096,
            || one_to_one(1, 1, Qos::Processed, 100),
        ),
    ]
}

fn publications() -> Vec<Case> {
    vec![
        message(
            "publish-50",
            "publications of 100 bytes to 50 subscribers",
            CHUNK,
            8,
            || publish(CHUNK, 1, 50),
        ),
        message(
            "publish-50-single",
            "publications of 100 bytes to 50 subscribers, one in a chunk",
            1,
            512,
            || publish(1, 1, 50),
        ),
        message(
            "publish-500-topics",
            "publications of 100 bytes to 500 topics in turn, one subscriber",
            500,
            32,
            || publish(500, 500, 1),
        ),
        message(
            "subscribe",
            "a subscription and its end, acknowledged",
            1,
            1024,
            subscribe,
        ),
    ]
}

fn outboxes() -> Vec<Case> {
    vec![
        message(
            "outbox",
            "frames of 100 bytes into an outbox and out of it",
            CHUNK,
            32,
            || {
                let outgoing = Outgoing::new();
                Box::new(move || {
                    for _ in 0..CHUNK {
                        outgoing.append([b"\x12\x6a\0\0\0\0", b"sender\0", black_box(&[7; 100])]);
                    }
                    assert_eq!(outgoing.flush() as u64, CHUNK * (6 + 7 + 100));
                })
            },
        ),
        message(
            "outbox-shared",
            "frames of 32 KiB that are shared, into an outbox and out of it",
            64,
            64,
            || {
                let (outgoing, payload) = (Outgoing::new(), Bytes::from(vec![7; 32 * 1024]));
                Box::new(move || {
                    for _ in 0..64 {
                        outgoing.append_shared([b"\x12\x07\x80\0\0\0", b"sender\0", b""], &payload);
                    }
                    assert_eq!(outgoing.flush(), 64 * (6 + 7 + 32 * 1024));
                })
            },
        ),
    ]
}

/// Messages to so many targets in turn.
fn one_to_one(messages: u64, targets: u64, qos: Qos, payload: usize) -> Round {
    let bus = Bus::new().expect("a bus");
    let mut sender = client(&bus, "plant.sender");
    let name = |n| format!("{TARGET}{n}");
    let receivers: Vec<Client> = (0..targets).map(|n| client(&bus, &name(n))).collect();
    let chunk = chunk(messages, qos, payload, |n| name(n % targets));
    let delivered = messages as usize * (delivery::HEADER_LEN + "plant.sender".len() + 1 + payload);
    let acknowledged = match qos {
        Qos::No | Qos::Realtime => 0,
        _ => messages as usize * delivery::HEADER_LEN,
    };
    Box::new(move || {
        sender.carry_out(black_box(&chunk));
        assert_eq!(sender.flush(), acknowledged);
        assert_eq!(receivers.iter().map(Client::flush).sum::<usize>(), delivered);
        sender.rest();
    })
}

/// Publications to so many topics in turn, each with so many subscribers.
fn publish(publications: u64, topics: u64, subscribers: u64) -> Round {
    const PAYLOAD: usize = 100;
    let bus = Bus::new().expect("a bus");
    let mut sender = client(&bus, "plant.sender");
    let topic = |n| format!("plant/line1/device{:03}/state", n % topics);
    let receivers: Vec<Client> = (0..subscribers)
        .map(|n| {
            let mut receiver = client(&bus, &format!("plant.screen{n}"));
            for n in 0..topics {
                receiver.carry_out(&filters(Op::Subscribe, &topic(n)));
            }
            receiver.flush();
            receiver
        })
        .collect();
    let chunk: Vec<u8> = (0..publications)
        .flat_map(|n| request(0, Op::Publish, Qos::No, &topic(n), &[7; PAYLOAD]))
        .collect();
    let frame = delivery::HEADER_LEN + "plant.sender".len() + 1 + topic(0).len() + 1 + PAYLOAD;
    let delivered = frame * (publications * subscribers) as usize;
    Box::new(move || {
        sender.carry_out(black_box(&chunk));
        assert_eq!(receivers.iter().map(Client::flush).sum::<usize>(), delivered);
        sender.rest();
    })
}

fn subscribe() -> Round {
    let bus = Bus::new().expect("a bus");
    let mut client = client(&bus, "plant.screen");
    let frames: Vec<u8> = [Op::Subscribe, Op::Unsubscribe]
        .into_iter()
        .flat_map(|op| filters(op, "plant/line1/+/state/#"))
        .collect();
    Box::new(move || {
        client.carry_out(black_box(&frames));
        assert_eq!(client.flush(), 2 * delivery::HEADER_LEN);
        client.rest();
    })
}

fn client(bus: &Bus, name: &str) -> Client {
    bus.client(name).expect("a socket pair")
}

fn chunk(messages: u64, qos: Qos, payload: usize, target: impl Fn(u64) -> String) -> Vec<u8> {
    let payload = vec![7; payload];
    (0..messages)
        .flat_map(|n| request(n as u32, Op::Message, qos, &target(n), &payload))
        .collect()
}

fn filters(op: Op, filter: &str) -> Vec<u8> {
    let len = u32::try_from(filter.len()).expect("short");
    let mut frame = Vec::from(elbus_proto::request::RequestHeader::new(0, op, Qos::Processed, len).encode());
    frame.extend_from_slice(filter.as_bytes());
    frame
}
