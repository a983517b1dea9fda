//! The elbus message bus from the shell.
mod args;
mod bus;
mod command;
mod error;
mod input;
mod interrupt;
mod numbers;
mod output;
mod params;
mod progress;
mod say;
mod values;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;
use error::CliError;
use say::{Say, complain};
use tokio::runtime::{Builder, Runtime};

#[cfg(not(feature = "std-alloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| args::readable(error).exit());
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is_quiet() {
                complain(&error);
            }
            if let Some(signal) = error.signal() {
                interrupt::end_by(signal);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(args: &Args) -> Result<(), CliError> {
    let say = Say::new(args.common.silent);
    if args.common.verbose {
        say::log_everything();
    }
    for option in args.without_effect() {
        say.line(format_args!(
            "{option} has no effect: this bus needs no such setting"
        ));
    }
    let runtime = runtime(&args.command).map_err(CliError::Runtime)?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            signal = interrupt::signalled() => Err(signal?),
            outcome = run(args, say) => outcome,
        }
    });
    // A thread may still wait for the standard input; it ends with the process.
    runtime.shutdown_background();
    outcome
}

/// The connection lives on a worker thread. So the command, on the main thread, may block while it writes to the
/// standard output, and the bus is answered all the same.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    let threads = match command {
        Command::Benchmark(benchmark) => benchmark.threads.map(usize::from),
        _ => Some(1),
    };
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

async fn run(args: &Args, say: Say) -> Result<(), CliError> {
    match &args.command {
        Command::Send(send) => command::send::run(args, send.target.clone(), &send.sending, say).await,
        Command::Publish(publish) => {
            command::send::run(args, publish.topic.clone(), &publish.sending, say).await
        }
        Command::Listen(listen) => command::listen::run(args, listen, None, say).await,
        Command::Rpc(rpc) => command::rpc::run(args, rpc, say).await,
        Command::Broker(broker) => command::broker::run(args, broker).await,
        Command::Benchmark(benchmark) => command::benchmark::run(args, benchmark, say).await,
    }
}
