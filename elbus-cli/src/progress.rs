//! How far the lines of a file have come, on a terminal.
use std::{
    fs::File,
    io::{IsTerminal, Seek, Write, stderr, stdin},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use crate::say::{Say, wants_escapes};

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
        let wanted = !say.is_silent() && stderr().is_terminal() && wants_escapes();
        let size = if wanted { size_of_input() } else { None };
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
        let _ = write!(stderr(), "{CLEAR}{percent:3} %  {lines} lines, {rate} a second");
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

/// Bytes to come if the standard input is a file.
fn size_of_input() -> Option<u64> {
    let mut file = File::from(stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.len().saturating_sub(file.stream_position().ok()?))
}

/// A number with a comma every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn large_numbers_are_readable() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
