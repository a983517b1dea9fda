//! Signals that end the program: quietly, and with what was printed so far written out.
use std::{future::pending, process, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;

/// How long the end may take: the standard output may be blocked.
const GRACE: Duration = Duration::from_secs(1);

/// Ends the process by the signal itself, as if nobody had waited for it: so a shell learns that a loop is to end. It
/// comes back in the first process of a container, which no signal ends that it does not wait for.
pub(crate) fn end_by(signal: SignalKind) {
    if process::id() != 1 {
        // What cannot be done leaves the exit code, which says the same.
        let _ = signal_hook::low_level::emulate_default_handler(signal.as_raw_value());
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn signalled() -> Result<CliError, CliError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    // On the worker thread, because the main thread may be blocked.
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
        };
        let ended = CliError::Signal(signal);
        let code = ended.exit_code();
        // Nobody listens any more: the program is about to end by itself.
        let _ = sender.send(ended);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        end_by(signal);
        process::exit(code.into());
    });
    match receiver.await {
        Ok(signal) => Ok(signal),
        Err(_) => pending().await,
    }
}
