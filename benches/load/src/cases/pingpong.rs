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

/// Runs the pair for the measured time.
pub(crate) fn run(bench: &Bench) -> Result<Sample, Failure> {
    let there = flow(0, "load.ping", "load.pong");
    let back = flow(1, "load.pong", "load.ping");
    let mut ping = Connection::client(&bench.socket, &there.sender, "pinging client", BUFFER)?;
    let mut pong = Connection::client(&bench.socket, &back.sender, "answering client", BUFFER)?;
    let trips = AtomicU64::new(0);
    let end = Window::new(1);
    let control = bench.control();
    let (sample, times) = thread::scope(|scope| {
        let pinging = scope.spawn(|| {
            control.guard(|| {
                let mut side = Side::new(&mut ping, &there, &back);
                let mut times = Vec::new();
                while !control.is_stopping() {
                    let start = Instant::now();
                    side.send(&control)?;
                    side.receive(&control)?;
                    times.push(ns_since(start));
                    trips.store(side.checker.count(), Ordering::Relaxed);
                }
                end.finish(side.checker.count());
                Ok(times)
            })
        });
        scope.spawn(|| {
            control.guard(|| {
                let mut side = Side::new(&mut pong, &back, &there);
                while side.receive_unless(&control, |count| end.is_complete(count))? {
                    side.send(&control)?;
                }
                Ok(())
            })
        });
        let sample = bench.measure(&control, || trips.load(Ordering::Relaxed));
        (sample, pinging.join().ok().flatten().unwrap_or_default())
    });
    control.outcome()?;
    Ok(sample.with_times(times))
}

fn flow(number: u32, sender: &str, target: &str) -> Flow {
    Flow {
        number,
        sender: sender.into(),
        address: target.into(),
        kind: Kind::Message,
        qos: Qos::Realtime,
        payload: PAYLOAD,
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
