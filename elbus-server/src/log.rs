//! Where the log goes.
use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;

use crate::{args::Args, serve::ServerError};

/// Sends the log to the standard error or to syslog.
pub(crate) fn start(args: &Args) -> Result<(), ServerError> {
    let level = if args.verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    if args.log_syslog || args.in_background {
        let identity = c"elbus-server";
        let (options, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::Daemon);
        let syslog =
            syslog_tracing::Syslog::new(identity, options, facility).ok_or(ServerError::SyslogTaken)?;
        tracing_subscriber::fmt()
            .with_max_level(level)
            .without_time()
            .with_ansi(false)
            .with_writer(syslog)
            .init();
        return Ok(());
    }
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colour)
        .with_writer(stderr)
        .init();
    Ok(())
}
