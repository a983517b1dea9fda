//! Frames from the broker to a client: whole ones, broken ones, and the beginnings of such.
use elbus_proto::{
    Code,
    delivery::{self, Delivery, DeliveryError, Front, Kind},
};
use serde::Serialize;

use crate::{Document, greeting::result_name, hex};

/// A delivery; members that its kind does not have are left out.
#[derive(Default, Serialize)]
struct Whole {
    is: &'static str,
    hex: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    /// The byte and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<(u8, &'static str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realtime: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'static str>,
    /// In hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

#[derive(Serialize)]
struct Broken {
    is: &'static str,
    hex: String,
    error: &'static str,
}

/// The first bytes of a frame, and how long the whole of it is; null while that cannot be known.
#[derive(Serialize)]
struct Beginning {
    is: &'static str,
    hex: String,
    length: Option<u64>,
}

pub(crate) fn write(document: &mut Document) {
    document.list("deliveries", &whole());
    document.list("deliveries_refused", &broken());
    document.list("deliveries_unfinished", &beginnings());
}

fn whole() -> Vec<Whole> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let message =
        |is, realtime, sender, payload: &[u8]| frame(is, Kind::Message, realtime, sender, "", payload);
    vec![
        ping(),
        acknowledgement("a good acknowledgement", 7, 0x01),
        acknowledgement("busy", 0x0403_0201, 0x76),
        acknowledgement("no such client, highest id", u32::MAX, 0x71),
        acknowledgement("a code that nobody defined counts as other", 8, 0xEE),
        message("a message", false, "a.b", b"hi"),
        message("a real-time message", true, "a.b", b"hi"),
        message("a message with an empty payload", false, "a.b", b""),
        message("a message whose payload holds zeros", false, "a.b", b"\0x\0\0"),
        message(
            "a message of every byte, longer than 255",
            false,
            "werk.tür%%1",
            &every_byte,
        ),
        frame("a broadcast", Kind::Broadcast, false, "a.b", "", b"hi"),
        frame("a real-time broadcast", Kind::Broadcast, true, "a.b", "", b""),
        frame(
            "a publication",
            Kind::Publication,
            false,
            "a.b",
            "plant/hall/temperature",
            b"21.5",
        ),
        frame(
            "a publication without a payload",
            Kind::Publication,
            true,
            "a.b",
            "plant/türe",
            b"",
        ),
        frame(
            "a publication whose payload begins with a zero",
            Kind::Publication,
            false,
            "a",
            "b",
            b"\0c\0d",
        ),
        frame(
            "an announcement of the broker",
            Kind::Publication,
            false,
            ".broker",
            ".broker/warn",
            b"\x80",
        ),
    ]
}

fn ping() -> Whole {
    let bytes = [0; delivery::HEADER_LEN];
    assert_eq!(delivery::decode(&bytes), Some(Ok((Delivery::Ping, bytes.len()))));
    Whole {
        is: "a ping",
        hex: hex(&bytes),
        kind: "ping",
        ..Whole::default()
    }
}

fn acknowledgement(is: &'static str, id: u32, byte: u8) -> Whole {
    let result = Code::result(byte);
    let mut bytes = delivery::acknowledgement(id, result);
    bytes[delivery::HEADER_LEN - 1] = byte;
    let read = Delivery::Acknowledgement { id, result };
    assert_eq!(delivery::decode(&bytes), Some(Ok((read, bytes.len()))));
    Whole {
        is,
        hex: hex(&bytes),
        kind: "acknowledgement",
        id: Some(id),
        result: Some((byte, result_name(result))),
        ..Whole::default()
    }
}

fn frame(
    is: &'static str,
    kind: Kind,
    realtime: bool,
    sender: &'static str,
    topic: &'static str,
    payload: &[u8],
) -> Whole {
    let published = kind == Kind::Publication;
    let mut body = [sender.as_bytes(), b"\0"].concat();
    if published {
        body.extend_from_slice(&[topic.as_bytes(), b"\0"].concat());
    }
    body.extend_from_slice(payload);
    let bytes = [&delivery::header(kind, body.len() as u32, realtime)[..], &body].concat();
    let read = Delivery::Frame {
        kind,
        realtime,
        sender: sender.as_bytes(),
        topic: topic.as_bytes(),
        payload,
    };
    assert_eq!(delivery::decode(&bytes), Some(Ok((read, bytes.len()))));
    Whole {
        is,
        hex: hex(&bytes),
        kind: match kind {
            Kind::Message => "message",
            Kind::Broadcast => "broadcast",
            Kind::Publication => "publication",
        },
        realtime: Some(realtime),
        sender: Some(sender),
        topic: published.then_some(topic),
        payload: Some(hex(payload)),
        ..Whole::default()
    }
}

fn broken() -> Vec<Broken> {
    let broken = |is, bytes: &[u8]| Broken {
        is,
        hex: hex(bytes),
        error: match delivery::decode(bytes) {
            Some(Err(DeliveryError::UnknownKind(_))) => "unknown kind",
            Some(Err(DeliveryError::MissingSeparator)) => "missing separator",
            other => panic!("{is} is read as {other:?}"),
        },
    };
    let kind = |kind, body: &[u8]| {
        let header = delivery::header(kind, body.len() as u32, false);
        [&header[..], body].concat()
    };
    vec![
        broken("a frame of kind 77", b"\x77\0\0\0\0\0"),
        broken("a request instead of a delivery", b"\x02\0\0\0\x12\0"),
        broken("a message without its separator", &kind(Kind::Message, b"abc")),
        broken("a broadcast without a body", &kind(Kind::Broadcast, b"")),
        broken(
            "a publication whose topic does not end",
            &kind(Kind::Publication, b"me\0a/b"),
        ),
    ]
}

fn beginnings() -> Vec<Beginning> {
    let beginning = |is, bytes: &[u8]| {
        assert_eq!(delivery::decode(bytes), None, "{is}");
        let length = match delivery::front(bytes) {
            None => None,
            Some(Ok(Front::Frame(length))) => Some(length),
            other => panic!("{is} is read as {other:?}"),
        };
        Beginning {
            is,
            hex: hex(bytes),
            length,
        }
    };
    vec![
        beginning("nothing", b""),
        beginning("a header that lacks a byte", b"\x12\x05\0\0\0"),
        beginning("an acknowledgement that lacks a byte", b"\xFE\x01\0\0\0"),
        beginning(
            "a header whose body is to come",
            &delivery::header(Kind::Message, 0x0403_0201, false),
        ),
        beginning("a body that lacks a byte", b"\x12\x05\0\0\0\0me\0h"),
        beginning(
            "the longest announced body",
            &delivery::header(Kind::Publication, u32::MAX, true),
        ),
    ]
}
