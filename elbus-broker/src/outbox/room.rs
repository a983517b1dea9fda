//! Who waits for room: in order, one at a time.
use std::{collections::VecDeque, task::Waker};

/// A place in the line of one outbox or mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The line in front of something that is full.
#[derive(Default)]
pub(crate) struct Line {
    waiting: VecDeque<(Ticket, Waker)>,
    next: u64,
}

impl Line {
    /// Whether whoever holds `ticket` may go ahead: nobody waits, or it is first. So those who come later cannot
    /// starve those who wait.
    #[inline]
    pub(crate) fn is_turn(&self, ticket: Option<Ticket>) -> bool {
        match self.waiting.front() {
            None => true,
            Some((first, _)) => ticket == Some(*first),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Joins the line, or stays in it with a new waker.
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) {
        if let Some(mine) = *ticket
            && let Some((_, old)) = self.waiting.iter_mut().find(|(theirs, _)| *theirs == mine)
        {
            old.clone_from(waker);
            return;
        }
        let mine = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back((mine, waker.clone()));
        *ticket = Some(mine);
    }

    /// Leaves the line, having gone ahead or given up.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if let Some(at) = self.waiting.iter().position(|(theirs, _)| *theirs == ticket) {
            self.waiting.remove(at);
        }
    }

    /// Wakes whoever is first.
    pub(crate) fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.front() {
            waker.wake_by_ref();
        }
    }

    /// Wakes and dismisses all: nothing is left to wait for.
    pub(crate) fn dismiss(&mut self) {
        for (_, waker) in self.waiting.drain(..) {
            waker.wake();
        }
    }
}
