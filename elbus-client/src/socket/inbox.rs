//! Frames that wait to be taken out of the inbox, and how many bytes they take.
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::Frame;

/// What a frame takes beside its payload.
const FRAME_COST: usize = 96;

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
    frames: VecDeque<Frame>,
    bytes: usize,
    receiver: Option<Waker>,
    /// The reader waits for room.
    reader_waits: bool,
    /// Nobody will take frames out any more.
    discarding: bool,
    closed: bool,
}

pub(super) fn cost(frame: &Frame) -> usize {
    FRAME_COST + frame.payload().len()
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
        if state.frames.is_empty() {
            std::mem::swap(&mut state.frames, frames);
        } else {
            state.frames.append(frames);
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

    /// Takes everything; pending when there is nothing, ready and empty when there never will be. The flag says
    /// whether the reader waits for that.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<bool> {
        let mut state = self.state.lock();
        if state.frames.is_empty() && !state.closed {
            match &mut state.receiver {
                Some(known) => known.clone_from(cx.waker()),
                known => *known = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        std::mem::swap(&mut state.frames, batch);
        state.bytes = 0;
        Poll::Ready(std::mem::take(&mut state.reader_waits))
    }

    /// The inbox was dropped: frames are forgotten from now on. Says whether the reader waits for room.
    pub(super) fn discard(&self) -> bool {
        let mut state = self.state.lock();
        state.discarding = true;
        state.bytes = 0;
        let frames = std::mem::take(&mut state.frames);
        let reader_waits = std::mem::take(&mut state.reader_waits);
        drop(state);
        drop(frames);
        reader_waits
    }

    /// The inbox hands out what is there and then ends.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        if let Some(receiver) = state.receiver.take() {
            receiver.wake();
        }
    }
}
