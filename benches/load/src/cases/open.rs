//! Messages at a fixed rate, each timed from when it was due: a broker that stops for a moment delays all that were
//! due in it, and all of them show.
use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use elbus_proto::Qos;

use super::{Bench, Sample, Unit, flood::Pair};
use crate::{
    control::Control,
    failure::Failure,
    stamp::{Batch, Checker, Flow},
    window::Window,
    wire::Connection,
};

const PAYLOAD: usize = 100;

/// Runs one pair for the measured time.
pub(crate) fn run(bench: &Bench, rate: u32) -> Result<Sample, Failure> {
    let Pair {
        flow,
        mut sender,
        mut receiver,
        window,
    } = Pair::connect(bench, 0, Qos::Realtime, PAYLOAD, u64::MAX)?;
    let schedule = Schedule {
        start: OnceLock::new(),
        rate: f64::from(rate),
        // The warm-up is measured by the clock that the messages are due by.
        skip: (f64::from(rate) * bench.time.as_secs_f64() / 10.0) as u64,
    };
    let control = bench.control();
    let (sample, times) = thread::scope(|scope| {
        let (flow, window, schedule, control) = (&flow, &window, &schedule, &control);
        let (sender, receiver) = (&mut sender, &mut receiver);
        scope.spawn(move || control.guard(|| send(sender, flow, schedule, window, control)));
        let receiving =
            scope.spawn(move || control.guard(|| receive(receiver, flow, schedule, window, control)));
        let sample = bench.measure(control, || window.received());
        (sample, receiving.join().ok().flatten().unwrap_or_default())
    });
    control.outcome()?;
    let mut sample = sample.with_times(times);
    debug_assert_eq!(super::Load::Open { rate }.unit(), Unit::Micros);
    sample.headline = sample.p50_us.unwrap_or_default();
    Ok(sample)
}

/// When each message is due.
struct Schedule {
    start: OnceLock<Instant>,
    rate: f64,
    /// How many belong to the warm-up.
    skip: u64,
}

impl Schedule {
    fn due(&self, number: u64) -> Instant {
        let start = *self.start.get_or_init(Instant::now);
        start + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many are due by now.
    fn by(&self, now: Instant) -> u64 {
        let start = *self.start.get_or_init(Instant::now);
        (now.saturating_duration_since(start).as_secs_f64() * self.rate) as u64 + 1
    }
}

/// Sleeps until the next is due, and sends all that are.
fn send(
    sender: &mut Connection,
    flow: &Flow,
    schedule: &Schedule,
    window: &Window,
    control: &Control,
) -> Result<(), Failure> {
    // A timer may otherwise be 50 µs late, to fire together with others.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut batch = Batch::new(flow, u64::MAX);
    let mut sent = 0;
    while !control.is_stopping() {
        let now = Instant::now();
        let due = schedule.by(now).saturating_sub(sent).min(batch.capacity());
        if due == 0 {
            thread::sleep(schedule.due(sent).saturating_duration_since(now));
            continue;
        }
        sender.send(batch.numbered(sent, due), control)?;
        sent += due;
        sender.counted(sent);
    }
    window.finish(sent);
    Ok(())
}

/// Answers how many ns after it was due each message came.
fn receive(
    receiver: &mut Connection,
    flow: &Flow,
    schedule: &Schedule,
    window: &Window,
    control: &Control,
) -> Result<Vec<u32>, Failure> {
    let mut checker = Checker::new(flow);
    let mut times = Vec::new();
    while !window.is_complete(checker.count()) {
        receiver.fill_or_tick("messages to arrive", control)?;
        let now = Instant::now();
        let before = checker.count();
        let used = checker.check(receiver.unread())?;
        receiver.consume(used);
        receiver.counted(checker.count());
        for number in before.max(schedule.skip)..checker.count() {
            let late = now.saturating_duration_since(schedule.due(number));
            times.push(u32::try_from(late.as_nanos()).unwrap_or(u32::MAX));
        }
        window.advance(checker.count());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_the_rate_says() {
        let schedule = Schedule {
            start: OnceLock::new(),
            rate: 1000.0,
            skip: 0,
        };
        let start = schedule.due(0);
        assert_eq!(schedule.by(start), 1);
        assert_eq!(schedule.by(start + Duration::from_micros(1500)), 2);
        assert_eq!(schedule.due(1500), start + Duration::from_millis(1500));
    }
}
