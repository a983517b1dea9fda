//! The elbus message bus as a server: flags in, a broker, logs and signals.
mod args;
mod daemon;
mod introduction;
mod limits;
mod log;
mod pid_file;
mod serve;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use elbus_broker::Broker;

#[cfg(not(feature = "std-alloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    // A value out of range is a wrong argument like any other, and is refused before anything is started.
    let broker = match Broker::new(args.config()) {
        Ok(broker) => broker,
        Err(error) => {
            eprintln!("elbus-server: {}", args::explain(&error));
            return ExitCode::from(2);
        }
    };
    let outcome = if args.daemon && !args.in_background {
        daemon::start()
    } else {
        serve::run(&args, &broker)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("elbus-server: {error}");
            ExitCode::FAILURE
        }
    }
}
