//! Bytes on their way to a socket: small frames gathered in blocks, large ones shared.
use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;
use elbus_proto::delivery::{self, Front, Kind};

use super::pool;

/// How many parts one vectored write names at most. Linux takes 1,024; past a few dozen the copy dominates.
pub(crate) const MAX_PARTS: usize = 32;

/// Frames stand whole in a piece, but for the payload that is a piece of its own behind the one that ends with its head.
enum Piece {
    Block(Vec<u8>),
    Shared(Bytes),
    Payload(Bytes),
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Block(block) => block,
            Self::Shared(bytes) | Self::Payload(bytes) => bytes,
        }
    }

    fn is_payload(&self) -> bool {
        matches!(self, Self::Payload(_))
    }

    fn recycle(self) {
        if let Self::Block(block) = self {
            pool::give(block);
        }
    }
}

/// A queue of bytes; the last part, `tail`, is still being filled.
#[derive(Default)]
pub(crate) struct SendQueue {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    /// Bytes of the first part that have been written.
    written: usize,
    len: usize,
}

impl SendQueue {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the parts of one frame by copying them.
    #[inline]
    pub(crate) fn copy(&mut self, parts: [&[u8]; 3]) {
        let len = parts[0].len() + parts[1].len() + parts[2].len();
        if self.tail.capacity() - self.tail.len() < len {
            self.make_room(len);
        }
        for part in parts {
            self.tail.extend_from_slice(part);
        }
        self.len += len;
    }

    /// Appends shared frames without copying them.
    pub(crate) fn share(&mut self, frames: Bytes) {
        self.push(Piece::Shared(frames));
    }

    /// Appends the payload of the frame whose head was appended last, without copying it.
    pub(crate) fn share_payload(&mut self, payload: Bytes) {
        if !payload.is_empty() {
            self.push(Piece::Payload(payload));
        }
    }

    #[inline]
    fn push(&mut self, piece: Piece) {
        self.seal();
        self.len += piece.as_slice().len();
        self.pieces.push_back(piece);
    }

    fn make_room(&mut self, len: usize) {
        if self.tail.len() + len > pool::BLOCK {
            self.seal();
        }
        if self.tail.capacity() == 0 {
            self.tail = pool::take();
        }
        self.tail.reserve(len);
    }

    /// Closes the block being filled. One that is mostly empty is copied out, so that the memory held stays in
    /// proportion to the bytes queued.
    fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let piece = if self.tail.len() < self.tail.capacity() / 2 {
            let bytes = Bytes::copy_from_slice(&self.tail);
            self.tail.clear();
            Piece::Shared(bytes)
        } else {
            Piece::Block(std::mem::take(&mut self.tail))
        };
        self.pieces.push_back(piece);
    }

    /// The bytes in front, in as many parts as fit and at most `budget` bytes; answers how many parts were filled.
    pub(crate) fn front<'a>(&'a self, parts: &mut [IoSlice<'a>; MAX_PARTS], budget: usize) -> usize {
        let mut skip = self.written;
        let mut left = budget;
        let mut filled = 0;
        let pieces = self
            .pieces
            .iter()
            .map(Piece::as_slice)
            .chain(std::iter::once(self.tail.as_slice()));
        for (slot, piece) in parts.iter_mut().zip(pieces) {
            let bytes = &piece[skip..];
            let bytes = &bytes[..bytes.len().min(left)];
            skip = 0;
            if bytes.is_empty() {
                break;
            }
            left -= bytes.len();
            *slot = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// Drops the first `n` bytes: they have been written.
    pub(crate) fn advance(&mut self, n: usize) {
        self.len -= n;
        let mut left = self.written + n;
        while let Some(piece) = self.pieces.front() {
            let len = piece.as_slice().len();
            if left < len {
                self.written = left;
                return;
            }
            left -= len;
            if let Some(piece) = self.pieces.pop_front() {
                piece.recycle();
            }
        }
        self.written = left;
        if self.len == 0 {
            self.tail.clear();
            self.written = 0;
        }
    }

    /// Takes whole frames out of the front until they are so many bytes. None of them has been written in part.
    pub(crate) fn split_front(&mut self, bytes: usize) -> Self {
        let mut front = Self::default();
        while front.len < bytes
            && let Some(piece) = self.pieces.pop_front()
        {
            front.push(piece);
            if let Some(payload) = self.pop_payload() {
                front.push(payload);
            }
        }
        if self.pieces.is_empty() && front.len < bytes {
            front.len += self.tail.len();
            front.tail = std::mem::take(&mut self.tail);
        }
        self.len -= front.len;
        front
    }

    /// Drops publications from the front until so many bytes are free, or there are no more of them. None of what is
    /// queued has been written in part.
    pub(crate) fn drop_publications(&mut self, bytes: usize) -> Dropped {
        self.seal();
        let mut dropped = Dropped::default();
        let mut kept = Self::default();
        while dropped.bytes < bytes
            && let Some(piece) = self.pieces.pop_front()
        {
            if piece.is_payload() || !frames(piece.as_slice()).any(is_publication) {
                kept.push(piece);
                continue;
            }
            for frame in frames(piece.as_slice()) {
                let payload = if frame.lacks { self.pop_payload() } else { None };
                if dropped.bytes < bytes && is_publication(frame) {
                    dropped.frames += 1;
                    dropped.bytes += frame.bytes.len();
                    dropped.bytes += payload.map_or(0, |payload| payload.as_slice().len());
                    continue;
                }
                kept.copy([frame.bytes, b"", b""]);
                if let Some(payload) = payload {
                    kept.push(payload);
                }
            }
            piece.recycle();
        }
        for piece in std::mem::take(&mut self.pieces) {
            kept.push(piece);
        }
        *self = kept;
        dropped
    }

    /// Takes the payload of the frame that was in front.
    fn pop_payload(&mut self) -> Option<Piece> {
        let is_payload = self.pieces.front().is_some_and(Piece::is_payload);
        is_payload.then(|| self.pieces.pop_front()).flatten()
    }

    /// Gives the empty queue's memory back to the thread.
    pub(crate) fn recycle(self) {
        pool::give(self.tail);
    }

    /// Frees everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Publications that were dropped, and the bytes that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) frames: u64,
    pub(crate) bytes: usize,
}

/// A frame in a piece.
#[derive(Clone, Copy)]
struct Stored<'a> {
    bytes: &'a [u8],
    /// Its payload is the next piece.
    lacks: bool,
}

fn is_publication(frame: Stored<'_>) -> bool {
    frame.bytes[0] == Kind::Publication as u8
}

/// The frames of a piece, one after the other; what is none comes last, in one.
fn frames(mut piece: &[u8]) -> impl Iterator<Item = Stored<'_>> {
    std::iter::from_fn(move || {
        let len = match delivery::front(piece) {
            Some(Ok(Front::Bare)) => delivery::HEADER_LEN,
            Some(Ok(Front::Frame(len))) => usize::try_from(len).unwrap_or(usize::MAX),
            Some(Err(_)) | None => piece.len(),
        };
        let (bytes, rest) = piece.split_at_checked(len).unwrap_or((piece, b""));
        piece = rest;
        (!bytes.is_empty()).then_some(Stored {
            bytes,
            lacks: bytes.len() < len,
        })
    })
}

#[cfg(test)]
mod tests;
