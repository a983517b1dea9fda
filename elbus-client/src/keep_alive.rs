//! How soon a TCP peer is noticed to be gone, in the terms of the system: for both sides of a connection.
use std::time::Duration;

/// Seconds, so that each part of it has at least one.
pub const SHORTEST: Duration = Duration::from_secs(3);

/// The system's probes may be at most 32,767 s away.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// The probes of a connection whose peer is to be noticed gone within a given time.
///
/// The system asks an idle peer after half of the time and from then on every eighth. A peer that does not answer,
/// or does not confirm what was sent to it, is gone when the time is all but over, at the next probe. On Linux that is
/// `TCP_USER_TIMEOUT`; where there is no such option the number of probes decides, and what was sent is
/// repeated for as long as the system thinks fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Before the first probe, in whole seconds.
    pub idle: Duration,
    /// Between probes, in whole seconds.
    pub interval: Duration,
    /// Probes that are not answered.
    pub retries: u32,
    /// For how long a probe or what was sent may stay unanswered.
    pub user_timeout: Duration,
}

impl Pace {
    /// The pace by which a peer that is gone is noticed within `limit`; `None` for zero, which leaves it to the system.
    #[must_use]
    pub fn of(limit: Duration) -> Option<Self> {
        if limit.is_zero() {
            return None;
        }
        // The options of the system hold whole seconds.
        let idle = (limit.as_secs() / 2).max(1);
        let interval = (limit.as_secs() / 8).max(1);
        let retries = (limit.as_secs().saturating_sub(idle) / interval).max(1);
        Some(Self {
            idle: Duration::from_secs(idle),
            interval: Duration::from_secs(interval),
            retries: u32::try_from(retries).unwrap_or(u32::MAX),
            user_timeout: limit.saturating_sub(Duration::from_secs(interval)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_after_the_last_moment_is_within_the_limit() {
        for limit in [3000, 3999, 4000, 10_000, 30_000, 43_200_000].map(Duration::from_millis) {
            let pace = Pace::of(limit).unwrap();
            assert!(pace.idle < pace.user_timeout, "{limit:?}: {pace:?}");
            assert!(pace.user_timeout + pace.interval <= limit, "{limit:?}: {pace:?}");
            assert!(
                pace.idle + pace.interval * pace.retries <= limit,
                "{limit:?}: {pace:?}"
            );
        }
    }

    #[test]
    fn zero_leaves_it_to_the_system() {
        assert_eq!(Pace::of(Duration::ZERO), None);
    }
}
