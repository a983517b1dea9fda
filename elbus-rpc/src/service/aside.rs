//! The place of a handler in its lane, and how it steps aside while it waits for a call of its own.
use std::{
    cell::{Cell, OnceCell},
    sync::Arc,
};

use parking_lot::Mutex;

use super::lane::Lane;
use crate::shared::Shared;

tokio::task_local! {
    /// The handler that runs in this task.
    static HANDLER: Place;
}

/// A handler's place in its lane; when it is dropped, the next one may run.
pub(super) struct Place {
    shared: Arc<Shared>,
    lane: usize,
    /// Made when it steps aside for the first time: most handlers never do.
    calls: OnceCell<Arc<Mutex<Calls>>>,
    /// The handler has ended, and its reply is on the way.
    ended: Cell<bool>,
}

/// Calls that a handler waits for.
#[derive(Default)]
struct Calls {
    waiting: usize,
    /// The handler has ended: what it gave away counts no more.
    over: bool,
}

impl Place {
    pub(super) const fn new(shared: Arc<Shared>, lane: usize) -> Self {
        Self {
            shared,
            lane,
            calls: OnceCell::new(),
            ended: Cell::new(false),
        }
    }

    /// Runs a handler in this place.
    pub(super) fn run<F: Future>(self, handler: F) -> impl Future<Output = F::Output> {
        HANDLER.scope(self, handler)
    }

    fn lane(&self) -> &Lane {
        self.shared.router.lane(self.lane)
    }

    /// From now on the handler does not count among those that run.
    fn end(&self) {
        if self.ended.replace(true) {
            return;
        }
        if let Some(calls) = self.calls.get() {
            let mut calls = calls.lock();
            calls.over = true;
            if calls.waiting > 0 {
                self.lane().step_back();
            }
        }
        self.lane().end();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end();
        self.lane().leave();
        self.shared.router.advance(&self.shared, self.lane);
    }
}

/// The handler in this task has ended, and its reply is on the way: the next one may run.
pub(super) fn handler_ended() {
    // Without a place there is nothing to give up.
    let _ = HANDLER.try_with(|place| {
        place.end();
        place.shared.router.advance(&place.shared, place.lane);
    });
}

/// The handler in whose task this was made waits for a call, until this is dropped.
pub(crate) struct Aside {
    shared: Arc<Shared>,
    lane: usize,
    calls: Arc<Mutex<Calls>>,
}

impl Aside {
    /// `None` if no handler runs in this task, or if it does not step aside.
    pub(crate) fn step() -> Option<Self> {
        HANDLER.try_with(Self::step_from).ok().flatten()
    }

    fn step_from(place: &Place) -> Option<Self> {
        let calls = place.calls.get_or_init(Arc::default);
        let mut state = calls.lock();
        if state.waiting == 0 && !place.lane().step_aside() {
            return None;
        }
        state.waiting += 1;
        let first = state.waiting == 1;
        drop(state);
        if first {
            place.shared.router.advance(&place.shared, place.lane);
        }
        Some(Self {
            shared: Arc::clone(&place.shared),
            lane: place.lane,
            calls: Arc::clone(calls),
        })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        if calls.over {
            return;
        }
        calls.waiting -= 1;
        if calls.waiting == 0 {
            self.shared.router.lane(self.lane).step_back();
        }
    }
}
