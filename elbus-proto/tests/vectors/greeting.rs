//! The greeting, the result codes, the operations and the levels of QoS.
use elbus_proto::{Code, OK, Op, Qos, greeting};
use serde::Serialize;

use crate::{Document, hex};

#[derive(Serialize)]
struct Hello {
    is: &'static str,
    hex: String,
    /// `ok`, or why the other side cannot be spoken to.
    result: &'static str,
}

#[derive(Serialize)]
struct Registration {
    name: &'static str,
    hex: String,
}

#[derive(Serialize)]
struct Result {
    byte: u8,
    name: &'static str,
}

#[derive(Serialize)]
struct Bits {
    bits: u8,
    name: &'static str,
}

#[derive(Serialize)]
struct Level {
    bits: u8,
    name: &'static str,
    acknowledged: bool,
    realtime: bool,
}

pub(crate) fn write(document: &mut Document) {
    document.list("greetings", &hellos());
    document.list("registrations", &registrations());
    document.list("results", &results());
    document.list("operations", &operations());
    document.list("qos", &levels());
}

fn hellos() -> Vec<Hello> {
    let hello = |is, bytes: [u8; greeting::LEN]| Hello {
        is,
        hex: hex(&bytes),
        result: match greeting::check(bytes) {
            Ok(()) => "ok",
            Err(greeting::GreetingError::NotElbus(_)) => "not elbus",
            Err(greeting::GreetingError::Version(_)) => "version",
            Err(other) => panic!("no name for {other}"),
        },
    };
    vec![
        hello("the greeting, the same in both directions", greeting::GREETING),
        hello("a server of HTTP", *b"HTT"),
        hello("version 258", [greeting::MAGIC, 2, 1]),
    ]
}

/// What a client says after the greetings: its name's length in bytes, not in characters, and the name.
fn registrations() -> Vec<Registration> {
    ["a", "group.sub.client", "werk.tür%%1"]
        .map(|name| Registration {
            name,
            hex: hex(&[&(name.len() as u16).to_le_bytes()[..], name.as_bytes()].concat()),
        })
        .into()
}

fn results() -> Vec<Result> {
    [
        OK, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x00, 0x7A, 0xFF,
    ]
    .map(|byte| Result {
        byte,
        name: result_name(Code::result(byte)),
    })
    .into()
}

pub(crate) fn result_name(result: core::result::Result<(), Code>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(Code::NotRegistered) => "not registered",
        Err(Code::Data) => "data",
        Err(Code::Io) => "io",
        Err(Code::Other) => "other",
        Err(Code::NotSupported) => "not supported",
        Err(Code::Busy) => "busy",
        Err(Code::NotDelivered) => "not delivered",
        Err(Code::Timeout) => "timeout",
        Err(Code::Access) => "access",
        Err(other) => panic!("no name for {other}"),
    }
}

fn operations() -> Vec<Bits> {
    let known = |bits| {
        Op::from_bits(bits).map(|op| Bits {
            bits,
            name: op_name(op),
        })
    };
    (0..64).filter_map(known).collect()
}

pub(crate) fn op_name(op: Op) -> &'static str {
    match op {
        Op::Nop => "nop",
        Op::Publish => "publish",
        Op::Subscribe => "subscribe",
        Op::Unsubscribe => "unsubscribe",
        Op::Exclude => "exclude",
        Op::Unexclude => "unexclude",
        Op::PublishFor => "publish for",
        Op::Message => "message",
        Op::Broadcast => "broadcast",
        other => panic!("no name for {other:?}"),
    }
}

fn levels() -> Vec<Level> {
    (0..4)
        .map(|bits| {
            let qos = Qos::from_bits(bits);
            Level {
                bits,
                name: qos_name(qos),
                acknowledged: qos.is_acknowledged(),
                realtime: qos.is_realtime(),
            }
        })
        .collect()
}

pub(crate) fn qos_name(qos: Qos) -> &'static str {
    match qos {
        Qos::No => "no",
        Qos::Processed => "processed",
        Qos::Realtime => "realtime",
        Qos::RealtimeProcessed => "realtime processed",
    }
}
