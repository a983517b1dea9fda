//! What the lock of an outbox guards: who may append, what is taken to be written, and when its receiver stalls.
use std::task::Waker;

use bytes::Bytes;

use super::{Admission, Batch, Hold, Life, Stall, State, Ticket, Touch, Written, pool};
use crate::slow::SlowConsumer;

/// Bytes of each outbox that nobody counts, so that one whose receiver keeps up has nothing to do with the accounts.
const UNCOUNTED: usize = 128 * 1024;

/// Bytes that are taken from the accounts at a time.
const RESERVED: usize = 256 * 1024;

/// Bytes that the holder of the token takes at a time when those behind them may be dropped.
const DROPPABLE: usize = 256 * 1024;

/// Where an outbox with this mark and this part of the accounts has to look at either.
pub(super) fn ceiling(mark: usize, reserved: usize) -> usize {
    mark.min(UNCOUNTED + reserved + 1)
}

impl State {
    pub(super) fn queued(&self) -> usize {
        self.queue.len() + self.in_flight
    }

    /// Whether more waits than may: a frame is admitted again when the receiver has taken some of it.
    pub(crate) fn is_over(&self) -> bool {
        self.queued() >= self.mark || self.starved
    }

    /// Takes what waits beyond the part that nobody counts from the accounts, as far as there is some left.
    fn reserve(&mut self) {
        while self.queued() > UNCOUNTED + self.room.held() {
            if !self.room.grow(RESERVED) {
                self.starved = true;
                break;
            }
        }
        self.set_ceiling();
    }

    fn set_ceiling(&mut self) {
        self.ceiling = if self.starved {
            0
        } else {
            ceiling(self.mark, self.room.held())
        };
    }

    fn return_room(&mut self) {
        let needed = self.queued().saturating_sub(UNCOUNTED).next_multiple_of(RESERVED);
        // With some slack, so that it does not go to and fro.
        if needed == 0 || self.room.held() > needed + RESERVED {
            self.room.shrink_to(needed);
        }
        self.starved &= self.queued() > UNCOUNTED / 2;
        self.set_ceiling();
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
        if self.life == Life::Open && self.queued() < self.ceiling && self.line.is_turn(ticket) {
            return Admission::Granted;
        }
        self.admit_beyond(ticket)
    }

    /// The rest of [`admit`](Self::admit), for those who do not keep up.
    #[cold]
    fn admit_beyond(&mut self, ticket: Option<Ticket>) -> Admission {
        if self.life != Life::Open {
            return Admission::Closed;
        }
        if self.is_over() || !self.line.is_turn(ticket) {
            return Admission::Full;
        }
        Admission::Granted
    }

    /// What becomes of frames that are not admitted.
    pub(crate) const fn choice(&self) -> SlowConsumer {
        self.choice
    }

    /// Leaves publications out that are not queued.
    pub(crate) const fn drop_newest(&mut self, frames: u64) {
        self.dropped += frames;
    }

    /// Drops the oldest publications, so that at least `bytes` fit; says whether they do now.
    pub(crate) fn drop_oldest(&mut self, bytes: usize) -> bool {
        let needed = self.queued() + bytes;
        let wanted = if self.starved {
            // Nothing is taken from the accounts before most of it is gone.
            needed.saturating_sub(UNCOUNTED / 2)
        } else {
            // More than is needed, so that it is not done for each frame anew.
            needed.saturating_sub(self.mark) + self.mark / 16
        };
        let in_vain = self.starved && self.in_flight > UNCOUNTED / 2;
        if self.barren || in_vain || !self.line.is_empty() {
            return false;
        }
        let dropped = self.queue.drop_publications(wanted);
        self.dropped += dropped.frames;
        self.return_room();
        // Those that are queued from now on are not looked for before the receiver takes something.
        self.barren = dropped.bytes < wanted;
        !self.is_over()
    }

    /// Publications left out so far.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn join_line(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) {
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
        self.queue.share_payload(payload);
        self.count(before, frames);
    }

    /// Appends shared frames; the payload of the last one may stand behind them.
    pub(crate) fn append_run(&mut self, encoded: Bytes, payload: Option<Bytes>, frames: u64) {
        let before = self.queued();
        self.queue.share(encoded);
        if let Some(payload) = payload {
            self.queue.share_payload(payload);
        }
        self.count(before, frames);
    }

    #[inline]
    fn count(&mut self, before: usize, frames: u64) {
        let queued = self.queued();
        self.written.frames += frames;
        self.written.bytes += (queued - before) as u64;
        if queued >= self.ceiling {
            self.count_beyond(before);
        }
    }

    /// The rest of [`count`](Self::count), for those who do not keep up.
    #[cold]
    fn count_beyond(&mut self, before: usize) {
        let was_over = before >= self.mark || self.starved;
        self.reserve();
        if self.is_over() && !was_over {
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

    /// What was queued for this client so far.
    pub(crate) const fn written(&self) -> Written {
        self.written
    }

    #[inline]
    pub(super) fn pass_turn(&mut self) {
        if !self.line.is_empty() && !self.is_over() {
            self.line.wake_first();
        }
    }

    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.writing || self.life == Life::Closed || self.queue.is_empty() {
            return None;
        }
        self.writing = true;
        self.dirty = false;
        self.urgent = false;
        let batch = if self.choice == SlowConsumer::DropOldest {
            self.barren = false;
            self.queue.split_front(DROPPABLE.min(self.mark / 2).max(1))
        } else {
            std::mem::take(&mut self.queue)
        };
        self.in_flight = batch.len();
        Some(Batch(batch))
    }

    pub(super) fn moved(&mut self, n: usize) {
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
        self.barren &= self.is_over();
        self.pass_turn();
    }
}
