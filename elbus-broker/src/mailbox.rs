//! The queue of frames of a client in this process.
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Instant,
};

use elbus_client::{Frame, link::Portion};
use parking_lot::Mutex;

use crate::outbox::{Admission, Line, Ticket, Written};

/// Frames that are handed out at once at most: a receiver that is through with fewer in time must not look like one that
/// does not read.
const MOST: usize = 1024;

/// Whether a frame was taken.
#[derive(Debug)]
pub(crate) enum Posted {
    Done,
    /// The queue is full; here is the frame again.
    Full(Frame),
    /// The receiver has not read for the stall time-out: the frame is shed and counted.
    Shed,
    /// The receiver is gone; here is the frame again.
    Closed(Frame),
}

/// A bounded queue of frames.
pub(crate) struct Mailbox {
    capacity: usize,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Frame>,
    /// Frames that are handed out at once.
    portion: Portion,
    reader: Option<Waker>,
    line: Line,
    /// Nobody will read any more, but frames are still acknowledged.
    discarding: bool,
    closed: bool,
    /// Full for the stall time-out without a read: frames are shed until the next read.
    shedding: bool,
    /// When the queue became full, or was last read.
    clock: Instant,
    shed: u64,
    written: Written,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                portion: Portion::new(1, MOST),
                reader: None,
                line: Line::default(),
                discarding: false,
                closed: false,
                shedding: false,
                clock: Instant::now(),
                shed: 0,
                written: Written::default(),
            }),
        }
    }

    /// Queues one frame.
    pub(crate) fn post(&self, frame: Frame, ticket: Option<Ticket>) -> Posted {
        let mut state = self.state.lock();
        match state.admit(self.capacity, ticket) {
            Admission::Closed => return Posted::Closed(frame),
            Admission::Full if !state.shedding => return Posted::Full(frame),
            Admission::Full => {
                state.shed += 1;
                return Posted::Shed;
            }
            Admission::Granted => {}
        }
        state.written.frames += 1;
        state.written.bytes += frame.payload().len() as u64;
        if !state.discarding {
            state.queue.push_back(frame);
            if state.queue.len() == self.capacity {
                state.clock = Instant::now();
            }
        }
        if let Some(ticket) = ticket {
            state.line.leave(ticket);
        }
        state.pass_turn(self.capacity);
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
        Posted::Done
    }

    /// Takes some frames; pending when there is nothing, ready and empty when there never will be.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.queue.is_empty() && !state.closed {
            if !state
                .reader
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                state.reader = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        state.take(batch, self.capacity);
        Poll::Ready(())
    }

    /// Takes some frames, if there are any.
    pub(crate) fn try_take(&self, batch: &mut VecDeque<Frame>) {
        self.state.lock().take(batch, self.capacity);
    }

    /// The inbox was dropped: frames are taken and forgotten from now on.
    pub(crate) fn discard(&self) {
        let mut state = self.state.lock();
        state.discarding = true;
        state.shedding = false;
        state.queue = VecDeque::new();
        state.pass_turn(self.capacity);
    }

    /// Refuses frames from now on; the inbox hands out what is there and then ends.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.line.dismiss();
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Ready when the holder of `ticket` may post, or will be told why not.
    pub(crate) fn poll_room(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.shedding || state.admit(self.capacity, *ticket) != Admission::Full {
            return Poll::Ready(());
        }
        state.line.wait(ticket, cx.waker());
        Poll::Pending
    }

    /// Gives a place in the line up.
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        state.line.leave(ticket);
        state.pass_turn(self.capacity);
    }

    /// Since when the queue is full without a read.
    pub(crate) fn full_since(&self) -> Instant {
        self.state.lock().clock
    }

    /// Sheds from now on if the queue has been full since `clock`, as [`full_since`](Self::full_since) said.
    pub(crate) fn shed_if_unread(&self, clock: Instant) {
        let mut state = self.state.lock();
        if state.clock == clock && state.queue.len() >= self.capacity {
            state.shedding = true;
            state.line.dismiss();
        }
    }

    /// Frames that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Frames shed so far.
    pub(crate) fn shed(&self) -> u64 {
        self.state.lock().shed
    }

    /// What was queued for this client so far.
    pub(crate) fn written(&self) -> Written {
        self.state.lock().written
    }
}

impl State {
    fn admit(&self, capacity: usize, ticket: Option<Ticket>) -> Admission {
        if self.closed {
            return Admission::Closed;
        }
        if self.queue.len() >= capacity || !self.line.is_turn(ticket) {
            return Admission::Full;
        }
        Admission::Granted
    }

    fn take(&mut self, batch: &mut VecDeque<Frame>, capacity: usize) {
        self.clock = Instant::now();
        let portion = self.portion.size(self.clock);
        if self.queue.len() <= portion {
            std::mem::swap(&mut self.queue, batch);
        } else {
            batch.extend(self.queue.drain(..portion));
        }
        self.shedding = false;
        self.pass_turn(capacity);
    }

    fn pass_turn(&self, capacity: usize) {
        if self.queue.len() < capacity {
            self.line.wake_first();
        }
    }
}
