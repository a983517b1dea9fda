//! Clients that come and go.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use super::{Bench, Sample};
use crate::{control::Control, dialect::Dialect, failure::Failure, wire::Connection};

const THREADS: u32 = 2;

/// Connects, greets and disconnects for the measured time.
pub(crate) fn run(bench: &Bench) -> Result<Sample, Failure> {
    if bench.target.dialect == Dialect::Relay {
        return Err(Failure::NotOffered("a relay greets nobody"));
    }
    let connections = AtomicU64::new(0);
    let control = bench.control();
    let sample = thread::scope(|scope| {
        for number in 0..THREADS {
            let (connections, control) = (&connections, &control);
            scope.spawn(move || control.guard(|| come_and_go(bench, number, connections, control)));
        }
        bench.measure(&control, || connections.load(Ordering::Relaxed))
    });
    control.outcome()?;
    Ok(sample)
}

/// Every name is new: how soon a broker frees the name of a client that left is not the question here.
fn come_and_go(
    bench: &Bench,
    thread: u32,
    connections: &AtomicU64,
    control: &Control,
) -> Result<(), Failure> {
    let mut count: u64 = 0;
    while !control.is_stopping() {
        drop(Connection::open(
            &bench.target,
            &format!("load.c{thread}.n{count}"),
        )?);
        count += 1;
        connections.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
