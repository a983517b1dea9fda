//! The payload of a one-to-one message that is a call, a reply or a notification.
//!
//! ```text
//! 00  payload                            notification
//! 01  id (u32)  method 00 params         request; id 0: no reply wanted
//! 11  id (u32)  payload                  reply
//! 12  id (u32)  code (i16)  payload      error reply; the payload is a text by habit
//! ```
//!
//! Params and results are opaque bytes here; MessagePack by habit.
use core::fmt;

use crate::{Code, request::addressed};

const NOTIFICATION: u8 = 0x00;
const REQUEST: u8 = 0x01;
const REPLY: u8 = 0x11;
const ERROR: u8 = 0x12;

/// The first byte of a notification.
pub const NOTIFICATION_HEADER: [u8; 1] = [NOTIFICATION];

/// The error codes that services share.
pub mod code {
    /// The params cannot be decoded.
    pub const PARSE: i16 = -32700;
    /// Not a valid request.
    pub const INVALID_REQUEST: i16 = -32600;
    /// The service has no such method.
    pub const METHOD_NOT_FOUND: i16 = -32601;
    /// The params can be decoded, but the method does not take them.
    pub const INVALID_PARAMS: i16 = -32602;
    /// The service failed.
    pub const INTERNAL: i16 = -32603;
    /// What the params name does not exist (BUS/RT).
    pub const NOT_FOUND: i16 = -32001;
}

/// The RPC code as which an error of the bus travels: -32000 less the bus's code.
#[must_use]
pub const fn bus_error(code: Code) -> i16 {
    -32000 - code.byte() as i16
}

/// A payload, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Something to know, without an answer.
    Notification(&'a [u8]),
    /// A call.
    Request {
        /// Chosen by the caller; 0 when no reply is wanted.
        id: u32,
        /// The method's name.
        method: &'a [u8],
        /// The params.
        params: &'a [u8],
    },
    /// What a call returned.
    Reply {
        /// The call's id.
        id: u32,
        /// The result.
        result: &'a [u8],
    },
    /// How a call failed.
    Error {
        /// The call's id.
        id: u32,
        /// The error code.
        code: i16,
        /// The reason; a text by habit.
        reason: &'a [u8],
    },
}

/// Why a payload is none of RPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RpcError {
    /// Nothing there.
    Empty,
    /// The first byte is no kind of payload.
    UnknownKind(u8),
    /// The payload ends inside its header.
    Truncated,
    /// A request without the separator behind its method.
    MissingSeparator,
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the RPC payload is empty"),
            Self::UnknownKind(kind) => write!(f, "RPC payload of unknown kind {kind:#04x}"),
            Self::Truncated => f.write_str("the RPC payload ends inside its header"),
            Self::MissingSeparator => f.write_str("RPC request without the separator behind its method"),
        }
    }
}

impl core::error::Error for RpcError {}

/// What stands in front of a request's method; behind the method come `00` and the params.
#[must_use]
pub const fn request_header(id: u32) -> [u8; 5] {
    tagged(REQUEST, id)
}

/// What stands in front of a reply's result.
#[must_use]
pub const fn reply_header(id: u32) -> [u8; 5] {
    tagged(REPLY, id)
}

/// What stands in front of an error reply's reason.
#[must_use]
pub const fn error_header(id: u32, code: i16) -> [u8; 7] {
    let [kind, i0, i1, i2, i3] = tagged(ERROR, id);
    let code = code.to_le_bytes();
    [kind, i0, i1, i2, i3, code[0], code[1]]
}

const fn tagged(kind: u8, id: u32) -> [u8; 5] {
    let id = id.to_le_bytes();
    [kind, id[0], id[1], id[2], id[3]]
}

/// Takes a payload apart.
///
/// ```
/// use elbus_proto::rpc::{Payload, decode, request_header};
///
/// let payload = [&request_header(7)[..], b"test\0"].concat();
/// assert_eq!(decode(&payload), Ok(Payload::Request { id: 7, method: b"test", params: b"" }));
/// ```
pub fn decode(payload: &[u8]) -> Result<Payload<'_>, RpcError> {
    let (&kind, rest) = payload.split_first().ok_or(RpcError::Empty)?;
    if kind == NOTIFICATION {
        return Ok(Payload::Notification(rest));
    }
    if !matches!(kind, REQUEST | REPLY | ERROR) {
        return Err(RpcError::UnknownKind(kind));
    }
    let (id, rest) = rest.split_first_chunk::<4>().ok_or(RpcError::Truncated)?;
    let id = u32::from_le_bytes(*id);
    match kind {
        REQUEST => {
            let (method, params) = addressed(rest).ok_or(RpcError::MissingSeparator)?;
            Ok(Payload::Request { id, method, params })
        }
        REPLY => Ok(Payload::Reply { id, result: rest }),
        _ => {
            let (code, reason) = rest.split_first_chunk::<2>().ok_or(RpcError::Truncated)?;
            Ok(Payload::Error {
                id,
                code: i16::from_le_bytes(*code),
                reason,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_laid_out_as_documented() {
        assert_eq!(decode(b"\x00hi"), Ok(Payload::Notification(b"hi")));
        let request = Payload::Request {
            id: 1,
            method: b"test",
            params: b"\x80",
        };
        assert_eq!(decode(b"\x01\x01\x00\x00\x00test\x00\x80"), Ok(request));
        assert_eq!(
            decode(b"\x11\x02\x00\x00\x00ok"),
            Ok(Payload::Reply { id: 2, result: b"ok" })
        );
        let error = Payload::Error {
            id: 3,
            code: code::METHOD_NOT_FOUND,
            reason: b"no",
        };
        assert_eq!(decode(b"\x12\x03\x00\x00\x00\xa7\x80no"), Ok(error));
        assert_eq!(
            error_header(3, code::METHOD_NOT_FOUND),
            *b"\x12\x03\x00\x00\x00\xa7\x80"
        );
    }

    #[test]
    fn broken_payloads_are_told_apart() {
        assert_eq!(decode(b""), Err(RpcError::Empty));
        assert_eq!(decode(b"\x02"), Err(RpcError::UnknownKind(2)));
        assert_eq!(decode(b"\x01\x01\x00"), Err(RpcError::Truncated));
        assert_eq!(
            decode(b"\x01\x01\x00\x00\x00test"),
            Err(RpcError::MissingSeparator)
        );
        assert_eq!(decode(b"\x12\x01\x00\x00\x00\x00"), Err(RpcError::Truncated));
    }

    #[test]
    fn bus_errors_travel_below_minus_32000() {
        assert_eq!(bus_error(Code::Busy), -32118);
    }
}
