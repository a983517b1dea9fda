//! Frames from the broker to a client.
//!
//! ```text
//!  0      1           5      6
//! +------+-----------+------+----------
//! | kind | len (u32) | rt   | body …        message 12, broadcast 13: sender 00 payload
//! +------+-----------+------+----------     publication 01: sender 00 topic 00 payload
//!
//! +------+-----------+--------+
//! |  FE  | id (u32)  | result |             acknowledgement: 01 or an error code, no body
//! +------+-----------+--------+
//! ```
//!
//! A frame of kind 00 is a ping of six zero bytes; it needs no answer.
use crate::{Code, request::addressed};

/// Length of the header in bytes, and of a whole acknowledgement or ping.
pub const HEADER_LEN: usize = 6;

const ACKNOWLEDGEMENT: u8 = 0xFE;
const PING: u8 = 0x00;

/// How a frame came to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Published to a topic.
    Publication = 0x01,
    /// Sent to this client alone.
    Message = 0x12,
    /// Sent to every client that matches a mask.
    Broadcast = 0x13,
}

/// One frame from the broker, its parts borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// Needs no answer.
    Ping,
    /// What became of the operation `id`.
    Acknowledgement {
        /// The operation's id.
        id: u32,
        /// Its result.
        result: Result<(), Code>,
    },
    /// A message, broadcast or publication.
    Frame {
        /// How it came.
        kind: Kind,
        /// Whether it was sent as real-time.
        realtime: bool,
        /// The sender's name.
        sender: &'a [u8],
        /// The topic; empty unless this is a publication.
        topic: &'a [u8],
        /// The payload.
        payload: &'a [u8],
    },
}

/// What stands at the front of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// A ping or an acknowledgement: [`HEADER_LEN`] bytes, nothing follows.
    Bare,
    /// A frame of this whole length in bytes, header included.
    Frame(u64),
}

/// Why bytes from a broker cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The first byte is no kind of frame.
    UnknownKind(u8),
    /// The separator behind the sender or the topic is missing.
    MissingSeparator,
}

impl core::fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownKind(kind) => write!(f, "frame of unknown kind {kind:#04x}"),
            Self::MissingSeparator => f.write_str("frame without its separator"),
        }
    }
}

impl core::error::Error for DeliveryError {}

/// The header of a frame whose body (sender, separators, topic, payload) is `body_len` bytes long.
#[must_use]
#[inline]
pub const fn header(kind: Kind, body_len: u32, realtime: bool) -> [u8; HEADER_LEN] {
    let len = body_len.to_le_bytes();
    [kind as u8, len[0], len[1], len[2], len[3], realtime as u8]
}

/// An acknowledgement as it travels.
#[must_use]
#[inline]
pub const fn acknowledgement(id: u32, result: Result<(), Code>) -> [u8; HEADER_LEN] {
    let id = id.to_le_bytes();
    [
        ACKNOWLEDGEMENT,
        id[0],
        id[1],
        id[2],
        id[3],
        Code::result_byte(result),
    ]
}

/// Says what stands at the front of `bytes` and how long it is; `None` when its header is not all there.
///
/// A reader uses it to know how many bytes to wait for, and to refuse a length beyond its limit, before
/// [`decode`].
pub const fn front(bytes: &[u8]) -> Option<Result<Front, DeliveryError>> {
    let Some((head, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return None;
    };
    let [kind, l0, l1, l2, l3, _] = *head;
    Some(match kind {
        PING | ACKNOWLEDGEMENT => Ok(Front::Bare),
        0x01 | 0x12 | 0x13 => Ok(Front::Frame(
            HEADER_LEN as u64 + u32::from_le_bytes([l0, l1, l2, l3]) as u64,
        )),
        kind => Err(DeliveryError::UnknownKind(kind)),
    })
}

/// Reads the frame at the front of `bytes` and says how many bytes it takes; `None` when it is not all there.
///
/// ```
/// use elbus_proto::delivery::{Delivery, acknowledgement, decode};
///
/// let bytes = acknowledgement(7, Ok(()));
/// assert_eq!(decode(&bytes), Some(Ok((Delivery::Acknowledgement { id: 7, result: Ok(()) }, 6))));
/// assert_eq!(decode(&bytes[..5]), None); // not all there yet
/// ```
#[inline]
pub fn decode(bytes: &[u8]) -> Option<Result<(Delivery<'_>, usize), DeliveryError>> {
    let (head, rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let [kind, n0, n1, n2, n3, last] = *head;
    let number = u32::from_le_bytes([n0, n1, n2, n3]);
    let kind = match kind {
        PING => return Some(Ok((Delivery::Ping, HEADER_LEN))),
        ACKNOWLEDGEMENT => {
            let ack = Delivery::Acknowledgement {
                id: number,
                result: Code::result(last),
            };
            return Some(Ok((ack, HEADER_LEN)));
        }
        0x01 => Kind::Publication,
        0x12 => Kind::Message,
        0x13 => Kind::Broadcast,
        kind => return Some(Err(DeliveryError::UnknownKind(kind))),
    };
    let len = usize::try_from(number).ok()?;
    let body = rest.get(..len)?;
    Some(frame(kind, last != 0, body).map(|frame| (frame, HEADER_LEN + len)))
}

#[inline]
fn frame(kind: Kind, realtime: bool, body: &[u8]) -> Result<Delivery<'_>, DeliveryError> {
    let (sender, rest) = addressed(body).ok_or(DeliveryError::MissingSeparator)?;
    let (topic, payload) = match kind {
        Kind::Publication => addressed(rest).ok_or(DeliveryError::MissingSeparator)?,
        Kind::Message | Kind::Broadcast => (&rest[..0], rest),
    };
    Ok(Delivery::Frame {
        kind,
        realtime,
        sender,
        topic,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_six_bytes() {
        let bytes = acknowledgement(0x0403_0201, Err(Code::Busy));
        assert_eq!(bytes, [0xFE, 1, 2, 3, 4, 0x76]);
        let read = Delivery::Acknowledgement {
            id: 0x0403_0201,
            result: Err(Code::Busy),
        };
        assert_eq!(decode(&bytes), Some(Ok((read, 6))));
        assert_eq!(front(&bytes), Some(Ok(Front::Bare)));
    }

    #[test]
    fn a_publication_names_its_sender_and_topic() {
        let mut bytes = [0; 15];
        bytes[..6].copy_from_slice(&header(Kind::Publication, 9, true));
        bytes[6..].copy_from_slice(b"me\0a/b\0hi");
        let read = Delivery::Frame {
            kind: Kind::Publication,
            realtime: true,
            sender: b"me",
            topic: b"a/b",
            payload: b"hi",
        };
        assert_eq!(decode(&bytes), Some(Ok((read, 15))));
        assert_eq!(front(&bytes), Some(Ok(Front::Frame(15))));
        for end in 0..15 {
            assert_eq!(decode(&bytes[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn a_body_without_its_separator_is_an_error() {
        let mut bytes = [0; 9];
        bytes[..6].copy_from_slice(&header(Kind::Message, 3, false));
        bytes[6..].copy_from_slice(b"abc");
        assert_eq!(decode(&bytes), Some(Err(DeliveryError::MissingSeparator)));
        assert_eq!(decode(&[0x77; 6]), Some(Err(DeliveryError::UnknownKind(0x77))));
    }
}
