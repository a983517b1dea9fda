//! How long operations took: a histogram whose buckets are 1/64 of their value wide, and so as exact as that.

/// Buckets for each doubling of the time.
const STEPS: u64 = 64;

/// Times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    buckets: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Latencies {
    pub(super) fn add(&mut self, nanoseconds: u64) {
        let bucket = bucket(nanoseconds);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.buckets.len() > self.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// The time within which this part of them was done; `None` if there are none.
    pub(super) fn percentile(&self, part: f64) -> Option<u64> {
        let rank = ((self.count as f64 * part).ceil() as u64).max(1);
        let mut below = 0;
        let bucket = self.buckets.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(upper(bucket).min(self.longest))
    }

    /// The longest; `None` if there are none.
    pub(super) fn longest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.longest)
    }
}

/// Up to 2 · STEPS a bucket for each value; beyond, STEPS buckets for each doubling.
fn bucket(value: u64) -> usize {
    let doublings = value.checked_ilog2().unwrap_or(0).saturating_sub(STEPS.ilog2());
    (doublings as u64 * STEPS + (value >> doublings)) as usize
}

/// The largest value in a bucket.
const fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket - doublings * STEPS + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_a_bucket_that_is_a_64th_of_it_wide_at_most() {
        let values =
            (0..5_000).chain((13..63).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, 3 << (bits - 1)]));
        for value in values {
            let upper = upper(bucket(value));
            assert!(
                upper >= value && upper - value <= value / STEPS,
                "{value}: {upper}"
            );
        }
    }

    #[test]
    fn a_percentile_is_the_time_within_which_so_many_were_done() {
        let mut all = Latencies::default();
        assert_eq!((all.percentile(0.5), all.longest()), (None, None));
        let mut half = Latencies::default();
        for value in 1..=100 {
            (if value % 2 == 0 { &mut all } else { &mut half }).add(value);
        }
        all.merge(&half);
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|part| all.percentile(part)),
            [1, 50, 99, 100].map(Some)
        );
        all.add(1_000_000);
        assert_eq!(
            (all.percentile(1.0), all.longest()),
            (Some(1_000_000), Some(1_000_000))
        );
    }
}
