//! Clients that say nothing: what each costs the broker.
use std::{process, thread, time::Duration};

use rustix::process::{Resource, getrlimit};

use super::{Bench, Sample, measure::per};
use crate::{
    dialect::Dialect,
    failure::Failure,
    usage::{self, CpuTime, Memory},
    wire::Connection,
};

/// How long the broker may finish what the connecting caused, before its CPU time is read.
const SETTLE: Duration = Duration::from_millis(300);
/// The CPU time is read over at least this long: the published brokers ping every client every 5 s, and a shorter
/// look would see all pings or none.
const PING_PERIOD: Duration = Duration::from_secs(5);
/// Bytes of a client's read buffer; only pings are expected.
const BUFFER: usize = 4 << 10;

/// Descriptors that a process has beside its clients.
const SPARE: u64 = 100;

/// Connects the clients and watches the broker for the measured time, or a ping's period.
pub(crate) fn run(bench: &Bench, count: u32) -> Result<Sample, Failure> {
    let before = memory(bench)?;
    let mut clients = connect(bench, count)?;
    thread::sleep(SETTLE);
    let cpu = [bench.broker, process::id()].map(|pid| (pid, CpuTime::of(pid)));
    let time = bench.time.max(PING_PERIOD);
    thread::sleep(time);
    let client_seconds = f64::from(count) * time.as_secs_f64();
    let [broker, own] = cpu.map(|(pid, start)| per(CpuTime::of(pid).since(&start), client_seconds));
    let after = memory(bench)?;
    for client in &mut clients {
        client.set_nonblocking()?;
        client.fill()?;
    }
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    Ok(Sample {
        headline: grown as f64 / f64::from(count),
        cpu_ns: broker,
        own_cpu_ns: own,
        ..Sample::default()
    })
}

/// Connects clients that say nothing.
pub(crate) fn connect(bench: &Bench, count: u32) -> Result<Vec<Connection>, Failure> {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if bench.target.dialect == Dialect::Zmtp && 2 * u64::from(count) + SPARE > descriptors {
        return Err(Failure::NotOffered(
            "it takes two descriptors a client, over the system's limit",
        ));
    }
    (0..count)
        .map(|number| {
            let name = format!("load.idle{number}");
            Connection::client(&bench.target, &name, "idle client", BUFFER)
        })
        .collect()
}

fn memory(bench: &Bench) -> Result<Memory, Failure> {
    usage::memory(bench.broker).ok_or(Failure::Resources("cannot read the broker's memory".into()))
}
