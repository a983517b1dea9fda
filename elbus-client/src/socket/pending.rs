//! Operations that wait for their answer.
//!
//! ```text
//! operation id   31 … 20      19 … 0
//!                generation   slot
//! ```
//!
//! A slot is used again as soon as its operation is over, with the next generation: so an answer that comes too late,
//! or twice, finds nobody. No answer allocates, and looking one up is an index.
use std::task::Waker;

use elbus_proto::Code;

use super::filters::Asked;
use crate::link::Ticket;

/// Half of the slots that fit into an id: there must be some left to restore the subscriptions.
pub(crate) const MOST_IN_FLIGHT: usize = 1 << (SLOT_BITS - 1);

const SLOT_BITS: u32 = 20;

/// An operation's id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OperationId(pub(super) u32);

impl OperationId {
    const fn new(slot: u32, generation: u32) -> Self {
        Self(generation << SLOT_BITS | slot)
    }

    const fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
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
    /// Sent by the client itself after a reconnect: nobody asks for the verdict.
    Restoring,
    Over(Verdict),
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    /// When it was sent, in ticks.
    since: u32,
    state: State,
    /// The filter to forget if it is refused.
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
    used: usize,
    waiting: usize,
}

impl Pending {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            limit,
            used: 0,
            waiting: 0,
        }
    }

    /// Whether another operation has to wait.
    pub(super) const fn is_full(&self) -> bool {
        self.used >= self.limit
    }

    /// Operations that wait for their answer.
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
        self.waiting += 1;
        if let Some(at) = self.free {
            let slot = &mut self.slots[at as usize];
            if let State::Free(next) = std::mem::replace(&mut slot.state, state) {
                self.free = next;
            }
            slot.since = now;
            return OperationId::new(at, slot.generation);
        }
        let at = self.slots.len() as u32;
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
        if let Some(slot) = self.find(id) {
            slot.asked = Some(asked);
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
        let Some(slot) = self.find(id) else {
            return Answer::Stray;
        };
        if matches!(slot.state, State::Free(_) | State::Over(_)) {
            return Answer::Stray;
        }
        if let Some(asked) = slot.asked.take()
            && result.is_err()
        {
            refused.push(*asked);
        }
        let state = std::mem::replace(&mut slot.state, State::Over(Verdict::Answered(result)));
        self.waiting -= 1;
        match state {
            State::Waiting(waker) => {
                wakers.extend(waker);
                Answer::Noted
            }
            _ => {
                self.release(id);
                Answer::Restored
            }
        }
    }

    /// The verdict, which is given once; until then `waker` is the one to wake.
    pub(super) fn take(&mut self, id: OperationId, waker: &Waker) -> Option<Verdict> {
        let Some(slot) = self.find(id) else {
            return Some(Verdict::ConnectionLost);
        };
        match &mut slot.state {
            State::Waiting(Some(known)) => {
                known.clone_from(waker);
                None
            }
            State::Waiting(known) => {
                *known = Some(waker.clone());
                None
            }
            State::Over(verdict) => {
                let verdict = *verdict;
                self.release(id);
                Some(verdict)
            }
            State::Free(_) | State::Restoring => Some(Verdict::ConnectionLost),
        }
    }

    /// Nobody asks for this verdict any more.
    pub(super) fn abandon(&mut self, id: OperationId) {
        if let Some(slot) = self.find(id) {
            match slot.state {
                State::Free(_) | State::Restoring => return,
                State::Waiting(_) => self.waiting -= 1,
                State::Over(_) => {}
            }
            self.release(id);
        }
    }

    /// Ends every operation that waits and was sent at the tick `until` or before; answers how many.
    pub(super) fn end_all(&mut self, until: u32, verdict: Verdict, wakers: &mut Vec<Waker>) -> usize {
        let mut ended = 0;
        if self.waiting == 0 {
            return ended;
        }
        for at in 0..self.slots.len() {
            let slot = &mut self.slots[at];
            // Ticks wrap around: the older one is less than half the way behind.
            if (until.wrapping_sub(slot.since) as i32) < 0 {
                continue;
            }
            match &mut slot.state {
                State::Waiting(waker) => {
                    wakers.extend(waker.take());
                    slot.state = State::Over(verdict);
                    slot.asked = None;
                }
                State::Restoring => {
                    let id = OperationId::new(at as u32, slot.generation);
                    slot.state = State::Over(verdict);
                    self.release(id);
                }
                State::Free(_) | State::Over(_) => continue,
            }
            self.waiting -= 1;
            ended += 1;
        }
        ended
    }

    fn find(&mut self, id: OperationId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.slot())?;
        (id == OperationId::new(id.slot() as u32, slot.generation)).then_some(slot)
    }

    fn release(&mut self, id: OperationId) {
        let free = self.free;
        if let Some(slot) = self.find(id) {
            slot.state = State::Free(free);
            slot.asked = None;
            slot.generation = slot.generation.wrapping_add(1) & (u32::MAX >> SLOT_BITS);
            self.free = Some(id.slot() as u32);
            self.used -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERED: Option<Verdict> = Some(Verdict::Answered(Ok(())));

    fn answer(pending: &mut Pending, id: OperationId) -> Answer {
        pending.answer(id, Ok(()), &mut Vec::new(), &mut Vec::new())
    }

    fn take(pending: &mut Pending, id: OperationId) -> Option<Verdict> {
        pending.take(id, Waker::noop())
    }

    #[test]
    fn each_verdict_is_given_once_whatever_the_order_of_answers() {
        let mut pending = Pending::new(100);
        let ids: Vec<_> = (0..100).map(|_| pending.insert(0, false)).collect();
        assert!(pending.is_full());
        for id in ids.iter().rev() {
            assert_eq!(take(&mut pending, *id), None);
            assert_eq!(answer(&mut pending, *id), Answer::Noted);
            assert_eq!(answer(&mut pending, *id), Answer::Stray, "twice");
        }
        for id in ids {
            assert_eq!(take(&mut pending, id), ANSWERED);
        }
        assert_eq!((pending.used, pending.waiting()), (0, 0));
    }

    #[test]
    fn an_answer_to_an_abandoned_operation_does_not_reach_the_next_one_in_its_slot() {
        let mut pending = Pending::new(1);
        let mut last = pending.insert(0, false);
        for _ in 0..10_000 {
            pending.abandon(last);
            let next = pending.insert(0, false);
            assert_eq!(answer(&mut pending, last), Answer::Stray);
            assert_eq!(take(&mut pending, next), None);
            last = next;
        }
        assert_eq!(pending.slots.len(), 1);
        assert_eq!(answer(&mut pending, last), Answer::Noted);
    }

    #[test]
    fn only_what_is_old_enough_times_out_also_when_ticks_wrap_around() {
        for now in [10, 2, u32::MAX] {
            let mut pending = Pending::new(2);
            let old = pending.insert(now.wrapping_sub(5), false);
            let young = pending.insert(now.wrapping_sub(4), false);
            let ended = pending.end_all(now.wrapping_sub(5), Verdict::TimedOut, &mut Vec::new());
            assert_eq!(ended, 1);
            assert_eq!(take(&mut pending, old), Some(Verdict::TimedOut));
            assert_eq!(take(&mut pending, young), None);
        }
    }

    #[test]
    fn what_restores_subscriptions_frees_its_slot_by_itself() {
        let mut pending = Pending::new(1);
        let id = pending.insert(0, true);
        assert_eq!(answer(&mut pending, id), Answer::Restored);
        assert_eq!((pending.used, pending.waiting()), (0, 0));
    }
}
