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
#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
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

/// Bytes of each outbox that nobody counts, so that one whose receiver keeps up has nothing to do with the accounts.
pub(crate) const UNCOUNTED: usize = 128 * 1024;

/// Bytes that are taken from the accounts at a time.
const RESERVED: usize = 256 * 1024;

/// Bytes that the holder of the token takes at a time when those behind them may be dropped.
const DROPPABLE: usize = 256 * 1024;

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

/// Frames and bytes that went to a client.
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
    /// There is no publication in the queue, as far as was found out.
    barren: bool,
    /// Its part of what may wait for its user, and for all.
    room: Reservation,
    /// There is no more of it.
    starved: bool,
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
        // While nobody waits for it, one that publications are dropped for may take its time.
        let matters = !state.choice.drops() || !state.line.is_empty();
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

impl State {
    fn queued(&self) -> usize {
        self.queue.len() + self.in_flight
    }

    fn is_over(&self) -> bool {
        self.queued() >= self.mark || self.starved
    }

    /// Sees to it that what waits beyond the part that nobody counts is taken from the accounts.
    fn reserve(&mut self) -> bool {
        while self.queued() > UNCOUNTED + self.room.held() {
            if !self.room.grow(RESERVED) {
                self.starved = true;
                self.watch_for_stall();
                return false;
            }
        }
        true
    }

    fn return_room(&mut self) {
        let needed = self.queued().saturating_sub(UNCOUNTED).next_multiple_of(RESERVED);
        // With some slack, so that it does not go to and fro.
        if needed == 0 || self.room.held() > needed + RESERVED {
            self.room.shrink_to(needed);
        }
        self.starved &= self.queued() > UNCOUNTED / 2;
    }

    /// Its time begins; the writer task, if there is one, has a stall to watch for now.
    fn watch_for_stall(&mut self) {
        self.stall = Stall::start();
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    /// Whether a frame may be appended now. A frame larger than the mark is admitted when the outbox is below it.
    #[inline]
    pub(crate) fn admit(&mut self, ticket: Option<Ticket>) -> Admission {
        if self.life != Life::Open {
            return Admission::Closed;
        }
        if self.is_over() || !self.reserve() || !self.line.is_turn(ticket) {
            return Admission::Full;
        }
        Admission::Granted
    }

    /// What becomes of frames that are not admitted.
    pub(crate) const fn choice(&self) -> SlowConsumer {
        self.choice
    }

    /// Leaves publications out.
    pub(crate) const fn drop_newest(&mut self, frames: u64) {
        self.dropped += frames;
    }

    /// Drops the oldest publications, so that at least `bytes` fit below the mark; says whether they do now.
    pub(crate) fn drop_oldest(&mut self, bytes: usize) -> bool {
        if self.barren || !self.line.is_empty() {
            return false;
        }
        // More than is needed, so that it is not done for each frame anew.
        let wanted = (self.queued() + bytes).saturating_sub(self.mark) + self.mark / 16;
        self.dropped += self.queue.drop_publications(wanted);
        self.return_room();
        let fits = !self.is_over();
        self.barren = !fits;
        fits
    }

    /// Publications left out so far.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn join_line(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) {
        if self.choice.drops() && self.line.is_empty() {
            // Nobody minded before.
            self.stall = Stall::start();
        }
        self.line.wait(ticket, waker);
    }

    /// Whether frames may still be admitted, now or later.
    pub(crate) fn is_open(&self) -> bool {
        self.life == Life::Open
    }

    /// Whether appends are refused, but what is appended all the same is still written.
    pub(crate) fn is_sealed(&self) -> bool {
        self.life == Life::Sealed
    }

    /// Whether nothing more is written.
    pub(crate) fn is_closed(&self) -> bool {
        self.life == Life::Closed
    }

    /// Appends one frame by copying its parts. Admission is the caller's business: acknowledgements and the broker's
    /// own words are never held back.
    #[inline]
    pub(crate) fn append(&mut self, parts: [&[u8]; 3], frames: u64) {
        let before = self.queued();
        self.queue.copy(parts);
        self.count(before, frames);
    }

    /// Appends a frame whose payload is shared, not copied.
    pub(crate) fn append_shared(&mut self, head: [&[u8]; 3], payload: Bytes, frames: u64) {
        let before = self.queued();
        self.queue.copy(head);
        self.queue.share(payload);
        self.count(before, frames);
    }

    #[inline]
    fn count(&mut self, before: usize, frames: u64) {
        let queued = self.queued();
        self.written.frames += frames;
        self.written.bytes += (queued - before) as u64;
        if queued >= self.mark && before < self.mark {
            self.watch_for_stall();
        }
    }

    /// Leaves the line: the turn is used.
    pub(crate) fn use_turn(&mut self, ticket: Ticket) {
        self.line.leave(ticket);
    }

    /// Ends a run of appends: gives the place in the line up, lets the next one go ahead, and says whether the
    /// caller has to flush.
    #[inline]
    pub(crate) fn settle(&mut self, ticket: Option<Ticket>, realtime: bool) -> Touch {
        if let Some(ticket) = ticket {
            self.line.leave(ticket);
        }
        self.pass_turn();
        // A flush that is held up to gather more has gathered enough at a block.
        let gathered = self.delayed && self.queue.len() >= pool::BLOCK;
        let touch = !self.dirty || (realtime && !self.urgent) || gathered;
        self.dirty = true;
        self.urgent |= realtime;
        if touch { Touch::Flush } else { Touch::Nothing }
    }

    /// Whether a flush may be held up to gather more; if so, the caller sees to a later one.
    pub(crate) fn may_wait(&mut self) -> Hold {
        if self.urgent || self.queue.len() >= pool::BLOCK {
            return Hold::No;
        }
        if std::mem::replace(&mut self.delayed, true) {
            Hold::Already
        } else {
            Hold::Yes
        }
    }

    /// The held-up flush is here.
    pub(crate) fn hold_is_over(&mut self) {
        self.delayed = false;
    }

    /// Bytes that wait for this client.
    pub(crate) fn waiting(&self) -> usize {
        self.queued()
    }

    /// What went to this client so far.
    pub(crate) const fn written(&self) -> Written {
        self.written
    }

    #[inline]
    fn pass_turn(&mut self) {
        if !self.line.is_empty() && !self.is_over() {
            self.line.wake_first();
        }
    }

    fn take(&mut self) -> Option<Batch> {
        if self.writing || self.life == Life::Closed || self.queue.is_empty() {
            return None;
        }
        self.writing = true;
        self.dirty = false;
        self.urgent = false;
        let batch = if self.choice == SlowConsumer::DropOldest {
            self.barren = false;
            self.queue.split_front(DROPPABLE.min(self.mark / 2))
        } else {
            std::mem::take(&mut self.queue)
        };
        self.in_flight = batch.len();
        Some(Batch(batch))
    }

    fn moved(&mut self, n: usize) {
        if n == 0 || self.life == Life::Closed {
            return;
        }
        if self.is_over() {
            self.stall = Stall::start();
        }
        self.in_flight -= n;
        if self.room.held() > 0 || self.starved {
            self.return_room();
        }
        self.pass_turn();
    }
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
