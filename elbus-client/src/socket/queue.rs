//! Bytes on their way to a socket: small frames gathered in blocks, large payloads shared.
//!
//! The broker's outboxes hold their bytes alike, but most of thousands are empty at any time: they borrow their blocks from
//! a pool of the thread, and write so much at a time that no receiver keeps a worker. A client keeps a few of its own.
use std::{collections::VecDeque, io::IoSlice};

use bytes::Bytes;

/// How many parts one vectored write names at most. Linux takes 1,024; past a few dozen the copy dominates.
pub(super) const MAX_PARTS: usize = 32;

/// How large a block grows before it is sealed and another is begun. Twice what is gathered before it is written, so
/// that sealing is for those times only when the socket is full.
const BLOCK: usize = 128 * 1024;

/// A payload from this size on is not copied among small frames.
const LARGE: usize = 16 * 1024;

/// How many blocks that were written are kept to be filled again: a socket that was full takes about as much at once.
const SPARE: usize = 2;

/// A queue of bytes; the last part, `tail`, is still being filled.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    /// Blocks to be filled again.
    spare: Vec<Vec<u8>>,
    /// Bytes of the first part that have been written.
    written: usize,
    len: usize,
}

/// A part that is not filled any further.
#[derive(Debug)]
enum Piece {
    /// Frames one after the other.
    Block(Vec<u8>),
    /// A large payload.
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Block(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
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

    #[cold]
    fn make_room(&mut self, len: usize) {
        let mut grown = 2 * self.tail.capacity();
        if self.tail.len() + len > BLOCK {
            self.seal();
            // Whoever has filled one will fill the next: it does not grow little by little.
            grown = BLOCK;
        }
        let needed = self.tail.len() + len;
        self.tail
            .reserve_exact(grown.min(BLOCK).max(needed) - self.tail.len());
    }

    /// Appends a payload: a large one is shared, a small one copied after all.
    pub(super) fn share(&mut self, payload: Bytes) {
        if !Self::is_large(payload.len()) {
            return self.copy(&[&payload]);
        }
        self.seal();
        self.len += payload.len();
        self.pieces.push_back(Piece::Shared(payload));
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
        let block = if self.tail.len() < self.tail.capacity() / 2 {
            let block = self.tail.clone();
            self.tail.clear();
            block
        } else {
            std::mem::replace(&mut self.tail, self.spare.pop().unwrap_or_default())
        };
        self.pieces.push_back(Piece::Block(block));
    }

    /// Appends what stands behind: after a write that did not take everything.
    pub(super) fn append(&mut self, mut behind: Self) {
        let half = self.tail.capacity() / 2;
        let fits = self.tail.len() <= half && behind.tail.len() <= half;
        if behind.is_empty() || behind.pieces.is_empty() && fits {
            self.tail.extend_from_slice(&behind.tail);
            self.keep(behind.tail);
        } else {
            self.seal();
            self.pieces.append(&mut behind.pieces);
            let empty = std::mem::replace(&mut self.tail, behind.tail);
            self.keep(empty);
        }
        self.len += behind.len;
        behind.spare.into_iter().for_each(|block| self.keep(block));
    }

    /// Keeps a block to be filled again, unless it is a small one or there are enough.
    fn keep(&mut self, mut block: Vec<u8>) {
        if self.spare.len() < SPARE && (BLOCK / 2..=BLOCK).contains(&block.capacity()) {
            block.clear();
            self.spare.push(block);
        }
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
        let pieces = self.pieces.iter().map(Piece::bytes);
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
            let len = piece.bytes().len();
            if left < len {
                self.written = left;
                return;
            }
            left -= len;
            if let Some(Piece::Block(block)) = self.pieces.pop_front() {
                self.keep(block);
            }
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

    #[test]
    fn blocks_that_were_written_are_filled_again() {
        let mut queue = SendQueue::default();
        let fill = |queue: &mut SendQueue, len| {
            while queue.len() < len {
                queue.copy(&[&[7; 1000]]);
            }
        };
        fill(&mut queue, 4 * BLOCK);
        queue.advance(3 * BLOCK);
        let spare: Vec<*const u8> = queue.spare.iter().map(|block| block.as_ptr()).collect();
        assert_eq!(spare.len(), SPARE);
        fill(&mut queue, 4 * BLOCK);
        let blocks = queue.pieces.iter().map(Piece::bytes).chain([&queue.tail[..]]);
        let filled: Vec<*const u8> = blocks.map(<[u8]>::as_ptr).collect();
        assert!(spare.iter().all(|block| filled.contains(block)));
    }

    #[test]
    fn a_socket_that_takes_little_at_a_time_leaves_no_blocks_that_are_nearly_empty() {
        let mut queue = SendQueue::default();
        for n in 0..10_000 {
            let mut behind = SendQueue::default();
            behind.copy(&[&[7; 100]]);
            if n % 100 == 0 {
                behind.share(vec![7; LARGE].into());
            }
            queue.append(behind);
            queue.advance(1);
        }
        let blocks = queue.pieces.iter().filter_map(|piece| match piece {
            Piece::Block(block) => Some(block.capacity()),
            Piece::Shared(_) => None,
        });
        let held: usize = blocks.sum::<usize>() + queue.tail.capacity();
        assert!(held < 3 * 10_000 * 100, "{held} bytes are held");
    }

    #[test]
    fn a_block_with_nothing_behind_it_is_filled_further() {
        let mut queue = SendQueue::default();
        queue.copy(&[&[7; BLOCK - 1000]]);
        queue.advance(100);
        queue.append(SendQueue::default());
        queue.copy(&[&[8; 50]]);
        assert!(queue.pieces.is_empty());
        assert_eq!(drain(&mut queue, usize::MAX).len(), BLOCK - 1000 - 100 + 50);
    }
}
