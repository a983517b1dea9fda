//! The elbus message bus as a server: flags in, a broker, logs and signals.
mod args;
mod daemon;
mod introduction;
mod limits;
mod log;
mod overlap;
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
    let broker = match checked(&args) {
        Ok(broker) => broker,
        Err(reason) => {
            eprintln!("elbus-server: {reason}");
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

/// What arguments cannot say one by one is a wrong argument like any other, and refused before anything is started.
fn checked(args: &Args) -> Result<Broker, String> {
    overlap::check(&args.addresses()).map_err(|overlap| overlap.to_string())?;
    args.check_tls()?;
    Broker::new(args.config()).map_err(|error| args.explain(&error))
}
