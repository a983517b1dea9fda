//! Bytes on their way to a socket: small frames gathered in blocks, large ones shared.
use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;
use elbus_proto::delivery::{self, Front, Kind};

use super::pool;

/// How many parts one vectored write names at most. Linux takes 1,024; past a few dozen the copy dominates.
pub(crate) const MAX_PARTS: usize = 32;

enum Piece {
    Block(Vec<u8>),
    Shared(Bytes),
}

impl Piece {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Block(block) => block,
            Self::Shared(bytes) => bytes,
        }
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

    /// Appends shared bytes without copying them.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.seal();
        self.len += bytes.len();
        self.pieces.push_back(Piece::Shared(bytes));
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

    /// Takes whole parts out of the front until they are so many bytes. None of them has been written in part.
    pub(crate) fn split_front(&mut self, bytes: usize) -> Self {
        let mut front = Self::default();
        while front.len < bytes
            && let Some(piece) = self.pieces.pop_front()
        {
            front.len += piece.as_slice().len();
            front.pieces.push_back(piece);
        }
        if self.pieces.is_empty() && front.len < bytes {
            front.len += self.tail.len();
            front.tail = std::mem::take(&mut self.tail);
        }
        self.len -= front.len;
        front
    }

    /// Drops publications from the front until so many bytes are free, and answers how many. Frames stand whole in
    /// the queue; a shared payload is a part of its own.
    pub(crate) fn drop_publications(&mut self, bytes: usize) -> u64 {
        self.seal();
        let (mut freed, mut dropped) = (0, 0);
        let mut kept = Self::default();
        while freed < bytes
            && let Some(piece) = self.pieces.pop_front()
        {
            let mut rest = piece.as_slice();
            while let Some(Ok(front)) = delivery::front(rest) {
                let len = match front {
                    Front::Bare => delivery::HEADER_LEN,
                    Front::Frame(len) => usize::try_from(len).unwrap_or(usize::MAX),
                };
                let (here, behind) = rest.split_at(len.min(rest.len()));
                let payload = if here.len() < len {
                    self.pieces.pop_front()
                } else {
                    None
                };
                rest = behind;
                if freed < bytes && here[0] == Kind::Publication as u8 {
                    freed += len;
                    dropped += 1;
                    continue;
                }
                kept.copy([here, b"", b""]);
                if let Some(payload) = payload {
                    kept.push(payload);
                }
            }
            // Nothing, or what is no frame.
            kept.copy([rest, b"", b""]);
            piece.recycle();
        }
        for piece in std::mem::take(&mut self.pieces) {
            kept.push(piece);
        }
        *self = kept;
        dropped
    }

    fn push(&mut self, piece: Piece) {
        self.seal();
        self.len += piece.as_slice().len();
        self.pieces.push_back(piece);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut SendQueue, budget: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let filled = queue.front(&mut parts, budget);
            assert!(filled > 0);
            let n = parts[..filled].iter().map(|part| part.len()).sum();
            assert!(n <= budget);
            for part in &parts[..filled] {
                out.extend_from_slice(part);
            }
            queue.advance(n);
        }
        out
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_the_order_they_came() {
        for budget in [1, 7, 1000, usize::MAX] {
            let mut queue = SendQueue::default();
            let mut expected = Vec::new();
            for n in 0..200_u32 {
                let small = n.to_le_bytes();
                queue.copy([&small, b"-", b""]);
                expected.extend_from_slice(&small);
                expected.push(b'-');
                if n % 7 == 0 {
                    let large = vec![n as u8; 3000];
                    queue.share(Bytes::from(large.clone()));
                    expected.extend_from_slice(&large);
                }
            }
            assert_eq!(queue.len(), expected.len());
            assert!(drain(&mut queue, budget) == expected, "budget {budget}");
        }
    }

    #[test]
    fn blocks_are_sealed_when_they_are_full() {
        let mut queue = SendQueue::default();
        let chunk = vec![7; 1000];
        for _ in 0..200 {
            queue.copy([&chunk, b"", b""]);
        }
        assert!(queue.pieces.len() >= 2, "{} pieces", queue.pieces.len());
        assert!(
            queue
                .pieces
                .iter()
                .all(|piece| piece.as_slice().len() <= pool::BLOCK)
        );
        assert_eq!(drain(&mut queue, usize::MAX).len(), 200_000);
    }

    /// A frame, its payload shared if it is large, and what it looks like on its way.
    fn append(queue: &mut SendQueue, kind: Kind, payload: &[u8]) -> Vec<u8> {
        let body = u32::try_from(payload.len() + 2).unwrap();
        let head = [&delivery::header(kind, body, false)[..], b"s\0"].concat();
        if payload.len() > 1000 {
            queue.copy([&head, b"", b""]);
            queue.share(Bytes::copy_from_slice(payload));
        } else {
            queue.copy([&head, payload, b""]);
        }
        [&head, payload].concat()
    }

    #[test]
    fn publications_are_dropped_from_the_front_and_everything_else_stays_in_order() {
        for bytes in [0, 1, 5_000, 40_000, usize::MAX] {
            let mut queue = SendQueue::default();
            let mut kept: Vec<u8> = Vec::new();
            let (mut dropped, mut freed) = (0, 0);
            for n in 0..300_usize {
                let payload = vec![n as u8; if n % 7 == 0 { 3000 } else { n }];
                let kind = [Kind::Publication, Kind::Message, Kind::Broadcast][n % 3];
                let frame = append(&mut queue, kind, &payload);
                if kind == Kind::Publication && freed < bytes {
                    freed += frame.len();
                    dropped += 1;
                } else {
                    kept.extend(frame);
                }
                if n % 5 == 0 {
                    let ack = delivery::acknowledgement(n as u32, Ok(()));
                    queue.copy([&ack, b"", b""]);
                    kept.extend(ack);
                }
            }
            assert_eq!(queue.drop_publications(bytes), dropped, "{bytes} bytes");
            assert_eq!(queue.len(), kept.len());
            assert!(drain(&mut queue, usize::MAX) == kept, "{bytes} bytes");
        }
    }

    #[test]
    fn the_front_that_is_split_off_and_the_rest_are_the_whole() {
        for bytes in [0, 1, 100_000, usize::MAX] {
            let mut queue = SendQueue::default();
            let mut expected = Vec::new();
            for n in 0..300_usize {
                expected.extend(append(&mut queue, Kind::Message, &vec![n as u8; n * 20]));
            }
            let mut front = queue.split_front(bytes);
            assert!(front.len() >= bytes.min(expected.len()));
            let split = [drain(&mut front, usize::MAX), drain(&mut queue, usize::MAX)].concat();
            assert!(split == expected, "{bytes} bytes");
        }
    }
}
