//! Where the log goes.
use std::io::{IsTerminal, stderr};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use crate::{args::Args, serve::ServerError};

/// Lines that wait to be written, at most.
const LINES: usize = 8_192;

/// Sends the log to the standard error or to syslog.
///
/// The standard error may be a pipe that nobody reads: lines are written by a thread of their own, and those for which
/// it has no room are dropped, so that the bus never waits for its log. What is left is written when the guard is
/// dropped.
pub(crate) fn start(args: &Args) -> Result<Option<WorkerGuard>, ServerError> {
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
        return Ok(None);
    }
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES)
        .finish(stderr());
    let colour = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(colour)
        .with_writer(writer)
        .init();
    Ok(Some(guard))
}
