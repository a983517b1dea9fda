//! The measured span of a run: warm-up, two readings of counters and CPU, and the end.
use std::{
    process,
    time::{Duration, Instant},
};

use super::{Bench, Sample};
use crate::{control::Control, figures::percentile, usage::CpuTime};

/// What a run may take beyond its measured time: warm-up, and the way of the last messages.
const GRACE: Duration = Duration::from_secs(10);

/// The counters of a run at one moment.
struct Reading {
    at: Instant,
    count: u64,
    broker: CpuTime,
    own: CpuTime,
}

impl Reading {
    fn take(bench: &Bench, count: u64) -> Self {
        Self {
            at: Instant::now(),
            count,
            broker: CpuTime::of(bench.broker),
            own: CpuTime::of(process::id()),
        }
    }
}

impl Bench {
    /// The control of a run that measures [`Bench::time`].
    pub(crate) fn control(&self) -> Control {
        Control::new(self.time + self.time / 10 + GRACE)
    }

    /// Lets the run's threads warm up, measures how far `count` gets and what it costs, and stops the senders.
    pub(crate) fn measure(&self, control: &Control, count: impl Fn() -> u64) -> Sample {
        control.sleep(self.time / 10);
        let start = Reading::take(self, count());
        control.sleep(self.time);
        let end = Reading::take(self, count());
        control.stop();
        let done = end.count - start.count;
        Sample {
            headline: done as f64 / (end.at - start.at).as_secs_f64(),
            cpu_ns: per(end.broker.since(&start.broker), done as f64),
            own_cpu_ns: per(end.own.since(&start.own), done as f64),
            ..Sample::default()
        }
    }
}

impl Sample {
    /// Adds the percentiles of `times` in ns.
    pub(crate) fn with_times(mut self, mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        let us = |part| percentile(&times, part).map(|ns| f64::from(ns) / 1e3);
        self.p50_us = us(0.5);
        self.p99_us = us(0.99);
        self.p999_us = us(0.999);
        self.max_us = us(1.0);
        self
    }
}

/// A CPU time for each of `count` things; `None` when there were none.
pub(crate) fn per(ns: Option<u64>, count: f64) -> Option<f64> {
    ns.filter(|_| count > 0.0).map(|ns| ns as f64 / count)
}

/// The ns since `start`, as much as fit (4 s).
pub(crate) fn ns_since(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
