//! `benchmark`: what the bus carries, stage by stage.
//!
//! | file | is about |
//! | --- | --- |
//! | `worker` | what each of the workers has, and the payloads they send |
//! | `messages`, `calls` | the stages |
//! | `latencies` | how long operations took |
//! | `report` | the figures, as a table and as JSON |
mod calls;
mod latencies;
mod messages;
mod report;
mod worker;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use elbus_client::{Client, Qos};
use elbus_rpc::Rpc;
use latencies::Latencies;
use report::Figures;
use tokio::task::JoinSet;
use worker::{Clock, Share, Worker};

use super::{broker, rpc};
use crate::{
    args::{Args, Benchmark, Stage},
    bus,
    error::CliError,
    output::{Output, Style},
    progress::Bar,
    say::Say,
};

/// No pings while a stage lasts: the broker would count them.
const NO_PINGS: Duration = Duration::from_secs(3600);

pub(crate) async fn run(args: &Args, benchmark: &Benchmark, say: Say) -> Result<(), CliError> {
    // Asks the broker what it has counted, and shows that the name is free.
    let control = rpc::join(args).await?;
    let mut all = Vec::new();
    for stage in benchmark.stages() {
        let name = stage.name();
        let figures = measure(args, benchmark, stage, &control, say).await;
        all.push(figures.map_err(|failure| CliError::Stage {
            stage: name,
            failure: Box::new(failure),
        })?);
    }
    bus::leave(control.client()).await;
    let mut output = Output::new(Style::of(benchmark.json, false)).map_err(CliError::Output)?;
    let printed = if benchmark.json {
        output.json(&report::Report::new(benchmark, &all))
    } else {
        output.text(report::table(&all))
    };
    printed.and_then(|()| output.flush()).map_err(CliError::Output)
}

/// Runs a stage: each worker has a connection of its own, and leaves the bus behind it.
async fn measure(
    args: &Args,
    benchmark: &Benchmark,
    stage: Stage,
    control: &Rpc,
    say: Say,
) -> Result<Figures, CliError> {
    let name = stage.name();
    let total = u64::from(benchmark.iterations.get());
    let mut workers = join_all(args, benchmark, control.client().name()).await?;
    let clients: Vec<Client> = workers.iter().map(|worker| worker.client.clone()).collect();
    let counters: Vec<_> = workers
        .iter()
        .map(|worker| Arc::clone(&worker.share.done))
        .collect();

    let began = Instant::now();
    let mut working = JoinSet::new();
    for mut worker in workers.drain(..) {
        worker.share.clock = Clock(began);
        working.spawn(work(worker, stage));
    }
    let bar = Bar::new(&name, total, say);
    let done = || counters.iter().map(|done| done.load(Relaxed)).sum();
    let latencies = tokio::select! {
        latencies = finish(working) => latencies?,
        never = bar.follow(done) => match never {},
    };
    let took = began.elapsed();
    drop(bar);
    if stage == Stage::Send {
        check_arrival(control, &clients, total).await?;
    }
    for client in &clients {
        bus::leave(client).await;
    }
    Ok(Figures::new(name, total, took, &latencies))
}

async fn join_all(args: &Args, benchmark: &Benchmark, base: &str) -> Result<Vec<Worker>, CliError> {
    let (workers, iterations) = (
        u64::from(benchmark.workers),
        u64::from(benchmark.iterations.get()),
    );
    let mut joined = Vec::new();
    for number in 0..workers {
        let options = bus::options_as(args, format!("{base}.{}", number + 1));
        let (client, inbox) = bus::join(options.never_reconnect().ping_interval(NO_PINGS)).await?;
        let share = Share {
            // What cannot be divided is done by the first ones.
            operations: iterations / workers + u64::from(number < iterations % workers),
            in_flight: benchmark.in_flight as usize,
            payload_size: benchmark.payload_size as usize,
            patience: args.common.timeout,
            done: Arc::default(),
            clock: Clock(Instant::now()),
        };
        joined.push(Worker { client, inbox, share });
    }
    Ok(joined)
}

async fn work(worker: Worker, stage: Stage) -> Result<Latencies, CliError> {
    match stage {
        Stage::Send => messages::send(worker, Qos::No).await,
        Stage::SendProcessed => messages::send(worker, Qos::Processed).await,
        Stage::SendReceive => messages::send_and_receive(worker, Qos::No).await,
        Stage::SendReceiveProcessed => messages::send_and_receive(worker, Qos::Processed).await,
        Stage::Call => calls::call(worker).await,
        Stage::CallHandle => calls::call_and_handle(worker).await,
        Stage::Call0 => calls::call0(worker).await,
    }
}

async fn finish(mut working: JoinSet<Result<Latencies, CliError>>) -> Result<Latencies, CliError> {
    let mut latencies = Latencies::default();
    while let Some(worked) = working.join_next().await {
        match worked {
            Ok(worked) => latencies.merge(&worked?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
    Ok(latencies)
}

/// Of messages to nobody that are not acknowledged, only the broker knows how many there were. Each worker has sent one
/// more, which was.
async fn check_arrival(control: &Rpc, clients: &[Client], sent: u64) -> Result<(), CliError> {
    let frames = broker::frames_read(control).await?;
    let read: u64 = clients
        .iter()
        .filter_map(|client| frames.get(client.name()))
        .sum();
    let expected = sent + clients.len() as u64;
    match expected.checked_sub(read) {
        None | Some(0) => Ok(()),
        Some(missing) => Err(CliError::Lost {
            what: "messages",
            missing,
            expected,
        }),
    }
}
