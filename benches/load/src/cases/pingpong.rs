//! One message there and back at a time, real-time on both ways.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use elbus_proto::{Qos, delivery::Kind};

use super::{Bench, Sample, measure::ns_since};
use crate::{
    control::Control,
    failure::Failure,
    stamp::{Batch, Checker, Flow},
    window::Window,
    wire::Connection,
};

const PAYLOAD: usize = 100;
const BUFFER: usize = 64 << 10;

/// Runs the pairs for the measured time.
pub(crate) fn run(bench: &Bench, pairs: u32) -> Result<Sample, Failure> {
    let mut pairs = (0..pairs)
        .map(|number| Pair::connect(bench, number))
        .collect::<Result<Vec<_>, _>>()?;
    let trips: Vec<AtomicU64> = pairs.iter().map(|_| AtomicU64::new(0)).collect();
    let control = bench.control();
    let (sample, times) = thread::scope(|scope| {
        let mut pinging = Vec::new();
        for (pair, trips) in pairs.iter_mut().zip(&trips) {
            let Pair {
                there,
                back,
                ping,
                pong,
                end,
            } = pair;
            let (there, back, end, control) = (&*there, &*back, &*end, &control);
            pinging.push(scope.spawn(move || {
                control.guard(|| {
                    let mut side = Side::new(ping, there, back);
                    let mut times = Vec::new();
                    while !control.is_stopping() {
                        let start = Instant::now();
                        side.send(control)?;
                        side.receive(control)?;
                        times.push(ns_since(start));
                        trips.store(side.checker.count(), Ordering::Relaxed);
                    }
                    end.finish(side.checker.count());
                    Ok(times)
                })
            }));
            scope.spawn(move || {
                control.guard(|| {
                    let mut side = Side::new(pong, back, there);
                    while side.receive_unless(control, |count| end.is_complete(count))? {
                        side.send(control)?;
                    }
                    Ok(())
                })
            });
        }
        let sample = bench.measure(&control, || {
            trips.iter().map(|trips| trips.load(Ordering::Relaxed)).sum()
        });
        let times = pinging.into_iter().filter_map(|pinging| pinging.join().ok()?);
        (sample, times.flatten().collect())
    });
    control.outcome()?;
    Ok(sample.with_times(times))
}

/// Two clients and what they send to each other.
struct Pair {
    there: Flow,
    back: Flow,
    ping: Connection,
    pong: Connection,
    /// Tells the one that answers how many there were.
    end: Window,
}

impl Pair {
    fn connect(bench: &Bench, number: u32) -> Result<Self, Failure> {
        let (ping, pong) = (format!("load.ping{number}"), format!("load.pong{number}"));
        let flow = |number, sender: &str, target: &str| Flow {
            number,
            sender: sender.into(),
            addresses: vec![target.into()],
            kind: Kind::Message,
            qos: Qos::Realtime,
            payload: PAYLOAD,
            dialect: bench.target.dialect,
        };
        let connect = |names, role| Connection::linked(&bench.target, names, role, BUFFER);
        Ok(Self {
            there: flow(2 * number, &ping, &pong),
            back: flow(2 * number + 1, &pong, &ping),
            ping: connect([&ping, &pong], "pinging client")?,
            pong: connect([&pong, &ping], "answering client")?,
            end: Window::new(1),
        })
    }
}

/// One of the two clients.
struct Side<'a> {
    connection: &'a mut Connection,
    batch: Batch,
    checker: Checker,
    sent: u64,
}

impl<'a> Side<'a> {
    fn new(connection: &'a mut Connection, sends: &Flow, expects: &Flow) -> Self {
        Self {
            connection,
            batch: Batch::new(sends, 1),
            checker: Checker::new(expects),
            sent: 0,
        }
    }

    fn send(&mut self, control: &Control) -> Result<(), Failure> {
        self.connection.send(self.batch.numbered(self.sent, 1), control)?;
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self, control: &Control) -> Result<(), Failure> {
        self.receive_unless(control, |_| false).map(|_| ())
    }

    /// Waits for the next message; `false` when `is_last` says of the count so far that no more will come.
    fn receive_unless(&mut self, control: &Control, is_last: impl Fn(u64) -> bool) -> Result<bool, Failure> {
        let before = self.checker.count();
        while self.checker.count() == before {
            if is_last(before) {
                return Ok(false);
            }
            self.connection.fill_or_tick("a message to come back", control)?;
            let used = self.checker.check(self.connection.unread())?;
            self.connection.consume(used);
            self.connection.counted(self.checker.count());
        }
        Ok(true)
    }
}
