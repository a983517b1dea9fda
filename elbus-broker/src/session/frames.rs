//! A cursor over the requests in a stretch of bytes.
use bytes::Bytes;
use elbus_proto::request::{HEADER_LEN, RequestHeader};

use crate::deliver::Payload;

/// A request where it lies.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) header: RequestHeader,
    pub(super) body: &'a [u8],
}

/// What stands at the cursor.
pub(super) enum Front<'a> {
    Frame(Request<'a>),
    /// Not all there. With its header there, the length of the whole frame in bytes.
    Partial(Option<usize>),
    /// The body is over the limit.
    TooLarge(RequestHeader),
}

/// A cursor over the requests in a stretch of bytes.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
    limit: usize,
    /// The bytes as memory that can be shared, when they are one large frame.
    whole: Option<&'a Bytes>,
}

impl<'a> Frames<'a> {
    pub(super) const fn new(bytes: &'a [u8], limit: usize) -> Self {
        Self {
            bytes,
            at: 0,
            limit,
            whole: None,
        }
    }

    pub(super) fn of_large(whole: &'a Bytes, limit: usize) -> Self {
        Self {
            bytes: whole,
            at: 0,
            limit,
            whole: Some(whole),
        }
    }

    /// Bytes consumed so far.
    pub(super) const fn consumed(&self) -> usize {
        self.at
    }

    /// What stands at the cursor.
    #[inline]
    pub(super) fn front(&self) -> Front<'a> {
        let rest = &self.bytes[self.at..];
        let Some(header) = RequestHeader::decode(rest) else {
            return Front::Partial(None);
        };
        let body_len = header.body_len as usize;
        if body_len > self.limit {
            return Front::TooLarge(header);
        }
        match rest[HEADER_LEN..].get(..body_len) {
            Some(body) => Front::Frame(Request { header, body }),
            None => Front::Partial(Some(HEADER_LEN + body_len)),
        }
    }

    /// The request at the cursor, if it is there and has this operation and a body that starts with `address` and
    /// its separator.
    #[inline]
    pub(super) fn next_alike(&self, like: &RequestHeader, address: &[u8]) -> Option<(Request<'a>, &'a [u8])> {
        let Front::Frame(request) = self.front() else {
            return None;
        };
        if request.header.op_bits() != like.op_bits() {
            return None;
        }
        let payload = request.body.strip_prefix(address)?.strip_prefix(&[0])?;
        Some((request, payload))
    }

    /// Moves past a request.
    #[inline]
    pub(super) fn advance(&mut self, request: &Request<'_>) {
        self.at += HEADER_LEN + request.body.len();
    }

    /// A part of a request's body as a payload: shared if the bytes can be.
    pub(super) const fn payload(&self, slice: &'a [u8]) -> Payload<'a> {
        match self.whole {
            Some(whole) => Payload::Shared(slice, whole),
            None => Payload::Slice(slice),
        }
    }
}
