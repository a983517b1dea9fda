//! Frames from a client to the broker.
use elbus_proto::{
    Op, Qos,
    request::{self, RequestHeader},
};
use serde::Serialize;

use crate::{
    Document,
    greeting::{op_name, qos_name},
    hex,
};

/// A request; members that its operation does not have are left out.
#[derive(Default, Serialize)]
struct Request {
    is: &'static str,
    hex: String,
    id: u32,
    op: &'static str,
    qos: &'static str,
    /// The target of a message, the mask of a broadcast, the topic of a publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiver: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Vec<&'static str>>,
    /// In hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

/// What a request carries behind its header.
enum Body {
    Nothing,
    Filters(Vec<&'static str>),
    Addressed(&'static str, Vec<u8>),
    For(&'static str, &'static str, Vec<u8>),
}

impl Body {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Filters(filters) => filters.join("\0").into_bytes(),
            Self::Addressed(address, payload) => [address.as_bytes(), b"\0", payload].concat(),
            Self::For(topic, receiver, payload) => {
                [topic.as_bytes(), b"\0", receiver.as_bytes(), b"\0", payload].concat()
            }
        }
    }

    /// Asserts that the decoders find in `bytes` what was put there.
    fn read_back(&self, bytes: &[u8]) {
        match self {
            Self::Nothing => assert!(bytes.is_empty()),
            Self::Filters(filters) => {
                assert!(request::filters(bytes).eq(filters.iter().map(|filter| filter.as_bytes())));
            }
            Self::Addressed(address, payload) => {
                assert_eq!(
                    request::addressed(bytes),
                    Some((address.as_bytes(), &payload[..]))
                );
            }
            Self::For(topic, receiver, payload) => {
                let parts = (topic.as_bytes(), receiver.as_bytes(), &payload[..]);
                assert_eq!(request::addressed_for(bytes), Some(parts));
            }
        }
    }
}

fn vector(is: &'static str, id: u32, op: Op, qos: Qos, body: Body) -> Request {
    let content = body.encode();
    let header = RequestHeader::new(id, op, qos, content.len() as u32);
    let bytes = [&header.encode()[..], &content].concat();
    let read = RequestHeader::decode(&bytes).unwrap();
    assert_eq!(
        (read.id, read.op(), read.qos, read.frame_len()),
        (id, Some(op), qos, bytes.len() as u64)
    );
    body.read_back(&bytes[request::HEADER_LEN..]);
    let bare = Request {
        is,
        hex: hex(&bytes),
        id,
        op: op_name(op),
        qos: qos_name(qos),
        ..Request::default()
    };
    match body {
        Body::Nothing => bare,
        Body::Filters(filters) => Request {
            filters: Some(filters),
            ..bare
        },
        Body::Addressed(address, payload) => Request {
            address: Some(address),
            payload: Some(hex(&payload)),
            ..bare
        },
        Body::For(topic, receiver, payload) => Request {
            address: Some(topic),
            receiver: Some(receiver),
            payload: Some(hex(&payload)),
            ..bare
        },
    }
}

pub(crate) fn write(document: &mut Document) {
    let mut requests = nops();
    requests.extend(messages());
    requests.extend(for_many());
    requests.extend(lists());
    document.list("requests", &requests);
}

fn nops() -> Vec<Request> {
    let ping = vector("a ping", 0, Op::Nop, Qos::No, Body::Nothing);
    assert_eq!(ping.hex, hex(&request::PING));
    let acknowledged = vector(
        "a nop that is acknowledged",
        1,
        Op::Nop,
        Qos::Processed,
        Body::Nothing,
    );
    vec![ping, acknowledged]
}

fn messages() -> Vec<Request> {
    use Qos::{No, Processed, Realtime, RealtimeProcessed};
    let message = |is, id, qos, target, payload: &[u8]| {
        vector(
            is,
            id,
            Op::Message,
            qos,
            Body::Addressed(target, payload.to_vec()),
        )
    };
    let every_byte: Vec<u8> = (0..=255).collect();
    vec![
        message("a message", 2, No, "a.b", b"hi"),
        message("an acknowledged message", 0x0403_0201, Processed, "a.b", b"hi"),
        message("a real-time message", 3, Realtime, "a.b", b"hi"),
        message(
            "an acknowledged real-time message",
            4,
            RealtimeProcessed,
            "a.b",
            b"hi",
        ),
        message("a message with an empty payload", 5, No, "a.b", b""),
        message("a message whose payload holds zeros", 6, No, "a.b", b"\0x\0\0"),
        message(
            "a message of every byte, longer than 255",
            7,
            No,
            "a.b",
            &every_byte,
        ),
        message(
            "a target longer in bytes than in characters",
            8,
            No,
            "werk.tür",
            b"x",
        ),
        message("a message to a secondary", 9, No, "a.b%%1", b"x"),
        message("the highest operation id", u32::MAX, Processed, ".broker", b"x"),
    ]
}

fn for_many() -> Vec<Request> {
    let addressed = |is, id, op, qos, address, payload: &[u8]| {
        vector(is, id, op, qos, Body::Addressed(address, payload.to_vec()))
    };
    let for_one = Body::For("plant/x", "a.b", b"\0y".to_vec());
    let topic = "plant/hall/temperature";
    vec![
        addressed("a broadcast", 10, Op::Broadcast, Qos::No, "?.test.*", b"hi"),
        addressed("a publication", 11, Op::Publish, Qos::No, topic, b"21.5"),
        addressed(
            "an acknowledged publication",
            12,
            Op::Publish,
            Qos::Processed,
            "plant/türe",
            b"",
        ),
        vector(
            "a publication for one client",
            13,
            Op::PublishFor,
            Qos::Processed,
            for_one,
        ),
    ]
}

fn lists() -> Vec<Request> {
    let list =
        |is, id, op, qos, filters: &[&'static str]| vector(is, id, op, qos, Body::Filters(filters.to_vec()));
    let processed = Qos::Processed;
    vec![
        list("a subscription", 14, Op::Subscribe, processed, &["a/b"]),
        list(
            "three subscriptions",
            15,
            Op::Subscribe,
            processed,
            &["a/+/c", "ä/#", "#"],
        ),
        list(
            "an empty list of subscriptions",
            16,
            Op::Subscribe,
            processed,
            &[],
        ),
        list("two unsubscriptions", 17, Op::Unsubscribe, Qos::No, &["a/b", "c"]),
        list("an exclusion", 18, Op::Exclude, processed, &["a/secret/#"]),
        list(
            "an exclusion taken back",
            19,
            Op::Unexclude,
            processed,
            &["a/secret/#"],
        ),
    ]
}
