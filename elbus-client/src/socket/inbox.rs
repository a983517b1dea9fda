//! Frames that wait to be taken out of the inbox, and how many bytes they take.
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Instant,
};

use parking_lot::Mutex;

use crate::{Frame, link::Portion};

/// What a frame takes beside its payload.
const FRAME_COST: usize = 96;

/// Bytes of frames that are gathered to be handed out at once.
const BATCH: usize = 64 * 1024;

/// Bytes of them that are handed out at once, at least and at most. While they are consumed, an inbox at its limit reads
/// nothing, and with too many the broker would take a slow receiver for one that reads nothing at all.
pub(super) const LEAST: usize = 4 * 1024;
const MOST: usize = 8 * BATCH;

/// How full the inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Under its limit, by so many bytes.
    Room(usize),
    /// At or over its limit: nothing is read unless operations wait for their answer. Bytes that frames take.
    Full(usize),
    /// At or over its hard limit: nothing is read.
    Over(usize),
}

/// What the reader hands to the inbox.
#[derive(Debug)]
pub(super) struct Arrivals {
    limit: usize,
    hard_limit: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    batches: VecDeque<Batch>,
    /// Of all batches.
    bytes: usize,
    /// Bytes that are handed out at once.
    portion: Portion,
    /// An empty queue to fill again.
    spare: VecDeque<Frame>,
    receiver: Option<Waker>,
    /// The reader waits for room.
    reader_waits: bool,
    /// Nobody will take frames out any more.
    discarding: bool,
    closed: bool,
}

/// Frames that are handed out together, and the bytes they take.
#[derive(Debug)]
struct Batch {
    frames: VecDeque<Frame>,
    bytes: usize,
}

/// Bytes that a frame with so many bytes of payload takes.
pub(super) const fn cost(payload: usize) -> usize {
    FRAME_COST + payload
}

impl Arrivals {
    pub(super) fn new(limit: usize, hard_limit: usize) -> Self {
        Self {
            limit,
            hard_limit,
            state: Mutex::new(State {
                batches: VecDeque::new(),
                bytes: 0,
                portion: Portion::new(LEAST, MOST),
                spare: VecDeque::new(),
                receiver: None,
                reader_waits: false,
                discarding: false,
                closed: false,
            }),
        }
    }

    /// Adds a chunk's frames, which take `bytes`, and leaves `frames` empty.
    pub(super) fn push(&self, frames: &mut VecDeque<Frame>, bytes: usize) {
        let mut state = self.state.lock();
        if state.discarding || state.closed {
            drop(state);
            frames.clear();
            return;
        }
        state.bytes += bytes;
        match state.batches.back_mut().filter(|last| last.bytes < BATCH) {
            Some(last) => {
                last.frames.append(frames);
                last.bytes += bytes;
            }
            None => {
                let empty = std::mem::take(&mut state.spare);
                let frames = std::mem::replace(frames, empty);
                state.batches.push_back(Batch { frames, bytes });
            }
        }
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// How full it is; if there is no room, whoever takes frames out wakes the reader.
    pub(super) fn level(&self) -> Level {
        let mut state = self.state.lock();
        if state.bytes < self.limit {
            return Level::Room(self.limit - state.bytes);
        }
        state.reader_waits = true;
        if state.bytes < self.hard_limit {
            Level::Full(state.bytes)
        } else {
            Level::Over(state.bytes)
        }
    }

    /// Takes some frames; pending when there are none, ready and empty when there never will be. The flag says whether
    /// the reader waits for that.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<bool> {
        let mut state = self.state.lock();
        if state.batches.is_empty() && !state.closed {
            match &mut state.receiver {
                Some(known) => known.clone_from(cx.waker()),
                known => *known = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        Poll::Ready(state.take(batch))
    }

    /// Takes some frames, if there are any. Says whether the reader waits for that.
    pub(super) fn try_take(&self, batch: &mut VecDeque<Frame>) -> bool {
        self.state.lock().take(batch)
    }

    /// The inbox was dropped: frames are forgotten from now on. Says whether the reader waits for room.
    pub(super) fn discard(&self) -> bool {
        let mut state = self.state.lock();
        state.discarding = true;
        state.bytes = 0;
        let batches = std::mem::take(&mut state.batches);
        let reader_waits = std::mem::take(&mut state.reader_waits);
        drop(state);
        drop(batches);
        reader_waits
    }

    /// The inbox hands out what is there and then ends.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl State {
    fn take(&mut self, batch: &mut VecDeque<Frame>) -> bool {
        let Some(front) = self.batches.front_mut() else {
            return false;
        };
        let portion = self.portion.size(Instant::now());
        let mut bytes = 0;
        if front.bytes <= portion {
            bytes = front.bytes;
            std::mem::swap(batch, &mut front.frames);
        } else {
            while bytes < portion
                && let Some(frame) = front.frames.pop_front()
            {
                bytes += cost(frame.payload().len());
                batch.push_back(frame);
            }
            front.bytes -= bytes;
        }
        if front.frames.is_empty()
            && let Some(empty) = self.batches.pop_front()
        {
            self.spare = empty.frames;
        }
        self.bytes -= bytes;
        std::mem::take(&mut self.reader_waits)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use elbus_proto::delivery::Kind;

    use super::*;

    #[test]
    fn what_has_gathered_is_handed_out_little_by_little_at_first_and_in_order() {
        let arrivals = Arrivals::new(1, 1);
        let payload = |n: u32| Bytes::copy_from_slice(&n.to_le_bytes());
        let mut frames: VecDeque<_> = (0..2000)
            .map(|n| Frame::new(Kind::Message, false, Arc::from("sender"), None, payload(n)))
            .collect();
        let bytes = frames.len() * cost(4);
        arrivals.push(&mut frames, bytes);
        assert_eq!(arrivals.level(), Level::Over(bytes));
        let (mut next, mut batch) = (0, VecDeque::new());
        let mut waits = arrivals.try_take(&mut batch);
        assert!(waits && batch.len() <= 3 * LEAST / cost(4), "{}", batch.len());
        while !batch.is_empty() {
            for frame in batch.drain(..) {
                assert_eq!(*frame.payload(), payload(next));
                next += 1;
            }
            waits = arrivals.try_take(&mut batch);
        }
        assert!(!waits);
        assert_eq!((next, arrivals.level()), (2000, Level::Room(1)));
    }
}
