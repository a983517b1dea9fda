//! Running the broker until a signal ends it.
use std::{io, time::Duration};

use elbus_broker::{Address, Broker, ListenError};
use elbus_client::default_address::{DefaultAddressError, create_default_address};

use crate::{
    args::Args,
    daemon,
    introduction::introduce,
    keep_awake::KeepAwake,
    limits, log,
    pid_file::{PidFile, PidFileError},
    reload::Reloading,
    signals::{HANG_UP, Signals},
};

/// How long the end of the process waits for what is given up.
const GIVING_UP: Duration = Duration::from_secs(1);

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}; {remedy}", remedy = remedy(.0))]
    DefaultAddress(#[from] DefaultAddressError),
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    #[error("the process in the background cannot be started: {0}")]
    Background(io::Error),
    #[error("{0}")]
    BackgroundFailed(String),
    #[error("syslog is in use by another part of this process")]
    SyslogTaken,
    #[error("the runtime cannot be started: {0}")]
    Runtime(io::Error),
    #[error("ended by a second signal before everything was delivered")]
    EndedAtOnce,
}

/// What to do when there is no default address.
const fn remedy(error: &DefaultAddressError) -> &'static str {
    match error {
        DefaultAddressError::Variable(_) => "mend or unset it, or choose an address with -B",
        _ => {
            "set XDG_RUNTIME_DIR to a directory of your own that others cannot enter, or choose an address with -B"
        }
    }
}

/// Runs the server in this process.
pub(crate) fn run(args: &Args, broker: &Broker) -> Result<(), ServerError> {
    if args.in_background {
        daemon::leave_terminal().map_err(ServerError::Background)?;
    }
    let log = log::start(args)?;
    limits::raise_open_files();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = args.workers {
        runtime.worker_threads(workers.into());
    }
    if !args.let_cores_sleep {
        match KeepAwake::start() {
            Ok(awake) => {
                runtime.on_thread_park(move || awake.worker_sleeps());
            }
            // Not on every machine, and not for every user.
            Err(error) => tracing::debug!(%error, "cores sleep as they like"),
        }
    }
    let runtime = runtime.enable_all().build().map_err(ServerError::Runtime)?;
    runtime.spawn(log.tell_left_out());
    let reloading = Reloading {
        broker,
        log: &log,
        args,
    };
    let outcome = runtime.block_on(serve(args, broker, &reloading));
    // Whatever still runs is given up: everything that could be delivered has been. Sockets go with their files.
    runtime.shutdown_timeout(GIVING_UP);
    outcome
}

async fn serve(args: &Args, broker: &Broker, reloading: &Reloading<'_>) -> Result<(), ServerError> {
    let mut reloads = broker.reload_requests();
    let mut signals = Signals::new(reloading).map_err(ServerError::Runtime)?;
    let mut addresses = args.addresses();
    if addresses.is_empty() {
        addresses.push(create_default_address()?);
    }
    let _pid_file = args.pid_file.as_deref().map(PidFile::write).transpose()?;
    let bound = match listen(args, broker, &addresses).await {
        Ok(bound) => bound,
        Err(error) => {
            broker.shutdown().await;
            return Err(error.into());
        }
    };
    introduce(&bound, args);
    if args.in_background {
        daemon::say_up().map_err(ServerError::Background)?;
    }
    let signal = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                HANG_UP if reloading.is_of_use() => {
                    // What went wrong is in the log.
                    let _ = reloading.reload(HANG_UP).await;
                }
                signal => break signal,
            },
            Some(request) = reloads.next() => {
                let outcome = reloading.reload(request.caller()).await;
                tokio::spawn(request.answer(outcome));
            }
        }
    };
    tracing::info!(signal, "shutting down: what has arrived is delivered first");
    tokio::select! {
        () = broker.shutdown() => {
            tracing::info!("shut down");
            Ok(())
        }
        () = signals.end(reloading) => Err(ServerError::EndedAtOnce),
    }
}

async fn listen(args: &Args, broker: &Broker, addresses: &[Address]) -> Result<Vec<Address>, ListenError> {
    let options = args.socket_options();
    let mut bound = Vec::new();
    let tls = args.tls_options();
    for address in addresses {
        bound.push(match (address, &tls) {
            (Address::Tls(_), Some(tls)) => broker.listen_tls(address, tls).await?,
            _ => broker.listen_with(address, &options).await?,
        });
    }
    for path in args.fifos() {
        broker.listen_fifo(path, &options).await?;
    }
    Ok(bound)
}
