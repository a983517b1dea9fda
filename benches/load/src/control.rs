//! How the threads of a run end together: in time, at the end of the measurement, or when one of them fails.
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// How often a sleeping thread looks whether the run goes on.
const SLICE: Duration = Duration::from_millis(20);

/// Shared by all threads of one run.
#[derive(Debug)]
pub(crate) struct Control {
    deadline: Instant,
    stopping: AtomicBool,
    aborted: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

impl Control {
    /// A run that fails if it is not over after `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            stopping: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Runs a thread's work; if it fails, all others end too.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Option<T> {
        match work() {
            Ok(done) => Some(done),
            Err(failure) => {
                if !self.aborted.swap(true, Ordering::Relaxed) {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                }
                None
            }
        }
    }

    /// Asks the senders to send no more.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether senders should send no more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.aborted.load(Ordering::Relaxed)
    }

    /// To be called at least every second while waiting for `what`: says when to give up.
    pub(crate) fn tick(&self, what: &'static str) -> Result<(), Failure> {
        if self.aborted.load(Ordering::Relaxed) {
            return Err(Failure::Aborted);
        }
        if Instant::now() > self.deadline {
            return Err(Failure::TimedOut(what));
        }
        Ok(())
    }

    /// Sleeps, though not beyond the failure of a thread.
    pub(crate) fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.aborted.load(Ordering::Relaxed) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(SLICE));
        }
    }

    /// The first failure of a thread, once all have ended.
    pub(crate) fn outcome(self) -> Result<(), Failure> {
        let failure = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_kept_and_ends_the_others() {
        let control = Control::new(Duration::from_secs(60));
        assert!(control.tick("a test").is_ok());
        control.guard(|| Err::<(), _>(Failure::Closed("first", 1)));
        control.guard(|| Err::<(), _>(Failure::Closed("second", 2)));
        assert!(matches!(control.tick("a test"), Err(Failure::Aborted)));
        assert!(matches!(control.outcome(), Err(Failure::Closed("first", 1))));
    }

    #[test]
    fn a_run_beyond_its_limit_times_out() {
        let control = Control::new(Duration::ZERO);
        thread::sleep(Duration::from_millis(1));
        assert!(matches!(control.tick("a test"), Err(Failure::TimedOut("a test"))));
    }
}
