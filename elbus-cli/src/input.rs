//! The standard input, as a whole or by lines. A line is a message: any bytes but the newline that ends it.
use std::{
    ffi::OsStr,
    io::{self, IsTerminal, Read},
    os::unix::ffi::OsStrExt,
    thread,
};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::{bus::FRAME_LIMIT, error::CliError, say::Say};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Chunks read ahead.
const AHEAD: usize = 4;

/// What was given as an argument, or else the standard input up to its end.
pub(crate) async fn payload(argument: Option<&OsStr>, say: Say) -> Result<Vec<u8>, CliError> {
    match argument {
        Some(argument) => Ok(argument.as_bytes().to_vec()),
        None => whole(say).await,
    }
}

/// The standard input up to its end, as long as a frame may be.
pub(crate) async fn whole(say: Say) -> Result<Vec<u8>, CliError> {
    if io::stdin().is_terminal() {
        say.line("reading what to send from the terminal; Ctrl-D behind a newline ends it");
    }
    let mut chunks = Chunks::of_input();
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        whole.extend_from_slice(&chunk);
        if whole.len() > FRAME_LIMIT {
            return Err(CliError::InputTooLarge { limit: FRAME_LIMIT });
        }
    }
    Ok(whole)
}

/// The standard input as it comes, read by a thread: a file or a terminal cannot be waited for otherwise.
pub(crate) struct Chunks(Receiver<io::Result<Vec<u8>>>);

impl Chunks {
    pub(crate) fn of_input() -> Self {
        let (sender, receiver) = channel(AHEAD);
        thread::spawn(move || read(&sender));
        Self(receiver)
    }

    /// The next chunk; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, CliError> {
        self.0.recv().await.transpose().map_err(CliError::Input)
    }
}

fn read(sender: &Sender<io::Result<Vec<u8>>>) {
    let mut input = io::stdin().lock();
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => {
                chunk.truncate(n);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let last = read.is_err();
        if sender.blocking_send(read).is_err() || last {
            return;
        }
    }
}

/// Cuts chunks into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no newline.
    searched: usize,
}

impl Lines {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// The next line that is all there, without its newline.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        let Some(at) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let (start, end) = (self.start, self.searched + at);
        self.start = end + 1;
        self.searched = self.start;
        Some(&self.bytes[start..end])
    }

    /// What no newline has ended yet.
    pub(crate) fn unfinished(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_input_is_cut_into_chunks() {
        let input = b"one\n\nthree\r\n\0\xFF\nlast";
        for size in 1..=input.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for chunk in input.chunks(size) {
                lines.push(chunk);
                while let Some(line) = lines.next() {
                    got.push(line.to_vec());
                }
            }
            let expected: [&[u8]; 4] = [b"one", b"", b"three\r", b"\0\xFF"];
            assert_eq!(got, expected, "in chunks of {size} bytes");
            assert_eq!(lines.unfinished(), b"last");
        }
    }

    #[test]
    fn an_input_that_ends_with_a_newline_has_no_empty_line_behind_it() {
        let mut lines = Lines::default();
        lines.push(b"a\n");
        assert_eq!(lines.next(), Some(&b"a"[..]));
        assert_eq!(lines.next(), None);
        assert_eq!(lines.unfinished(), b"");
    }
}
