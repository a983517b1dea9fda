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
//! | `dialect`, `stream`, `zmtp` | what brokers speak, and over which kind of socket |
//! | `relay` | the limit: bytes passed on unseen |
//! | `control`, `window` | how the threads of a run end together, and how a sender waits for its receiver |
//! | `cases` | the loads |
//! | `report`, `figures` | the table and the JSON file |
//! | `document`, `plot`, `machine` | a document with tables, plots and the machine |
mod broker;
mod cases;
mod cli;
mod control;
mod dialect;
mod document;
mod failure;
mod figures;
mod machine;
mod plot;
mod relay;
mod report;
mod stamp;
mod stream;
mod usage;
mod window;
mod wire;
mod zmtp;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use broker::Broker;
use cases::{Bench, Case, Sample};
use cli::{Args, BrokerSpec};
use failure::Failure;
use report::Report;

fn main() -> ExitCode {
    // A relay is started as brokers are, by this program itself: no part of the command line for people.
    let mut words = std::env::args_os().skip(1);
    if let (Some(first), Some(socket)) = (words.next(), words.next())
        && first == cli::RELAY
    {
        return ended(relay::run(socket.as_ref()).map_err(|error| format!("relay: {error}")));
    }
    let args = Args::parse();
    if args.list {
        for case in args.cases() {
            println!("{:<24} {}", case.name, case.about);
        }
        return ExitCode::SUCCESS;
    }
    ended(if args.from.is_empty() {
        raise_descriptor_limit();
        compare(&args)
    } else {
        document_of(&args)
    })
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything, and writes whatever is asked for.
fn compare(args: &Args) -> Result<(), String> {
    let (cases, rounds) = (args.cases(), args.rounds);
    let brokers = args.brokers().map_err(|error| error.to_string())?;
    let mut report = Report::new(args, &brokers);
    let runs = cases.len() * rounds as usize * brokers.len();
    let mut run = 0;
    let start = Instant::now();
    for case in &cases {
        for round in 1..=rounds {
            for (index, spec) in brokers.iter().enumerate() {
                run += 1;
                let spent = start.elapsed().as_secs();
                eprint!(
                    "[{run}/{runs}, {}:{:02}] {case}, round {round}, {}: ",
                    spent / 60,
                    spent % 60,
                    spec.name
                );
                let result = run_once(case, spec, args);
                eprintln!("{}", report::brief(case, &result));
                report.add(case, index, round, result);
            }
        }
        // After each case: a run that is interrupted after an hour leaves what it has.
        if let Some(path) = &args.json {
            write(path, &format!("{:#}\n", report.json()))?;
        }
    }
    print!("{}", report.table());
    if let Some(path) = &args.document {
        document::write(path, &[report.json()])?;
    }
    Ok(())
}

/// Writes the document from figures of earlier runs.
fn document_of(args: &Args) -> Result<(), String> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    };
    let reports = args.from.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let document = args.document.as_ref().ok_or("no document to write")?;
    document::write(document, &reports)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Runs one case against a fresh broker. A broker that died explains more than what its clients saw of it.
fn run_once(case: &Case, spec: &BrokerSpec, args: &Args) -> Result<Sample, Failure> {
    let mut broker = Broker::start(spec)?;
    let bench = Bench {
        target: broker.target().clone(),
        broker: broker.pid(),
        time: args.time(),
    };
    let mut result = case.load.run(&bench);
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
