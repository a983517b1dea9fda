//! What a broker speaks: how a client introduces itself, and what a message looks like on its way in and out.
//!
//! | dialect | sent | delivered | acknowledged |
//! | --- | --- | --- | --- |
//! | elbus | a request | a delivery | by an acknowledgement |
//! | NATS | `PUB subject length`, payload | `MSG subject sid length`, payload | by `+OK`, once `CONNECT` asked for it |
//! | ZMTP | a message to a proxy | the same bytes | never |
//! | relay | a delivery | the same bytes | never |
use elbus_proto::{
    Op,
    delivery::{self, Delivery, Kind},
};

use crate::{failure::Failure, stamp::Flow, wire::request, zmtp};

/// The subscription under which a client of NATS receives what is addressed to itself.
const OWN_SID: usize = 1;
/// Its first other one. All up to [`MOST_FILTERS`] have the same number of digits, so that messages of one size
/// keep one size on the wire.
const FIRST_SID: usize = 100_000;
/// Filters that one client may have.
pub(crate) const MOST_FILTERS: usize = 50_000;

/// What a broker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The protocol of elbus and BUS/RT.
    Elbus,
    /// The text protocol of NATS.
    Nats,
    /// That of ZeroMQ, to a proxy.
    Zmtp,
    /// The relay of this program, which passes bytes on and looks at nothing.
    Relay,
}

/// A frame, and where in it the payload stands.
pub(crate) struct Framed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload_at: usize,
}

impl Dialect {
    /// A message as its sender writes it; `index` says to which of the flow's addresses.
    pub(crate) fn sent(self, flow: &Flow, index: usize, payload: &[u8]) -> Framed {
        let address = &flow.addresses[index];
        match self {
            Self::Elbus => {
                let op = match flow.kind {
                    Kind::Publication => Op::Publish,
                    Kind::Broadcast => Op::Broadcast,
                    Kind::Message => Op::Message,
                };
                let bytes = request(0, op, flow.qos, address, Some(payload));
                let payload_at = bytes.len() - payload.len();
                Framed { bytes, payload_at }
            }
            Self::Nats => text(
                &format!("PUB {} {}\r\n", subject(flow.kind, address), payload.len()),
                payload,
            ),
            Self::Relay | Self::Zmtp => self.delivered(flow, index, payload),
        }
    }

    /// The same as it reaches a receiver.
    pub(crate) fn delivered(self, flow: &Flow, index: usize, payload: &[u8]) -> Framed {
        let address = &flow.addresses[index];
        if self == Self::Nats {
            let sid = match flow.kind {
                Kind::Publication => FIRST_SID + index,
                Kind::Message | Kind::Broadcast => OWN_SID,
            };
            let subject = subject(flow.kind, address);
            return text(&format!("MSG {subject} {sid} {}\r\n", payload.len()), payload);
        }
        if self == Self::Zmtp {
            return zmtp::message(address, payload);
        }
        let mut body = [flow.sender.as_bytes(), b"\0"].concat();
        if flow.kind == Kind::Publication {
            body.extend_from_slice(address.as_bytes());
            body.push(0);
        }
        let len = u32::try_from(body.len() + payload.len()).unwrap_or(u32::MAX);
        let head = delivery::header(flow.kind, len, flow.qos.is_realtime());
        let payload_at = head.len() + body.len();
        Framed {
            bytes: [&head[..], &body, payload].concat(),
            payload_at,
        }
    }

    /// What subscribes to `filters`; ends with something that is answered.
    pub(crate) fn subscription(self, filters: &[String], from: usize) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Elbus => {
                let body = filters.join("\0");
                Ok(request(
                    0,
                    Op::Subscribe,
                    elbus_proto::Qos::Processed,
                    &body,
                    None,
                ))
            }
            Self::Nats => {
                let lines = filters.iter().enumerate().map(|(index, filter)| {
                    let (subject, sid) = (subject(Kind::Publication, filter), FIRST_SID + from + index);
                    format!("SUB {subject} {sid}\r\n")
                });
                Ok(lines.chain(["PING\r\n".into()]).collect::<String>().into())
            }
            Self::Relay => Err(Failure::NotOffered("a relay knows no topics")),
            Self::Zmtp => Err(Failure::NotOffered("its subscriptions are not answered")),
        }
    }

    /// The length of a frame that belongs to no flow: a ping or an announcement of the broker; 0 when the frame is not
    /// all there. Others are a failure.
    pub(crate) fn other_frame(self, bytes: &[u8]) -> Result<usize, Failure> {
        match self {
            Self::Nats => other_line(bytes),
            Self::Zmtp => zmtp::other_frame(bytes),
            Self::Elbus | Self::Relay => other_delivery(bytes),
        }
    }
}

/// The lines that introduce a client to NATS; the last one is answered.
pub(crate) fn nats_introduction(name: &str, verbose: bool) -> String {
    format!("CONNECT {{\"verbose\":{verbose},\"pedantic\":false}}\r\nSUB {name} {OWN_SID}\r\nPING\r\n")
}

/// Topics and filters as subjects: levels are separated by dots, `*` is any one level and `>` the rest.
fn subject(kind: Kind, address: &str) -> String {
    if kind != Kind::Publication {
        return address.to_owned();
    }
    let levels = address.split('/').map(|level| match level {
        "+" => "*",
        "#" => ">",
        level => level,
    });
    levels.collect::<Vec<_>>().join(".")
}

fn text(head: &str, payload: &[u8]) -> Framed {
    Framed {
        bytes: [head.as_bytes(), payload, b"\r\n"].concat(),
        payload_at: head.len(),
    }
}

fn other_line(bytes: &[u8]) -> Result<usize, Failure> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(0);
    };
    let line = &bytes[..end];
    // A ping needs no answer for minutes.
    if line == b"PING" || line.starts_with(b"INFO ") {
        return Ok(end + 2);
    }
    let line = String::from_utf8_lossy(line).into_owned();
    if line.starts_with("MSG ") {
        let len: Option<usize> = line.rsplit(' ').next().and_then(|len| len.parse().ok());
        // It could still be the flow's own, if it is not all there.
        return match len {
            Some(len) if bytes.len() < end + 4 + len => Ok(0),
            _ => Err(Failure::Unexpected(line)),
        };
    }
    Err(match line.starts_with("-ERR") {
        true => Failure::Said(line),
        false => Failure::Unexpected(line),
    })
}

fn other_delivery(bytes: &[u8]) -> Result<usize, Failure> {
    match delivery::decode(bytes) {
        None => Ok(0),
        Some(Err(error)) => Err(Failure::Unreadable(error)),
        Some(Ok((Delivery::Ping, len))) => Ok(len),
        Some(Ok((Delivery::Frame { topic, .. }, len))) if topic.starts_with(b".broker/") => Ok(len),
        Some(Ok((Delivery::Acknowledgement { id, .. }, _))) => {
            Err(Failure::Unexpected(format!("acknowledgement of operation {id}")))
        }
        Some(Ok((Delivery::Frame { sender, payload, .. }, _))) => Err(Failure::Unexpected(format!(
            "frame of {} payload bytes from {:?}",
            payload.len(),
            String::from_utf8_lossy(sender)
        ))),
    }
}
