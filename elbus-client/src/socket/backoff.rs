//! How long to wait before the connection is tried again.
use std::time::Duration;

use crate::options::{self, Options};

/// Delays that double, each shortened by chance, so that many clients do not come back in the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// As the options say; where they say never, as for the first connection.
    pub(super) fn of(options: &Options) -> Self {
        let (first, longest) = options.backoff.unwrap_or(options::BACKOFF);
        Self::new(first, longest)
    }

    const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
        }
    }

    /// The next delay: between half of what it would be and all of it.
    pub(super) fn next(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.longest);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// A connection lasted: begins anew if that was for longer than the longest delay. So a broker that accepts
    /// and hangs up is not asked more and more often.
    pub(super) fn lasted(&mut self, time: Duration) {
        if time >= self.longest {
            self.next = self.first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_vary_by_half() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        for full in [100, 200, 400, 800, 1000, 1000] {
            let full = Duration::from_millis(full);
            let delay = backoff.next();
            assert!(delay >= full / 2 && delay <= full, "{delay:?} of {full:?}");
        }
    }

    #[test]
    fn only_a_connection_that_lasted_begins_anew() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        backoff.next();
        backoff.lasted(Duration::from_millis(999));
        assert!(backoff.next() >= first);
        backoff.lasted(longest);
        assert!(backoff.next() <= first);
    }
}
