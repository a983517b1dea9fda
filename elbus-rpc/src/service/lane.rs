//! Requests on their way through: how many are handled at a time, and how many wait.
use std::collections::VecDeque;

use parking_lot::Mutex;

use super::Request;

/// Requests that share a limit.
///
/// A handler that waits for a call of its own steps aside: another may run meanwhile. Otherwise services that call each
/// other could fill each other's limits and wait for each other until their deadlines. When it goes on, the limit may be
/// exceeded for a moment. The sum of all is bounded, stepped aside or not.
pub(crate) struct Lane {
    /// `None`: one after the other, and nobody steps aside.
    limit: Option<usize>,
    waiting: usize,
    waiting_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    bytes: usize,
    /// Handlers that run.
    running: usize,
    /// Handlers that wait for a call of their own, and those that have ended and whose reply is on the way.
    aside: usize,
    /// Somebody starts what may run: one at a time, so that a runtime that ends does not nest them without end.
    starting: bool,
}

impl Lane {
    pub(super) fn new(limit: Option<usize>, waiting: usize, waiting_bytes: usize) -> Self {
        Self {
            limit,
            waiting,
            waiting_bytes,
            state: Mutex::default(),
        }
    }

    /// Takes a request in, or gives it back because there is no room.
    pub(super) fn admit(&self, request: Request) -> Result<(), Request> {
        let mut state = self.state.lock();
        let held = state.running + state.aside + state.queue.len();
        let full = held >= self.limit() + self.waiting;
        if full || state.bytes >= self.waiting_bytes {
            return Err(request);
        }
        state.bytes += request.len();
        state.queue.push_back(request);
        Ok(())
    }

    /// Starts what may run.
    pub(super) fn advance(&self, start: impl Fn(Request)) {
        let mut state = self.state.lock();
        if state.starting {
            // Whoever does so looks again.
            return;
        }
        while state.running < self.limit() {
            let Some(request) = state.queue.pop_front() else {
                return;
            };
            state.bytes -= request.len();
            state.running += 1;
            state.starting = true;
            drop(state);
            start(request);
            state = self.state.lock();
            state.starting = false;
        }
    }

    /// A handler has ended, and its reply is on the way.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.running -= 1;
        state.aside += 1;
    }

    /// Its reply has been placed, or cannot be.
    pub(super) fn leave(&self) {
        self.state.lock().aside -= 1;
    }

    /// A handler waits for a call of its own; answers whether it stepped aside.
    pub(super) fn step_aside(&self) -> bool {
        if self.limit.is_none() {
            return false;
        }
        let mut state = self.state.lock();
        state.running -= 1;
        state.aside += 1;
        true
    }

    /// It goes on.
    pub(super) fn step_back(&self) {
        let mut state = self.state.lock();
        state.running += 1;
        state.aside -= 1;
    }

    /// Handlers that have begun and not ended, and requests that wait.
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.running + state.aside, state.queue.len())
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(1)
    }
}
