//! How a sender waits for its receiver: a count of what has arrived, kept inside this process.
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use crate::{control::Control, failure::Failure};

/// Nobody waits, or the total is not known yet.
const NEVER: u64 = u64::MAX;
/// How long the sender sleeps at most before it looks whether the run goes on.
const PARK: Duration = Duration::from_millis(50);

/// Limits what is on the way between one sender and its receivers.
#[derive(Debug)]
pub(crate) struct Window {
    size: u64,
    received: AtomicU64,
    /// The sender wants to be woken when this many have been received.
    wake_at: AtomicU64,
    total: AtomicU64,
    sender: OnceLock<Thread>,
}

impl Window {
    /// At most `size` messages on the way.
    pub(crate) fn new(size: u64) -> Self {
        Self {
            size,
            received: AtomicU64::new(0),
            wake_at: AtomicU64::new(NEVER),
            total: AtomicU64::new(NEVER),
            sender: OnceLock::new(),
        }
    }

    /// How many have been received.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Called by a receiver: `count` have been received so far.
    pub(crate) fn advance(&self, count: u64) {
        self.received.fetch_max(count, Ordering::SeqCst);
        let wake_at = self.wake_at.load(Ordering::SeqCst);
        if count < wake_at {
            return;
        }
        // Only one wake-up a wait, and never one of a later wait.
        let won = self
            .wake_at
            .compare_exchange(wake_at, NEVER, Ordering::SeqCst, Ordering::SeqCst);
        if let (Ok(_), Some(sender)) = (won, self.sender.get()) {
            sender.unpark();
        }
    }

    /// Called by the one sender, that has sent `sent` so far: waits until `batch` more may be on the way.
    pub(crate) fn wait_for_room(&self, sent: u64, batch: u64, control: &Control) -> Result<(), Failure> {
        let needed = (sent + batch).saturating_sub(self.size);
        if self.received.load(Ordering::Relaxed) >= needed {
            return Ok(());
        }
        self.sender.get_or_init(thread::current);
        self.wake_at.store(needed, Ordering::SeqCst);
        while self.received.load(Ordering::SeqCst) < needed {
            thread::park_timeout(PARK);
            control.tick("messages to arrive")?;
        }
        self.wake_at.store(NEVER, Ordering::SeqCst);
        Ok(())
    }

    /// Called by the sender at its end: this many were sent.
    pub(crate) fn finish(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// Called by a receiver: whether everything has arrived, and the sender sends no more.
    pub(crate) fn is_complete(&self, count: u64) -> bool {
        count == self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_holds_the_sender_until_enough_arrived() {
        let control = Control::new(Duration::from_secs(60));
        let window = Window::new(4);
        window.wait_for_room(0, 4, &control).unwrap();
        thread::scope(|scope| {
            let sender = scope.spawn(|| window.wait_for_room(4, 2, &control));
            window.advance(1);
            window.advance(2);
            sender.join().unwrap().unwrap();
        });
        window.finish(4);
        assert!(!window.is_complete(2));
        assert!(window.is_complete(4));
    }

    #[test]
    fn a_sender_whose_receiver_stalls_times_out() {
        let window = Window::new(1);
        let control = Control::new(Duration::ZERO);
        assert!(matches!(
            window.wait_for_room(1, 1, &control),
            Err(Failure::TimedOut(_))
        ));
    }
}
