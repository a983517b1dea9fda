//! Bytes on their way to a socket: small frames gathered in blocks, large payloads shared.
//!
//! The broker's outboxes hold their bytes alike, but most of thousands are empty at any time: they borrow their blocks from
//! a pool of the thread, and write so much at a time that no receiver keeps a worker. A client keeps its two.
use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

/// How many parts one vectored write names at most. Linux takes 1,024; past a few dozen the copy dominates.
pub(super) const MAX_PARTS: usize = 32;

/// How large a block grows before it is sealed and another is begun. Twice what is gathered before it is written, so
/// that sealing is for those times only when the socket is full.
const BLOCK: usize = 128 * 1024;

/// A payload from this size on is not copied among small frames.
const LARGE: usize = 16 * 1024;

/// A queue of bytes; the last part, `tail`, is still being filled.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    pieces: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// Bytes of the first part that have been written.
    written: usize,
    len: usize,
}

impl SendQueue {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the parts of one frame by copying them.
    #[inline]
    pub(super) fn copy(&mut self, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if self.tail.len() + len > self.tail.capacity() {
            self.make_room(len);
        }
        for part in parts {
            self.tail.extend_from_slice(part);
        }
        self.len += len;
    }

    fn make_room(&mut self, len: usize) {
        if self.tail.len() + len > BLOCK {
            self.seal();
        }
        self.tail.reserve(len);
    }

    /// Appends a payload: a large one is shared, a small one copied after all.
    pub(super) fn share(&mut self, payload: Bytes) {
        if !Self::is_large(payload.len()) {
            return self.copy(&[&payload]);
        }
        self.seal();
        self.len += payload.len();
        self.pieces.push_back(payload);
    }

    /// Whether a payload of this length is better shared than copied.
    pub(super) const fn is_large(len: usize) -> bool {
        len >= LARGE
    }

    /// Closes the block being filled. Its memory is let go in proportion to the bytes in it.
    fn seal(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let piece = if self.tail.len() < self.tail.capacity() / 2 {
            let bytes = Bytes::copy_from_slice(&self.tail);
            self.tail.clear();
            bytes
        } else {
            Bytes::from(std::mem::take(&mut self.tail))
        };
        self.pieces.push_back(piece);
    }

    /// Appends what stands behind: after a write that did not take everything.
    pub(super) fn append(&mut self, mut behind: Self) {
        if behind.is_empty() {
            return;
        }
        self.seal();
        self.len += behind.len;
        self.pieces.append(&mut behind.pieces);
        self.tail = behind.tail;
    }

    /// An empty queue that fills the memory of one that was written.
    pub(super) fn reuse(mut self) -> Self {
        self.pieces.clear();
        self.tail.clear();
        self.written = 0;
        self.len = 0;
        self
    }

    /// The bytes in front, in as many parts as fit; answers how many parts were filled.
    pub(super) fn front<'a>(&'a self, parts: &mut [IoSlice<'a>; MAX_PARTS]) -> usize {
        let mut skip = self.written;
        let mut filled = 0;
        let pieces = self.pieces.iter().map(|piece| &piece[..]);
        for (slot, piece) in parts.iter_mut().zip(pieces.chain([&self.tail[..]])) {
            let bytes = &piece[skip..];
            skip = 0;
            if bytes.is_empty() {
                break;
            }
            *slot = IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }

    /// Drops the first `n` bytes: they have been written.
    pub(super) fn advance(&mut self, n: usize) {
        self.len -= n;
        let mut left = self.written + n;
        while let Some(piece) = self.pieces.front() {
            if left < piece.len() {
                self.written = left;
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
        self.written = left;
        if self.len == 0 {
            self.tail.clear();
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut SendQueue, budget: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let filled = queue.front(&mut parts);
            assert!(filled > 0);
            let bytes: Vec<u8> = parts[..filled].iter().flat_map(|part| part.to_vec()).collect();
            let n = bytes.len().min(budget);
            out.extend_from_slice(&bytes[..n]);
            queue.advance(n);
        }
        out
    }

    #[test]
    fn copied_and_shared_bytes_leave_in_the_order_they_came() {
        for budget in [1000, 70_001, usize::MAX] {
            let (mut queue, mut behind) = (SendQueue::default(), SendQueue::default());
            let mut expected = Vec::new();
            for n in 0..100_u32 {
                let queue = if n < 50 { &mut queue } else { &mut behind };
                queue.copy(&[&n.to_le_bytes(), b"-"]);
                expected.extend_from_slice(&n.to_le_bytes());
                expected.push(b'-');
                let payload = vec![n as u8; if n % 7 == 0 { LARGE } else { 300 }];
                queue.share(payload.clone().into());
                expected.extend_from_slice(&payload);
            }
            queue.advance(3);
            queue.append(behind);
            assert_eq!(queue.len(), expected.len() - 3);
            assert!(drain(&mut queue, budget) == expected[3..], "budget {budget}");
        }
    }
}
