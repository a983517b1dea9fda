//! What is said on the standard error. It may be closed: that is no reason to fail.
use std::{
    fmt,
    io::{IsTerminal, Write, stderr},
};

use tracing_subscriber::filter::LevelFilter;

/// Says how things are going, unless that is not wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    silent: bool,
}

impl Say {
    pub(crate) const fn new(silent: bool) -> Self {
        Self { silent }
    }

    pub(crate) const fn is_silent(self) -> bool {
        self.silent
    }

    pub(crate) fn line(self, text: impl fmt::Display) {
        if !self.silent {
            let _ = writeln!(stderr(), "{text}");
        }
    }
}

/// Says what went wrong.
pub(crate) fn complain(error: &dyn fmt::Display) {
    let _ = writeln!(stderr(), "elbus-cli: {error}");
}

/// Shows the log of the client library.
pub(crate) fn log_everything() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(stderr().is_terminal() && wants_escapes())
        .with_writer(stderr)
        .init();
}

/// Whether a terminal should be sent colours, as far as the environment says.
pub(crate) fn wants_escapes() -> bool {
    let set = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
