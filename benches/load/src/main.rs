//! A load generator on raw sockets: drives any broker of the elbus protocol, and compares several in one run.
//!
//! Nothing of the project's own client library takes part, so that a figure says something about the broker and
//! not about a client. Every case gets a fresh broker process; the brokers take turns within a round, so that
//! whatever else the machine does hits all of them alike.
//!
//! | module | holds |
//! | --- | --- |
//! | `cli` | the command line |
//! | `broker` | starting and stopping a broker, what it uses (`usage`) |
//! | `wire` | one connection: greeting, batched sends, in-place reads; `stamp` marks and checks messages |
//! | `control`, `window` | how the threads of a run end together, and how a sender waits for its receiver |
//! | `cases` | the loads |
//! | `report`, `figures` | the table and the JSON file |
mod broker;
mod cases;
mod cli;
mod control;
mod failure;
mod figures;
mod report;
mod stamp;
mod usage;
mod window;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use broker::Broker;
use cases::{Bench, Case, Sample};
use cli::{Args, BrokerSpec};
use failure::Failure;
use report::Report;

fn main() -> ExitCode {
    let args = Args::parse();
    raise_descriptor_limit();
    let cases = args.cases();
    let mut report = Report::new(&args);
    let runs = cases.len() * args.rounds as usize * args.brokers.len();
    let mut run = 0;
    for &case in &cases {
        for round in 1..=args.rounds {
            for (index, spec) in args.brokers.iter().enumerate() {
                run += 1;
                eprint!("[{run}/{runs}] {case}, round {round}, {}: ", spec.name);
                let result = run_once(case, spec, &args);
                eprintln!("{}", report::brief(case, &result));
                report.add(case, index, result);
            }
        }
    }
    print!("{}", report.table());
    if let Some(path) = &args.json
        && let Err(error) = std::fs::write(path, report.json())
    {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs one case against a fresh broker. A broker that died explains more than what its clients saw of it.
fn run_once(case: Case, spec: &BrokerSpec, args: &Args) -> Result<Sample, Failure> {
    let mut broker = Broker::start(spec)?;
    let bench = Bench {
        socket: broker.socket().to_owned(),
        broker: broker.pid(),
        time: args.time(),
    };
    let mut result = case.run(&bench);
    match &mut result {
        Ok(sample) => sample.peak_rss_kib = usage::memory(broker.pid()).map(|memory| memory.peak_kib),
        Err(_) => {
            if let Some(exited) = broker.exited() {
                result = Err(exited);
            }
        }
    }
    broker.stop();
    result
}

/// Lifts the soft limit of open files to the hard one, for this process and the brokers it starts. Where that is
/// refused or not enough, the case that needs more fails and says so.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprintln!("cannot raise the limit of open files: {error}");
    }
}
