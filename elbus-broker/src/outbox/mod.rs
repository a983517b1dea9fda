//! The output buffer of one connection, and who writes it.
//!
//! Sessions append frames under a short lock and write inline, without blocking. Whoever writes holds the *writer
//! token*; only if the socket is full does the holder hand the token, with what is left, to a writer task, which
//! keeps it until everything is written. On release the holder looks again under the lock, so nothing appended in
//! the meantime is left behind. This hand-over is model-checked with loom (`tests.rs`).
//!
//! ```text
//! append  ── under the lock: admitted below the high-water mark, in order of arrival when others wait
//! flush   ── takes the token and the bytes, writes outside the lock, looks again, releases
//!            └─ socket full: token and rest go to the writer task (crate::writer)
//! close   ── frees the bytes, wakes everyone who waits; appends are refused from then on
//! ```
pub(crate) mod pool;
mod queue;
mod room;
mod state;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use queue::{MAX_PARTS, SendQueue};
pub(crate) use room::{Line, Ticket};

use crate::{
    account::Reservation,
    slow::SlowConsumer,
    sync::{Mutex, MutexGuard},
};

/// How often a holder of the token looks again before it hands over: one that kept on would write for others for as
/// long as they append.
const INLINE_ROUNDS: usize = 4;

/// Where an outbox writes.
pub(crate) trait Wire {
    /// Writes without blocking; `WouldBlock` when nothing fits.
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Whether a frame may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Granted,
    /// Over the high-water mark, or others wait in front.
    Full,
    /// Closed, or about to: appends are refused.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// Refuses appends, still writes what it holds.
    Sealed,
    Closed,
}

/// What became of a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Written, or somebody else is writing.
    Done,
    /// The connection is broken, and the outbox closed.
    Broken,
}

/// The bytes that the holder of the writer token has taken out and not yet written.
#[must_use = "the writer token goes with the batch"]
pub(crate) struct Batch(SendQueue);

/// Frames and bytes that were queued for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
}

/// The output buffer of one connection.
pub(crate) struct Outbox {
    state: Mutex<State>,
}

/// What the lock guards.
pub(crate) struct State {
    mark: usize,
    queue: SendQueue,
    /// Bytes that the holder of the token has taken and not yet written.
    in_flight: usize,
    /// The writer token is out.
    writing: bool,
    /// Bytes wait that nobody has taken it upon himself to flush.
    dirty: bool,
    /// Some of them are real-time.
    urgent: bool,
    /// A held-up flush is on its way.
    delayed: bool,
    life: Life,
    line: Line,
    stall: Stall,
    writer: Option<Waker>,
    drained: Option<Waker>,
    written: Written,
    choice: SlowConsumer,
    /// Publications left out.
    dropped: u64,
    /// There are not enough publications in the queue to make room, as far as was found out.
    barren: bool,
    /// Its part of what may wait for its user, and for all.
    room: Reservation,
    /// There is no more of it.
    starved: bool,
    /// Below so many bytes a frame is admitted without a look at mark and accounts.
    ceiling: usize,
}

/// For how long a receiver takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    /// When it last took something or its outbox went over the mark, whichever is later.
    pub(crate) since: Instant,
    /// How much of that does not count, because the broker itself did not read from it.
    pub(crate) forgiven: Duration,
}

impl Stall {
    fn start() -> Self {
        Self {
            since: Instant::now(),
            forgiven: Duration::ZERO,
        }
    }

    /// From when its time counts.
    pub(crate) fn counted_from(self) -> Instant {
        self.since + self.forgiven
    }
}

/// Whether the caller of [`State::append`] has to flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    Flush,
    Nothing,
}

impl Outbox {
    /// An empty outbox with this high-water mark in bytes.
    pub(crate) fn new(mark: usize, choice: SlowConsumer, room: Reservation) -> Self {
        Self {
            state: Mutex::new(State {
                mark,
                queue: SendQueue::default(),
                in_flight: 0,
                writing: false,
                dirty: false,
                urgent: false,
                delayed: false,
                life: Life::Open,
                line: Line::default(),
                stall: Stall::start(),
                writer: None,
                drained: None,
                written: Written::default(),
                choice,
                dropped: 0,
                barren: false,
                room,
                starved: false,
                ceiling: state::ceiling(mark, 0),
            }),
        }
    }

    /// Locks the outbox to append to it. Never lock two at once.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Writes what waits, unless somebody else is writing; hands over when the socket is full.
    pub(crate) fn flush(&self, wire: &impl Wire, hand_over: impl FnOnce(Batch)) -> Flushed {
        let Some(mut batch) = self.lock().take() else {
            return Flushed::Done;
        };
        for _ in 0..INLINE_ROUNDS {
            match batch.write(wire, usize::MAX, usize::MAX) {
                Ok(n) => match self.wrote(batch, n) {
                    Next::Released => return Flushed::Done,
                    Next::More(more) => batch = more,
                },
                Err(WriteError::Full(n)) => {
                    self.progressed(n);
                    break;
                }
                Err(WriteError::Broken) => {
                    self.close();
                    return Flushed::Broken;
                }
            }
        }
        hand_over(batch);
        Flushed::Done
    }

    /// Notes that `n` bytes were written; when the batch is empty, looks again for more and otherwise releases the
    /// token.
    pub(crate) fn wrote(&self, batch: Batch, n: usize) -> Next {
        let mut state = self.lock();
        state.moved(n);
        if state.life == Life::Closed {
            return Next::Released;
        }
        if !batch.0.is_empty() {
            return Next::More(batch);
        }
        state.writing = false;
        match state.take() {
            Some(more) => {
                drop(state);
                batch.0.recycle();
                Next::More(more)
            }
            None => {
                if let Some(waker) = state.drained.take() {
                    waker.wake();
                }
                drop(state);
                batch.0.recycle();
                Next::Released
            }
        }
    }

    /// Notes that `n` bytes were written and the socket is full.
    pub(crate) fn progressed(&self, n: usize) {
        self.lock().moved(n);
    }

    /// Refuses appends from now on; what is queued is still written.
    pub(crate) fn seal(&self) {
        let mut state = self.lock();
        if state.life == Life::Open {
            state.life = Life::Sealed;
            state.line.dismiss();
        }
    }

    /// Frees what is queued and wakes everyone who waits.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.life = Life::Closed;
        state.queue.clear();
        // The holder of the token finds out and drops what it has taken.
        state.in_flight = 0;
        state.room.shrink_to(0);
        state.line.dismiss();
        for waker in [state.writer.take(), state.drained.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Ready when the holder of `ticket` may append, or never will.
    pub(crate) fn poll_room(&self, ticket: &mut Option<Ticket>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.admit(*ticket) != Admission::Full {
            return Poll::Ready(());
        }
        state.join_line(ticket, cx.waker());
        Poll::Pending
    }

    /// Gives a place in the line up; whoever is next gets its turn.
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.line.leave(ticket);
        state.pass_turn();
    }

    /// Ready when everything is written or nothing will be.
    pub(crate) fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.life == Life::Closed || state.queued() == 0 {
            return Poll::Ready(());
        }
        state.drained = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Registers the writer task's waker, and says how things stand for it.
    pub(crate) fn writer_view(&self, waker: &Waker) -> WriterView {
        let mut state = self.lock();
        if state.life == Life::Closed {
            return WriterView::Closed;
        }
        if !state.writer.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.writer = Some(waker.clone());
        }
        if state.is_over() {
            WriterView::Over
        } else {
            WriterView::Below
        }
    }

    /// Forgives the receiver that it took nothing until now: it was held back by others.
    pub(crate) fn forgive(&self) {
        let mut state = self.lock();
        state.stall.forgiven = state.stall.since.elapsed();
    }

    /// For how long the receiver has taken nothing although the outbox is over its mark; `None` below it.
    pub(crate) fn stall(&self) -> Option<Stall> {
        let state = self.lock();
        // One that publications are dropped for may take its time, while nobody waits for it or for what it has taken
        // from the accounts.
        let matters = !state.choice.drops() || !state.line.is_empty() || state.starved;
        (state.life != Life::Closed && state.is_over() && matters).then_some(state.stall)
    }

    /// Whether a frame would be held back.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().is_over()
    }
}

/// What the writer task has to know before it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriterView {
    /// Nothing is left to write, ever.
    Closed,
    /// Below the mark: nobody is held back.
    Below,
    /// Over the mark: there is a stall to watch for.
    Over,
}

/// What the holder of the token does next.
pub(crate) enum Next {
    /// The token is released, or the outbox closed.
    Released,
    /// Go on with this.
    More(Batch),
}

/// Whether a flush is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Flush now.
    No,
    /// Held up: see to a later flush.
    Yes,
    /// Held up, and a later flush is on its way.
    Already,
}

/// Why a batch was not written to its end.
pub(crate) enum WriteError {
    /// The socket is full after this many bytes.
    Full(usize),
    /// The connection is broken.
    Broken,
}

impl Batch {
    /// Writes until the batch is empty, `budget` bytes are written or the socket is full, at most `piece` bytes a
    /// call to the system; answers how many bytes went out.
    pub(crate) fn write(
        &mut self,
        wire: &impl Wire,
        piece: usize,
        budget: usize,
    ) -> Result<usize, WriteError> {
        let mut total = 0;
        while !self.0.is_empty() && total < budget {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let filled = self.0.front(&mut parts, piece);
            match wire.write(&parts[..filled]) {
                Ok(n) => {
                    self.0.advance(n);
                    total += n;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(WriteError::Full(total));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(WriteError::Broken),
            }
        }
        Ok(total)
    }
}
