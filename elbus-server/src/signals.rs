//! The signals that the server hears.
use std::{fs, future::pending, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::reload::Reloading;

/// Ends the server that has neither a configuration file nor certificates; the others read them again.
pub(crate) const HANG_UP: &str = "SIGHUP";

/// Where Linux says which signals a process ignores. Where it cannot be read, SIGHUP is heard.
const STATUS: &str = "/proc/self/status";

/// Ctrl-C, SIGTERM and SIGHUP.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None for a server that is to outlive its terminal.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Hears them from here on. A SIGHUP that could only end the server is not heard if it was ignored when the process
    /// started, as `nohup` has it.
    pub(crate) fn new(reloading: &Reloading<'_>) -> io::Result<Self> {
        let outlives_terminal = !reloading.is_of_use()
            && ignores(
                &fs::read_to_string(STATUS).unwrap_or_default(),
                SignalKind::hangup(),
            );
        let hang_up = (!outlives_terminal).then(|| signal(SignalKind::hangup()));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: hang_up.transpose()?,
        })
    }

    /// Waits for the next one and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hang_up => HANG_UP,
        }
    }

    /// Waits for one that ends the server.
    pub(crate) async fn end(&mut self, reloading: &Reloading<'_>) {
        while self.next().await == HANG_UP && reloading.is_of_use() {}
    }
}

/// Whether a process ignores a signal, by its `/proc/PID/status`.
fn ignores(status: &str, signal: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}
