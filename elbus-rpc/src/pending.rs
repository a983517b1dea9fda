//! Calls that wait for their reply.
//!
//! Call ids count up from a random start. A call stands in the slot that the low bits of its id say; an id whose slot is
//! taken is left out. So an id is never used twice while a call is pending, comes again only after four thousand million
//! calls, and finding a call is an index. A slot keeps the memory of its target's name: taking a call in does not
//! allocate once the table has grown.
use std::{
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use elbus_proto::ClientName;
use tokio::time::Instant;

use crate::{CallError, shared::Shared, verdict::VerdictWaker};

/// Slots of a table at first, and what it shrinks to.
const FEWEST_SLOTS: usize = 64;

const CONNECTION_LOST: CallError = CallError::Transport(elbus_client::Error::ConnectionLost);

const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a call ended.
pub(crate) type Outcome = Result<Bytes, CallError>;

/// Calls that wait for their reply.
#[derive(Debug)]
pub(crate) struct Pending {
    /// As many as a power of two, and at least twice as many as calls.
    slots: Vec<Slot>,
    used: usize,
    limit: usize,
    last_id: u32,
    /// When to look for calls that are late, and who does.
    check_at: Option<Instant>,
    driver: Option<Waker>,
    /// After this time a call is slow.
    slow_after: Duration,
    /// Somebody sees to those who leave the bus.
    pub(crate) watched: bool,
    closed: bool,
    strays: u64,
    /// Calls with a verdict on their request, whose callers are to be woken.
    verdicts: Vec<u32>,
    shared: Weak<Shared>,
}

#[derive(Debug)]
struct Slot {
    /// 0: free.
    id: u32,
    target: String,
    since: Instant,
    deadline: Instant,
    limit: Duration,
    /// The broker has placed the request with its target.
    placed: bool,
    /// The connection was lost before we knew whether the request was placed: if it was, no reply can come.
    lost: bool,
    waker: Option<Waker>,
    outcome: Option<Outcome>,
    /// Made when the slot is used for the first time.
    verdict: Option<Arc<VerdictWaker>>,
}

/// What [`Pending::look`] found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) wakers: Vec<Waker>,
    /// There are calls that take long, and nobody watches their targets yet.
    pub(crate) slow: bool,
    pub(crate) next: Option<Instant>,
}

impl Pending {
    pub(crate) fn new(limit: usize, slow_after: Duration, seed: u32, shared: Weak<Shared>) -> Self {
        Self {
            slots: free(FEWEST_SLOTS),
            used: 0,
            limit,
            last_id: seed,
            check_at: None,
            driver: None,
            slow_after,
            watched: false,
            closed: false,
            strays: 0,
            verdicts: Vec::new(),
            shared,
        }
    }

    /// Takes a call in and answers its id, and the waker for the broker's verdict on its request.
    pub(crate) fn insert(&mut self, target: &str, limit: Duration) -> Result<(u32, Waker), CallError> {
        if self.closed {
            return Err(CallError::Transport(elbus_client::Error::Closed));
        }
        if self.used >= self.limit {
            return Err(CallError::TooManyCalls { limit: self.limit });
        }
        if self.slots.len() < 2 * (self.used + 1) {
            self.resize(2 * self.slots.len());
        }
        let id = self.next_id();
        self.last_id = id;
        self.used += 1;
        let since = Instant::now();
        // A limit beyond what the clock can count is none.
        let deadline = since.checked_add(limit).unwrap_or(since + FOREVER);
        let at = self.at(id);
        let slot = &mut self.slots[at];
        slot.id = id;
        slot.target.clear();
        slot.target.push_str(target);
        (slot.since, slot.deadline, slot.limit) = (since, deadline, limit);
        (slot.placed, slot.lost) = (false, false);
        let verdict = slot
            .verdict
            .get_or_insert_with(|| VerdictWaker::new(Weak::clone(&self.shared)));
        let verdict = verdict.waker_for(id);
        let look = if self.watched {
            deadline
        } else {
            deadline.min(since + self.slow_after)
        };
        if self.check_at.is_none_or(|known| look < known) {
            self.check_at = Some(look);
            self.wake_driver();
        }
        Ok((id, verdict))
    }

    fn next_id(&self) -> u32 {
        let mut id = self.last_id.wrapping_add(1);
        while id == 0 || self.slots[self.at(id)].id != 0 {
            id = id.wrapping_add(1);
        }
        id
    }

    /// How a call ended, if it has; whoever asked is woken when it does. The entry is gone once this is ready.
    pub(crate) fn poll(&mut self, id: u32, cx: &Context<'_>) -> Poll<Outcome> {
        let Some(slot) = self.find(id) else {
            return Poll::Ready(Err(CallError::Transport(elbus_client::Error::Closed)));
        };
        if let Some(outcome) = slot.outcome.take() {
            self.remove(id);
            return Poll::Ready(outcome);
        }
        match &mut slot.waker {
            Some(known) => known.clone_from(cx.waker()),
            known => *known = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The broker's verdict on a request is there. Answers whom to wake: the driver, as a rule.
    pub(crate) fn note_verdict(&mut self, id: u32) -> Option<Waker> {
        self.verdicts.push(id);
        self.driver.take()
    }

    /// The callers whose verdict is there and who still wait: a reply that came with it has been noted before.
    pub(crate) fn take_verdicts(&mut self, wakers: &mut Vec<Waker>) {
        let mut verdicts = std::mem::take(&mut self.verdicts);
        let callers = verdicts.drain(..).filter_map(|id| self.find(id)?.waker.take());
        wakers.extend(callers);
        self.verdicts = verdicts;
    }

    /// The broker has placed the request with its target.
    pub(crate) fn placed(&mut self, id: u32) {
        if let Some(slot) = self.find(id) {
            slot.placed = true;
            if slot.lost && slot.outcome.is_none() {
                slot.outcome = Some(Err(CONNECTION_LOST));
            }
        }
    }

    /// Forgets a call.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(slot) = self.find(id) else {
            return;
        };
        slot.id = 0;
        slot.waker = None;
        slot.outcome = None;
        self.used -= 1;
        if self.used == 0 && self.slots.len() > 16 * FEWEST_SLOTS {
            self.slots = free(FEWEST_SLOTS);
        }
    }

    /// A reply came. It counts only from whom was called.
    pub(crate) fn complete(&mut self, id: u32, sender: &str, outcome: Outcome) -> Option<Waker> {
        if let Some(slot) = self.find(id)
            && slot.target == sender
            && slot.outcome.is_none()
        {
            slot.outcome = Some(outcome);
            return slot.waker.take();
        }
        self.strays += 1;
        None
    }

    /// Ends every call whose target this is, or belongs to as a secondary.
    pub(crate) fn target_left(&mut self, name: &str) -> Vec<Waker> {
        self.end(|slot| {
            (primary(&slot.target) == name || slot.target == name).then(|| CallError::TargetLeft {
                target: slot.target.clone(),
            })
        })
    }

    /// Ends every call whose request has reached its target: no reply can come over a connection that is gone. The
    /// client itself ends those of which it does not know the verdict.
    pub(crate) fn connection_lost(&mut self) -> Vec<Waker> {
        for slot in &mut self.slots {
            slot.lost = !slot.placed;
        }
        self.end(|slot| slot.placed.then_some(CONNECTION_LOST))
    }

    /// There is a new connection: what is placed from now on is placed over that.
    pub(crate) fn connected(&mut self) {
        for slot in &mut self.slots {
            slot.lost = false;
        }
    }

    /// Ends every call, and every one to come.
    pub(crate) fn close(&mut self) -> Vec<Waker> {
        self.closed = true;
        self.end(|_| Some(CallError::Transport(elbus_client::Error::Closed)))
    }

    fn end(&mut self, why: impl Fn(&Slot) -> Option<CallError>) -> Vec<Waker> {
        if self.used == 0 {
            return Vec::new();
        }
        let mut wakers = Vec::new();
        for slot in &mut self.slots {
            if slot.is_waiting()
                && let Some(error) = why(slot)
            {
                slot.outcome = Some(Err(error));
                wakers.extend(slot.waker.take());
            }
        }
        wakers
    }

    /// Ends the calls whose time is over, and says when to look again.
    pub(crate) fn look(&mut self, now: Instant) -> Look {
        let mut look = Look::default();
        for slot in self.slots.iter_mut().filter(|slot| slot.is_waiting()) {
            if slot.deadline <= now {
                slot.outcome = Some(Err(CallError::TimedOut { limit: slot.limit }));
                look.wakers.extend(slot.waker.take());
                continue;
            }
            let mut next = slot.deadline;
            if !self.watched && slot.target != elbus_proto::BROKER_NAME {
                let slow = slot.since + self.slow_after;
                look.slow |= slow <= now;
                if slow > now {
                    next = next.min(slow);
                }
            }
            look.next = Some(look.next.map_or(next, |known| known.min(next)));
        }
        // Late ones are found together, so that many calls with as many deadlines do not mean as many looks.
        look.next = look.next.map(|next| next.max(now + Duration::from_millis(1)));
        self.check_at = look.next;
        look
    }

    /// The targets of all calls whose request has been placed.
    pub(crate) fn targets(&self) -> Vec<String> {
        let waiting = self.slots.iter().filter(|slot| slot.is_waiting() && slot.placed);
        let mut targets: Vec<String> = waiting.map(|slot| slot.target.clone()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// Whether calls have been waiting for longer than is usual.
    pub(crate) fn has_slow(&self) -> bool {
        let now = Instant::now();
        let slow = |slot: &Slot| slot.is_waiting() && slot.since + self.slow_after <= now;
        self.used > 0 && self.slots.iter().any(slow)
    }

    /// Sees to it that the driver looks for late calls soon.
    pub(crate) fn look_soon(&mut self) {
        self.check_at = Some(Instant::now());
        self.wake_driver();
    }

    pub(crate) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Registers the driver, and answers when it has to look for late calls.
    pub(crate) fn register_driver(&mut self, cx: &Context<'_>) -> Option<Instant> {
        match &mut self.driver {
            Some(known) => known.clone_from(cx.waker()),
            known => *known = Some(cx.waker().clone()),
        }
        self.check_at
    }

    pub(crate) const fn len(&self) -> usize {
        self.used
    }

    pub(crate) const fn strays(&self) -> u64 {
        self.strays
    }

    fn find(&mut self, id: u32) -> Option<&mut Slot> {
        let at = self.at(id);
        Some(&mut self.slots[at]).filter(|slot| slot.id == id && id != 0)
    }

    const fn at(&self, id: u32) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    /// Ids that differ in the low bits do so in more of them, so that nothing collides.
    fn resize(&mut self, len: usize) {
        let old = std::mem::replace(&mut self.slots, free(len));
        for slot in old.into_iter().filter(|slot| slot.id != 0) {
            let at = self.at(slot.id);
            self.slots[at] = slot;
        }
    }
}

impl Slot {
    const fn is_waiting(&self) -> bool {
        self.id != 0 && self.outcome.is_none()
    }
}

fn free(len: usize) -> Vec<Slot> {
    let now = Instant::now();
    let slot = || Slot {
        id: 0,
        target: String::new(),
        since: now,
        deadline: now,
        limit: Duration::ZERO,
        placed: false,
        lost: false,
        waker: None,
        outcome: None,
        verdict: None,
    };
    std::iter::repeat_with(slot).take(len).collect()
}

fn primary(name: &str) -> &str {
    ClientName::assume_checked(name).primary()
}

#[cfg(test)]
mod tests;
