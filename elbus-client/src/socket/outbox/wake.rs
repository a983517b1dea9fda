//! Who is woken, and when: by whoever holds the lock, once it is released.
use std::task::Waker;

use parking_lot::Mutex;

use super::{Outbox, Phase};

/// The lock around the outbox.
#[derive(Debug)]
pub(in crate::socket) struct Guarded(Mutex<Outbox>);

impl Guarded {
    pub(in crate::socket) const fn new(outbox: Outbox) -> Self {
        Self(Mutex::new(outbox))
    }

    /// Acts under the lock and then, outside of it, wakes those who are due.
    #[inline]
    pub(in crate::socket) fn with<R>(&self, act: impl FnOnce(&mut Outbox) -> R) -> R {
        let mut outbox = self.0.lock();
        let result = act(&mut outbox);
        if outbox.due.is_nobody() {
            return result;
        }
        let due = std::mem::take(&mut outbox.due);
        drop(outbox);
        due.wake();
        result
    }
}

/// Who is to be woken.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// The connection's task, which is woken far more often than all others.
    driver: Option<Waker>,
    others: Vec<Waker>,
}

impl Due {
    #[inline]
    const fn is_nobody(&self) -> bool {
        self.driver.is_none() && self.others.is_empty()
    }

    fn wake(self) {
        if let Some(driver) = self.driver {
            driver.wake();
        }
        for waker in self.others {
            waker.wake();
        }
    }
}

/// Those who wait for something to change; each looks again when it is woken.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Waker>);

impl Watchers {
    /// Joins them, once.
    pub(super) fn join(&mut self, waker: &Waker) {
        if !self.0.iter().any(|known| known.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }
}

impl Outbox {
    /// Wakes whoever is first in line, if it may go ahead.
    pub(in crate::socket) fn pass_turn(&mut self) {
        if self.phase == Phase::Connected
            && self.has_room()
            && let Some(first) = self.line.first()
        {
            self.due.others.push(first.clone());
        }
    }

    /// Wakes everyone in line: each finds out for itself whether there is anything left to wait for.
    pub(super) fn wake_line(&mut self) {
        self.due.others.extend(self.line.all().cloned());
    }

    pub(super) fn wake_watchers(&mut self) {
        self.due.others.append(&mut self.watchers.0);
    }

    pub(in crate::socket) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.due.driver = Some(driver);
        }
    }
}
