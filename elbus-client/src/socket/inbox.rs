//! Frames that wait to be taken out of the inbox, and how many bytes they take.
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::Frame;

/// What a frame takes beside its payload.
const FRAME_COST: usize = 96;

/// Bytes of frames that are handed out at once. Were it all, a slow receiver would make the reader pause until all of it is
/// consumed, and the broker take it for dead.
const BATCH: usize = 64 * 1024;

/// How full the inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Room,
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

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Of all batches.
    bytes: usize,
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
            state: Mutex::default(),
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
            return Level::Room;
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
        let Some(Batch { frames, bytes }) = self.batches.pop_front() else {
            return false;
        };
        self.spare = std::mem::replace(batch, frames);
        self.bytes -= bytes;
        std::mem::take(&mut self.reader_waits)
    }
}
