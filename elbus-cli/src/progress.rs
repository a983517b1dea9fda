//! How far something has come, on a terminal: the lines of a file, a stage of a benchmark.
use std::{
    convert::Infallible,
    fs::File,
    future::pending,
    io::{IsTerminal, Seek, Write, stderr, stdin},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use crate::{
    numbers::grouped,
    say::{Say, wants_escapes},
};

/// Between two looks of a person.
const INTERVAL: Duration = Duration::from_millis(100);

/// Back to the beginning of the line, and nothing in it.
const CLEAR: &str = "\r\x1b[K";

/// Shown if the standard input is a file and the standard error a terminal.
pub(crate) struct Progress(Option<Shown>);

struct Shown {
    /// Bytes of the file from where it is read.
    size: u64,
    read: u64,
    began: Instant,
    drawn: Instant,
}

impl Progress {
    pub(crate) fn of_input(say: Say) -> Self {
        let size = if is_wanted(say) { size_of_input() } else { None };
        let now = Instant::now();
        Self(size.map(|size| Shown {
            size,
            read: 0,
            began: now,
            drawn: now,
        }))
    }

    /// So many bytes more were read, and so many lines sent before.
    pub(crate) fn advance(&mut self, bytes: usize, lines: u64) {
        let Some(shown) = &mut self.0 else { return };
        shown.read += bytes as u64;
        if shown.drawn.elapsed() < INTERVAL {
            return;
        }
        shown.drawn = Instant::now();
        // The file may have grown since.
        let percent = (shown.read * 100).checked_div(shown.size).unwrap_or(100).min(100);
        let rate = lines as f64 / shown.began.elapsed().as_secs_f64();
        let (lines, rate) = (grouped(lines), grouped(rate as u64));
        draw(&format!("{percent:3} %  {lines} lines, {rate} a second"));
    }

    /// All lines have been sent.
    pub(crate) fn finish(mut self, lines: u64) {
        if let Some(shown) = self.0.take() {
            let seconds = shown.began.elapsed().as_secs_f64();
            let _ = writeln!(stderr(), "{CLEAR}{} lines in {seconds:.1} s", grouped(lines));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.0.is_some() {
            let _ = write!(stderr(), "{CLEAR}");
        }
    }
}

/// A bar for something whose end is known.
pub(crate) struct Bar<'a> {
    what: &'a str,
    total: u64,
    began: Instant,
    is_shown: bool,
}

/// Characters of a bar.
const WIDTH: u64 = 24;

impl<'a> Bar<'a> {
    pub(crate) fn new(what: &'a str, total: u64, say: Say) -> Self {
        Self {
            what,
            total,
            began: Instant::now(),
            is_shown: is_wanted(say),
        }
    }

    /// Draws how much is done every now and then, for ever.
    pub(crate) async fn follow(&self, done: impl Fn() -> u64) -> Infallible {
        if !self.is_shown {
            return pending().await;
        }
        loop {
            self.draw(done());
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn draw(&self, done: u64) {
        let done = done.min(self.total);
        let filled = "█".repeat((done * WIDTH).checked_div(self.total).unwrap_or(WIDTH) as usize);
        let percent = (done * 100).checked_div(self.total).unwrap_or(100);
        let rate = grouped((done as f64 / self.began.elapsed().as_secs_f64()) as u64);
        let width = WIDTH as usize;
        draw(&format!(
            "{:23} {percent:3} %  {filled:░<width$}  {rate} a second",
            self.what
        ));
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(stderr(), "{CLEAR}");
        }
    }
}

/// In place of what was drawn before. What does not fit into the terminal's line is left out: a second line would stay.
fn draw(line: &str) {
    let width = columns().map_or(usize::MAX, |columns| usize::from(columns).saturating_sub(1));
    let end = line.char_indices().nth(width).map_or(line.len(), |(at, _)| at);
    let _ = write!(stderr(), "{CLEAR}{}", &line[..end]);
}

/// How wide the terminal is, if it tells.
fn columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(stderr()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// Only a terminal that understands it is drawn on.
fn is_wanted(say: Say) -> bool {
    !say.is_silent() && stderr().is_terminal() && wants_escapes()
}

/// Bytes to come if the standard input is a file.
fn size_of_input() -> Option<u64> {
    let mut file = File::from(stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.len().saturating_sub(file.stream_position().ok()?))
}
