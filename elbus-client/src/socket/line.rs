//! Who waits to send: in order, one at a time.
use std::{collections::VecDeque, task::Waker};

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

/// The line in front of an outbox that is full, or has no connection.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: VecDeque<(Place, Waker)>,
    next: u64,
}

impl Line {
    /// Whether whoever holds `place` may go ahead: nobody waits, or it is first. So those who come later cannot
    /// starve those who wait.
    pub(super) fn is_turn(&self, place: Option<Place>) -> bool {
        match self.waiting.front() {
            None => true,
            Some((first, _)) => place == Some(*first),
        }
    }

    /// Joins the line, or stays in it with a new waker.
    pub(super) fn wait(&mut self, place: &mut Option<Place>, waker: &Waker) {
        if let Some(at) = place.and_then(|place| self.position(place)) {
            self.waiting[at].1.clone_from(waker);
            return;
        }
        let mine = Place(self.next);
        self.next += 1;
        self.waiting.push_back((mine, waker.clone()));
        *place = Some(mine);
    }

    /// Leaves the line, having gone ahead or given up.
    pub(super) fn leave(&mut self, place: Place) {
        if let Some(at) = self.position(place) {
            self.waiting.remove(at);
        }
    }

    /// Whoever is first.
    pub(super) fn first(&self) -> Option<&Waker> {
        self.all().next()
    }

    /// Everyone, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Waker> {
        self.waiting.iter().map(|(_, waker)| waker)
    }

    /// Places are given in rising order.
    fn position(&self, place: Place) -> Option<usize> {
        self.waiting
            .binary_search_by_key(&place.0, |(theirs, _)| theirs.0)
            .ok()
    }
}
