//! The elbus message bus as a server: flags in, a broker, logs and signals.
mod args;
mod config_file;
mod daemon;
mod introduction;
mod keep_awake;
mod limits;
mod log;
mod overlap;
mod pid_file;
mod reload;
mod serve;
mod setup;
mod signals;

use std::process::ExitCode;

use args::Args;
use clap::Parser;
use setup::Setup;

#[cfg(not(feature = "std-alloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Help and errors of the command line come first, and end here.
    let args = Args::parse();
    let (setup, broker) = match Setup::load().and_then(|setup| setup.broker().map(|broker| (setup, broker))) {
        Ok(good) => good,
        Err(reason) => {
            eprintln!("elbus-server: {reason}");
            return ExitCode::from(2);
        }
    };
    if args.check_config {
        if let Err(reason) = setup.check_files() {
            eprintln!("elbus-server: {reason}");
            return ExitCode::from(2);
        }
        println!("the configuration is good");
        return ExitCode::SUCCESS;
    }
    let args = setup.args;
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
