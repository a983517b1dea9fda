//! The command FIFO: a named pipe into which shell scripts write one command a line.
//!
//! Its commands are carried out one after the other under the name `.fifo`, as those of a client in this process.
mod command;

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::Poll,
};

use bytes::{Bytes, BytesMut};
use command::Command;
use elbus_client::Client;
use futures_core::Stream;
use parking_lot::Mutex;
use rustix::{
    fs::{CWD, FlockOperation, Mode},
    io::Errno,
};
use tokio::net::unix::pipe;
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Decoder, FramedRead};

use super::{ListenError, SocketOptions, own_file::OwnFile};
use crate::core::Core;

/// The name under which commands are carried out.
pub(crate) const NAME: &str = ".fifo";

/// How much of a bad line the log shows, in bytes.
const SHOWN: usize = 80;

/// The client that all FIFOs of a broker share, while there is one.
pub(crate) type Shared = Mutex<Weak<Client>>;

/// A FIFO that is ours.
pub(crate) struct Fifo {
    pipe: pipe::Receiver,
    file: OwnFile,
}

impl Fifo {
    /// Makes the FIFO, or takes over one that nobody reads.
    pub(crate) fn new(path: &Path, options: &SocketOptions) -> Result<Self, ListenError> {
        let failed = |source: io::Error| ListenError::Bind {
            address: address(path),
            source,
        };
        match rustix::fs::mkfifoat(CWD, path, Mode::from_raw_mode(options.mode)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let file = fs::symlink_metadata(path).map_err(failed)?;
                if !file.file_type().is_fifo() {
                    return Err(ListenError::NotAFifo {
                        path: path.to_owned(),
                    });
                }
            }
            Err(error) => return Err(failed(error.into())),
        }
        // Open for writing as well, so that it does not end when a script closes it.
        let pipe = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(path)
            .map_err(failed)?;
        match rustix::fs::flock(&pipe, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(ListenError::InUse {
                    address: address(path),
                });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let file = OwnFile::at(path).map_err(failed)?;
        options.apply(path).map_err(failed)?;
        Ok(Self { pipe, file })
    }

    /// Carries commands out until the broker stops, and then those that are there.
    pub(crate) async fn run(self, core: Arc<Core>, client: Arc<Client>) {
        let limit = core.settings.fifo_line();
        let path: PathBuf = self.file.path().to_owned();
        let mut lines = FramedRead::new(self.pipe, Lines::new(limit));
        let mut stop = pin!(core.stop.cancelled());
        loop {
            let line = std::future::poll_fn(|cx| match Pin::new(&mut lines).poll_next(cx) {
                Poll::Ready(line) => Poll::Ready(line),
                // What was written before is read, whether or not the reactor knows of it.
                Poll::Pending if rustix::io::ioctl_fionread(lines.get_ref()).is_ok_and(|n| n > 0) => {
                    Poll::Pending
                }
                Poll::Pending => stop.as_mut().poll(cx).map(|()| None),
            });
            match line.await {
                None => return,
                Some(Ok(Line::Whole(line))) => carry_out(&client, &path, &line).await,
                Some(Ok(Line::TooLong)) => {
                    tracing::warn!(path = %path.display(), limit, "command left out: its line is too long");
                }
                Some(Err(error)) => {
                    tracing::warn!(path = %path.display(), %error, "the FIFO cannot be read any more");
                    return;
                }
            }
        }
    }
}

enum Line {
    Whole(Bytes),
    TooLong,
}

/// Lines of bounded length. That one is too long is no error here: a stream ends at an error, and the lines behind it
/// would wait for the next write.
struct Lines(AnyDelimiterCodec);

impl Lines {
    fn new(limit: usize) -> Self {
        let newline = b"\n".to_vec();
        Self(AnyDelimiterCodec::new_with_max_length(
            newline.clone(),
            newline,
            limit,
        ))
    }
}

impl Decoder for Lines {
    type Item = Line;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Line>> {
        match self.0.decode(bytes) {
            Ok(line) => Ok(line.map(Line::Whole)),
            Err(AnyDelimiterCodecError::MaxChunkLengthExceeded) => Ok(Some(Line::TooLong)),
            Err(AnyDelimiterCodecError::Io(error)) => Err(error),
        }
    }
}

/// How a FIFO is written where addresses are.
pub(crate) fn address(path: &Path) -> String {
    format!("fifo:{}", path.display())
}

async fn carry_out(client: &Client, path: &Path, line: &Bytes) {
    let command = match command::parse(line) {
        Ok(None) => return,
        Ok(Some(command)) => command,
        Err(reason) => return left_out(path, line, &reason),
    };
    let sent = match &command {
        Command::Send(target, payload) => client.send(target, payload.clone()).await,
        Command::Broadcast(mask, payload) => client.broadcast(mask, payload.clone()).await,
        Command::Publish(topic, payload) => client.publish(topic, payload.clone()).await,
    };
    if let Err(reason) = sent {
        left_out(path, line, &reason);
    }
}

fn left_out(path: &Path, line: &[u8], reason: &dyn std::fmt::Display) {
    let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    tracing::warn!(path = %path.display(), line = ?shown, %reason, "command left out");
}
