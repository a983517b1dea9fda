//! How much of what waits is handed out at once.
use std::time::{Duration, Instant};

/// A portion that takes longer than this to be consumed is halved.
const SLOW: Duration = Duration::from_millis(50);

/// One that takes less is doubled.
const FAST: Duration = Duration::from_millis(10);

/// How much a [`Source`](crate::link::Source) hands out at once, in whatever it counts.
///
/// Handing out much at once is cheap. But nobody sees that a receiver reads while it works through that, and a slow one would
/// be taken for one that reads nothing. So portions are small at first and for those who take long over them, and large for the
/// quick.
#[derive(Debug)]
pub struct Portion {
    size: usize,
    least: usize,
    most: usize,
    asked: Instant,
}

impl Portion {
    /// Between `least`, which is the first, and `most`.
    #[must_use]
    pub fn new(least: usize, most: usize) -> Self {
        Self {
            size: least,
            least,
            most,
            asked: Instant::now(),
        }
    }

    /// That of the next one, for a receiver that is `now` through with the last.
    pub fn size(&mut self, now: Instant) -> usize {
        let took = now - std::mem::replace(&mut self.asked, now);
        if took > SLOW {
            self.size = (self.size / 2).max(self.least);
        } else if took < FAST {
            self.size = self.size.saturating_mul(2).min(self.most);
        }
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_get_much_at_once_and_the_slow_ask_often() {
        let mut portion = Portion::new(4, 100);
        let mut now = portion.asked;
        let mut after = |took| {
            now += took;
            portion.size(now)
        };
        let quick: Vec<_> = (0..6).map(|_| after(FAST / 2)).collect();
        assert_eq!(quick, [8, 16, 32, 64, 100, 100]);
        assert_eq!(after(FAST), 100);
        let slow: Vec<_> = (0..6).map(|_| after(2 * SLOW)).collect();
        assert_eq!(slow, [50, 25, 12, 6, 4, 4]);
    }
}
