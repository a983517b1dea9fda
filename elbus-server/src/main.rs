//! The elbus message bus as a server: flags in, a broker, logs and signals.
mod args;
mod daemon;
mod limits;
mod log;
mod pid_file;
mod serve;

use std::process::ExitCode;

use args::Args;
use clap::Parser;

#[cfg(not(feature = "std-alloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = if args.daemon && !args.in_background {
        daemon::start()
    } else {
        serve::run(&args)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("elbus-server: {error}");
            ExitCode::FAILURE
        }
    }
}
