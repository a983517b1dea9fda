//! What a frame is: to those who look at RPC, a call or a notification as well.
use std::borrow::Cow;

use elbus_client::{Frame, Kind};
use elbus_rpc::{Payload, decode};

/// What a frame is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// A frame like any other.
    Frame,
    Notification(&'a [u8]),
    Call {
        /// 0: no reply is wanted.
        id: u32,
        method: Cow<'a, str>,
        params: &'a [u8],
    },
}

impl<'a> Seen<'a> {
    /// With the eyes of RPC. Broadcasts and publications are never RPC.
    pub(crate) fn by_rpc(frame: &'a Frame) -> Self {
        match (frame.kind(), decode(frame.payload())) {
            (Kind::Message, Ok(Payload::Notification(payload))) => Self::Notification(payload),
            (Kind::Message, Ok(Payload::Request { id, method, params })) => Self::Call {
                id,
                method: String::from_utf8_lossy(method),
                params,
            },
            _ => Self::Frame,
        }
    }

    /// What it is called; of calls, as the command that sends them.
    pub(super) const fn kind(&self, frame: &Frame) -> &'static str {
        match self {
            Self::Notification(_) => "notification",
            Self::Call { id: 0, .. } => "call0",
            Self::Call { .. } => "call",
            Self::Frame => match frame.kind() {
                Kind::Message => "message",
                Kind::Broadcast => "broadcast",
                Kind::Publication => "publication",
            },
        }
    }

    /// What was sent, without what RPC puts in front.
    pub(super) fn payload(&self, frame: &'a Frame) -> &'a [u8] {
        match self {
            Self::Frame => frame.payload(),
            Self::Notification(payload) => payload,
            Self::Call { params, .. } => params,
        }
    }
}
