//! Where the log goes, and what keeps it readable and small.
mod fields;
mod flood;

use std::{
    ffi::OsStr,
    io::{IsTerminal, stderr},
};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::{args::Args, serve::ServerError};
use fields::Unambiguous;
use flood::Flood;

/// Lines that wait to be written, at most.
const LINES: usize = 8_192;

/// The log. Dropped, it says what it left out, and writes what waits.
pub(crate) struct Log {
    flood: Flood,
    level: reload::Handle<LevelFilter, Registry>,
    _writer: Option<WorkerGuard>,
}

/// Sends the log to the standard error or to syslog.
///
/// The standard error may be a pipe that nobody reads: lines are written by a thread of their own, and those for which
/// it has no room are dropped, so that the bus never waits for its log.
pub(crate) fn start(args: &Args) -> Result<Log, ServerError> {
    let flood = Flood::default();
    let (filter, level) = reload::Layer::new(level_of(args.verbose));
    let log = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().fmt_fields(Unambiguous);
    if args.log_syslog || args.in_background {
        let identity = c"elbus-server";
        let (options, facility) = (syslog_tracing::Options::LOG_PID, syslog_tracing::Facility::Daemon);
        let syslog =
            syslog_tracing::Syslog::new(identity, options, facility).ok_or(ServerError::SyslogTaken)?;
        let lines = lines.without_time().with_ansi(false).with_writer(syslog);
        log.with(lines).with(flood.clone()).init();
        return Ok(Log {
            flood,
            level,
            _writer: None,
        });
    }
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES)
        .finish(stderr());
    let lines = lines.with_ansi(wants_colour()).with_writer(writer);
    log.with(lines).with(flood.clone()).init();
    Ok(Log {
        flood,
        level,
        _writer: Some(guard),
    })
}

const fn level_of(verbose: bool) -> LevelFilter {
    if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    }
}

/// Whether the standard error is a terminal that shows colours, and nobody minds them (<https://no-color.org>).
fn wants_colour() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    stderr().is_terminal()
        && variable("NO_COLOR").is_none()
        && variable("TERM").is_some_and(|term| term != OsStr::new("dumb"))
}

impl Log {
    /// Logs more, or less, from now on.
    pub(crate) fn set_verbose(&self, verbose: bool) {
        // It fails only when the log has ended.
        let _ = self.level.reload(level_of(verbose));
    }

    /// Says again and again what was left out; never ends.
    pub(crate) fn tell_left_out(&self) -> impl Future<Output = ()> + Send + use<> {
        let flood = self.flood.clone();
        async move { flood.tell().await }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.flood.say_left_out();
    }
}
