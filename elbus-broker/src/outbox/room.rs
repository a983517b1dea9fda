//! Who waits for room: in order, one at a time.
use std::{collections::VecDeque, task::Waker};

/// A place in the line of one outbox or mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The line in front of something that is full. Few ever have one, so it takes memory only from its first place on.
#[derive(Default)]
pub(crate) struct Line(Option<Box<Places>>);

/// Places in order, each with whom to wake.
#[derive(Default)]
struct Places {
    waiting: VecDeque<(Ticket, Waker)>,
    next: u64,
}

impl Line {
    fn first(&self) -> Option<&(Ticket, Waker)> {
        self.0.as_ref()?.waiting.front()
    }

    /// Whether whoever holds `ticket` may go ahead: nobody waits, or it is first. So those who come later cannot
    /// starve those who wait.
    #[inline]
    pub(crate) fn is_turn(&self, ticket: Option<Ticket>) -> bool {
        match self.first() {
            None => true,
            Some((first, _)) => ticket == Some(*first),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// Joins the line, or stays in it with a new waker.
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, waker: &Waker) {
        let Places { waiting, next } = &mut **self.0.get_or_insert_default();
        if let Some(mine) = *ticket
            && let Some((_, old)) = waiting.iter_mut().find(|(theirs, _)| *theirs == mine)
        {
            old.clone_from(waker);
            return;
        }
        let mine = Ticket(*next);
        *next += 1;
        waiting.push_back((mine, waker.clone()));
        *ticket = Some(mine);
    }

    /// Leaves the line, having gone ahead or given up.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        if let Some(Places { waiting, .. }) = self.0.as_deref_mut()
            && let Some(at) = waiting.iter().position(|(theirs, _)| *theirs == ticket)
        {
            waiting.remove(at);
        }
    }

    /// Wakes whoever is first.
    pub(crate) fn wake_first(&self) {
        if let Some((_, waker)) = self.first() {
            waker.wake_by_ref();
        }
    }

    /// Wakes and dismisses all: nothing is left to wait for.
    pub(crate) fn dismiss(&mut self) {
        let places = self.0.as_deref_mut();
        for (_, waker) in places.into_iter().flat_map(|places| places.waiting.drain(..)) {
            waker.wake();
        }
    }
}
