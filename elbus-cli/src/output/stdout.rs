//! The standard output: gathers what is printed, and notices when nobody reads it any more.
use std::{
    fmt::Display,
    fs::File,
    future::pending,
    io::{self, BufWriter, IsTerminal, Write, stdout},
    os::fd::AsFd,
    thread,
};

use elbus_client::Frame;
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use tokio::sync::oneshot;

use super::{json, people, seen::Seen};
use crate::say::wants_escapes;

/// Bytes gathered before they are written, unless nothing more comes: as much as a pipe holds.
const BUFFER: usize = 64 * 1024;

/// How frames and results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    People,
    Json,
    Raw,
}

/// The standard output.
pub(crate) struct Output {
    style: Style,
    // Not the standard library's: that one looks for newlines in everything.
    file: BufWriter<File>,
}

impl Style {
    pub(crate) const fn of(json: bool, raw: bool) -> Self {
        match (json, raw) {
            (true, _) => Self::Json,
            (_, true) => Self::Raw,
            _ => Self::People,
        }
    }
}

impl Output {
    pub(crate) fn new(style: Style) -> io::Result<Self> {
        colored::control::set_override(stdout().is_terminal() && wants_escapes());
        let file = File::from(stdout().as_fd().try_clone_to_owned()?);
        Ok(Self {
            style,
            file: BufWriter::with_capacity(BUFFER, file),
        })
    }

    pub(crate) fn frame(&mut self, frame: &Frame, seen: &Seen<'_>) -> io::Result<()> {
        match self.style {
            Style::People => self.file.write_all(people::shown(frame, seen).as_bytes()),
            Style::Json => json::write(&mut self.file, frame, seen),
            Style::Raw => {
                self.file.write_all(seen.payload(frame))?;
                self.file.write_all(b"\n")
            }
        }
    }

    /// What a call returned.
    pub(crate) fn result(&mut self, result: &[u8]) -> io::Result<()> {
        match self.style {
            Style::People => self.file.write_all(people::result(result).as_bytes()),
            Style::Json => writeln!(self.file, "{}", json::result(result)),
            Style::Raw => self.file.write_all(result),
        }
    }

    /// One JSON value in a line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        json::line(&mut self.file, value)
    }

    /// A text that ends its lines itself.
    pub(crate) fn text(&mut self, text: impl Display) -> io::Result<()> {
        write!(self.file, "{text}")
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Waits until nobody can read what is printed, so that `listen | head -n 1` ends with its reader and not with the
    /// frame after. Only of pipes and their like is that known.
    pub(crate) fn reader_gone(&self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        let watched = self.file.get_ref().try_clone();
        // The thread ends with the process. It waits for nothing but the errors that are always reported.
        thread::spawn(move || {
            let watched = watched?;
            let gone = poll(&mut [PollFd::new(&watched, PollFlags::empty())], None);
            // Whoever listens no longer wants to know.
            let _ = gone.is_ok().then(|| sender.send(()));
            io::Result::Ok(())
        });
        async {
            if receiver.await.is_err() {
                pending().await
            }
        }
    }
}
