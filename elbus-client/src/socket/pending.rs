//! Operations that wait for their answer.
//!
//! ```text
//! operation id   31 … 20      19 … 0
//!                generation   slot, counted from 1
//! ```
//!
//! A slot is used again, with the next generation, when the broker has answered and the verdict was taken. One that
//! nobody asks for any more stays taken until its answer has come, or a whole time-out has passed: otherwise ids
//! would soon come round again while answers to the old ones are on their way. No answer allocates, and looking one
//! up is an index.
use std::{num::NonZeroU32, task::Waker};

use elbus_proto::Code;

use super::filters::Asked;
use crate::link::Ticket;

/// Half of the slots that fit into an id: there must be some left for verdicts that nobody has taken yet.
pub(crate) const MOST_IN_FLIGHT: usize = 1 << (SLOT_BITS - 1);

/// Slots in use, beyond which only those are taken that restore the subscriptions or ask for a sign of life.
pub(super) const MOST_HELD: usize = 3 << (SLOT_BITS - 2);

const SLOT_BITS: u32 = 20;

/// An operation's id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OperationId(pub(super) NonZeroU32);

impl OperationId {
    fn new(slot: usize, generation: u32) -> Self {
        // One more than the slot: what is held, and what restores the subscriptions, stays far below 2^20.
        Self(NonZeroU32::MIN.saturating_add(slot as u32) | generation << SLOT_BITS)
    }

    const fn slot(self) -> usize {
        (self.0.get() & ((1 << SLOT_BITS) - 1)).wrapping_sub(1) as usize
    }
}

impl From<OperationId> for Ticket {
    fn from(id: OperationId) -> Self {
        Self(id.0)
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broker's answer.
    Answered(Result<(), Code>),
    ConnectionLost,
    TimedOut,
    InboxFull,
}

#[derive(Debug)]
enum State {
    /// The next free slot, if any.
    Free(Option<u32>),
    /// Nobody asked for the verdict yet, or this is who did.
    Waiting(Option<Waker>),
    /// Nobody asks for the verdict any more, but the broker has not answered yet.
    Abandoned,
    /// Sent by the client itself after a reconnect: nobody asks for the verdict.
    Restoring,
    /// The verdict, for whoever asks for it; and whether the broker's answer may still come although it is not that.
    Over { verdict: Verdict, awaits: bool },
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    /// When it was sent, in ticks.
    since: u32,
    state: State,
    /// The filters to forget, perhaps, if this is refused or never answered.
    asked: Option<Box<Asked>>,
}

/// What [`Pending::answer`] found.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// Nobody waits for it.
    Stray,
    /// It is noted; the waker, if there is one, is among those to wake.
    Noted,
    /// One of the operations that restore the subscriptions.
    Restored,
}

/// Operations that wait for their answer.
#[derive(Debug)]
pub(super) struct Pending {
    slots: Vec<Slot>,
    free: Option<u32>,
    limit: usize,
    /// Slots that are not free.
    used: usize,
    /// Of those, the ones that the broker has not answered.
    unanswered: usize,
    /// Of those, the ones for whose answer somebody waits.
    waiting: usize,
}

impl Pending {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            limit,
            used: 0,
            unanswered: 0,
            waiting: 0,
        }
    }

    /// Whether another operation has to wait until the broker has answered one.
    pub(super) const fn is_full(&self) -> bool {
        self.unanswered >= self.limit
    }

    /// Whether verdicts that nobody has taken yet use up what there is.
    pub(super) const fn is_used_up(&self) -> bool {
        self.used >= MOST_HELD
    }

    /// Whether the broker has something to answer, whoever waits for it.
    pub(super) const fn is_awaiting(&self) -> bool {
        self.unanswered > 0
    }

    /// Operations for whose answer somebody waits.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes an operation in, sent at the tick `now`.
    pub(super) fn insert(&mut self, now: u32, restoring: bool) -> OperationId {
        let state = if restoring {
            State::Restoring
        } else {
            State::Waiting(None)
        };
        self.used += 1;
        self.unanswered += 1;
        self.waiting += 1;
        if let Some(at) = self.free {
            let slot = &mut self.slots[at as usize];
            if let State::Free(next) = std::mem::replace(&mut slot.state, state) {
                self.free = next;
            }
            slot.since = now;
            return OperationId::new(at as usize, slot.generation);
        }
        let at = self.slots.len();
        self.slots.push(Slot {
            generation: 0,
            since: now,
            state,
            asked: None,
        });
        OperationId::new(at, 0)
    }

    /// Remembers what an operation asked for, to be given back by [`answer`](Self::answer) if it is refused.
    pub(super) fn note(&mut self, id: OperationId, asked: Box<Asked>) {
        if let Some(at) = self.find(id) {
            self.slots[at].asked = Some(asked);
        }
    }

    /// The broker's answer. Who asked is woken by the caller; what was asked for in vain is put into `refused`.
    pub(super) fn answer(
        &mut self,
        id: OperationId,
        result: Result<(), Code>,
        wakers: &mut Vec<Waker>,
        refused: &mut Vec<Asked>,
    ) -> Answer {
        let Some(at) = self.find(id) else {
            return Answer::Stray;
        };
        let slot = &mut self.slots[at];
        match &mut slot.state {
            State::Free(_) | State::Over { awaits: false, .. } => return Answer::Stray,
            State::Over { awaits, .. } => {
                *awaits = false;
                self.unanswered -= 1;
                return Answer::Stray;
            }
            State::Waiting(_) | State::Restoring | State::Abandoned => {}
        }
        if let Some(asked) = slot.asked.take()
            && result.is_err()
        {
            refused.push(*asked);
        }
        let over = State::Over {
            verdict: Verdict::Answered(result),
            awaits: false,
        };
        let state = std::mem::replace(&mut slot.state, over);
        self.unanswered -= 1;
        if let State::Waiting(waker) = state {
            self.waiting -= 1;
            wakers.extend(waker);
            return Answer::Noted;
        }
        self.release(at);
        if let State::Restoring = state {
            self.waiting -= 1;
            return Answer::Restored;
        }
        Answer::Noted
    }

    /// The verdict, which is given once; until then `waker` is the one to wake.
    pub(super) fn take(&mut self, id: OperationId, waker: &Waker) -> Option<Verdict> {
        let Some(at) = self.find(id) else {
            return Some(Verdict::ConnectionLost);
        };
        let slot = &mut self.slots[at];
        match &mut slot.state {
            State::Waiting(Some(known)) => {
                known.clone_from(waker);
                None
            }
            State::Waiting(known) => {
                *known = Some(waker.clone());
                None
            }
            State::Over { verdict, awaits } => {
                let (verdict, awaits) = (*verdict, *awaits);
                if awaits {
                    slot.state = State::Abandoned;
                } else {
                    self.release(at);
                }
                Some(verdict)
            }
            State::Free(_) | State::Abandoned | State::Restoring => Some(Verdict::ConnectionLost),
        }
    }

    /// Nobody asks for this verdict any more.
    pub(super) fn abandon(&mut self, id: OperationId) {
        let Some(at) = self.find(id) else { return };
        let slot = &mut self.slots[at];
        match slot.state {
            State::Waiting(_) => {
                slot.state = State::Abandoned;
                self.waiting -= 1;
            }
            State::Over { awaits: true, .. } => slot.state = State::Abandoned,
            State::Over { awaits: false, .. } => self.release(at),
            State::Free(_) | State::Abandoned | State::Restoring => {}
        }
    }

    /// Takes out what operations that wait asked for.
    pub(super) fn take_asked(&mut self, asked: &mut Vec<Asked>) {
        let waiting = self
            .slots
            .iter_mut()
            .filter(|slot| matches!(slot.state, State::Waiting(_) | State::Abandoned));
        asked.extend(waiting.filter_map(|slot| slot.asked.take()).map(|asked| *asked));
    }

    /// Ends every operation that waits and was sent at the tick `until` or before; answers how many.
    pub(super) fn end_all(&mut self, until: u32, verdict: Verdict, wakers: &mut Vec<Waker>) -> usize {
        let mut ended = 0;
        if self.unanswered == 0 {
            return ended;
        }
        // While the inbox is full, answers are on their way all the same.
        let awaits = verdict == Verdict::InboxFull;
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            // Ticks wrap around: the older one is less than half the way behind.
            if (until.wrapping_sub(slot.since) as i32) < 0 {
                continue;
            }
            match &mut slot.state {
                State::Waiting(waker) => {
                    wakers.extend(waker.take());
                    slot.state = State::Over { verdict, awaits };
                    slot.asked = None;
                    self.waiting -= 1;
                }
                State::Restoring if !awaits => {
                    self.waiting -= 1;
                    self.release(at);
                }
                State::Abandoned if !awaits => self.release(at),
                State::Over { awaits: before, .. } if *before && !awaits => {
                    *before = false;
                    self.unanswered -= 1;
                    continue;
                }
                State::Free(_) | State::Abandoned | State::Restoring | State::Over { .. } => continue,
            }
            ended += 1;
            if !awaits {
                self.unanswered -= 1;
            }
        }
        ended
    }

    /// Where it is, unless the slot belongs to a later one.
    #[inline]
    fn find(&self, id: OperationId) -> Option<usize> {
        let slot = self.slots.get(id.slot())?;
        (id == OperationId::new(id.slot(), slot.generation)).then_some(id.slot())
    }

    #[inline]
    fn release(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        slot.state = State::Free(self.free);
        slot.asked = None;
        slot.generation = slot.generation.wrapping_add(1) & (u32::MAX >> SLOT_BITS);
        self.free = Some(at as u32);
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests;
