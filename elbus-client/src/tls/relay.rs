//! The task between a TLS connection and the socket that broker or client read and write in its place.
//!
//! ```text
//!  peer ══ TLS over TCP ══ Relay ── pair of UNIX sockets ── session of the broker, or driver of the client
//! ```
//!
//! Nothing is read on one side that the other has not taken, but for one buffer: a peer that takes nothing fills the pair,
//! and whoever writes to that finds it full, as it would find a TCP socket.
use std::{
    cell::RefCell,
    convert::Infallible,
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::Shutdown;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    time::{Instant, Sleep},
};
use tokio_rustls::TlsStream;

use crate::readiness::Stream;

/// How long a peer that was told that nothing more comes may take to close as well. A TCP socket that is closed with unread
/// input sends a reset, which destroys what the peer has not read yet.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes passed on at once, one buffer a worker thread.
const CHUNK: usize = 32 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The socket that stands for a TLS connection: reads and writes of it are those of any other.
///
/// When it is dropped, the connection ends in order: what was written to it goes out first.
pub struct Relayed {
    stream: Stream,
    _alive: oneshot::Sender<Infallible>,
}

impl Relayed {
    /// The socket.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl AsFd for Relayed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Relayed").field(&self.stream).finish()
    }
}

/// The task between the two; a future that ends with the connection.
pub struct Relay {
    tls: TlsStream<TcpStream>,
    near: UnixStream,
    inward: Inward,
    outward: Outward,
    /// Ready when the socket in place of the connection was dropped.
    dropped: oneshot::Receiver<Infallible>,
    /// How long what was written may take to go out after that.
    grace: Duration,
    /// When the peer is given up, once the socket was dropped.
    end: Option<Pin<Box<Sleep>>>,
    lingering: bool,
    /// Which way goes first: each in turn, so that a flood on one does not use the other's time up.
    outward_first: bool,
}

/// From the peer.
#[derive(Default)]
struct Inward {
    left: Left,
    /// Nobody reads any more: what comes is discarded.
    discarding: bool,
    done: bool,
    /// Bytes that were read.
    read: u64,
    /// There was nothing more to read, or it was another task's turn.
    is_idle: bool,
}

/// To the peer.
#[derive(Default)]
struct Outward {
    left: Left,
    closing: bool,
    done: bool,
}

/// What one side has not taken yet.
#[derive(Default)]
struct Left {
    bytes: Vec<u8>,
    at: usize,
}

impl Left {
    fn keep(&mut self, rest: &[u8]) {
        self.bytes.extend_from_slice(rest);
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    fn advance(&mut self, n: usize) {
        self.at += n;
        if self.at == self.bytes.len() {
            // No memory while nothing waits.
            *self = Self::default();
        }
    }
}

impl Relay {
    /// A relay for a connection whose handshake is done, and the socket in its place.
    ///
    /// # Errors
    /// When the system has no pair of sockets left.
    pub fn new(tls: TlsStream<TcpStream>, grace: Duration) -> io::Result<(Self, Relayed)> {
        let (near, far) = UnixStream::pair()?;
        let (alive, dropped) = oneshot::channel();
        let relay = Self {
            tls,
            near,
            inward: Inward::default(),
            outward: Outward::default(),
            dropped,
            grace,
            end: None,
            lingering: false,
            outward_first: false,
        };
        let relayed = Relayed {
            stream: Stream::new(far.into_std()?)?,
            _alive: alive,
        };
        Ok((relay, relayed))
    }

    /// Passes bytes on that were read from the connection already: they are few.
    pub fn begin_with(&mut self, bytes: &[u8]) {
        self.inward.left.keep(bytes);
    }

    /// Bytes from the peer that were read so far, and those that have arrived beyond: when so many are read, or nothing
    /// is left, everything that has arrived now is passed on.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        let tcp = self.tls.get_ref().0;
        self.inward.read + rustix::io::ioctl_fionread(tcp).unwrap_or(0)
    }

    /// Whether everything up to this mark of [`arrived`](Self::arrived) has been passed on.
    #[must_use]
    pub fn has_passed_on(&self, mark: u64) -> bool {
        if !self.inward.left.bytes.is_empty() {
            return false;
        }
        let is_empty = || self.arrived() == self.inward.read;
        self.inward.done || self.inward.read >= mark || self.inward.is_idle && is_empty()
    }

    /// The end of the connection, however it came about.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.outward_first = !self.outward_first;
        if self.outward_first {
            let _ = self.poll_outward(cx);
        }
        if let Poll::Ready(Err(error)) = self.poll_inward(cx) {
            tracing::debug!(%error, "TLS connection broken");
            return Poll::Ready(());
        }
        if !self.outward_first {
            let _ = self.poll_outward(cx);
        }
        if self.inward.done && self.outward.done {
            return Poll::Ready(());
        }
        if self.end.is_none() && Pin::new(&mut self.dropped).poll(cx).is_ready() {
            self.end = Some(Box::pin(tokio::time::sleep(self.grace)));
        }
        let Some(end) = &mut self.end else {
            return Poll::Pending;
        };
        if self.outward.done && !self.lingering {
            self.lingering = true;
            let soon = end.deadline().min(Instant::now() + LINGER);
            end.as_mut().reset(soon);
        }
        end.as_mut().poll(cx)
    }

    fn poll_inward(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inward.is_idle = false;
        if self.inward.done {
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.inward.left.rest().is_empty() {
                match self.near.try_write(self.inward.left.rest()) {
                    Ok(n) => self.inward.left.advance(n),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        // An error shows when it is tried again.
                        let _ = ready!(self.near.poll_write_ready(cx));
                    }
                    Err(_) => self.discard(),
                }
            }
            let mut scratch = SCRATCH.take();
            let read = self.poll_read(&mut scratch, cx);
            SCRATCH.replace(scratch);
            if ready!(read)? == 0 {
                // The other end may be gone: then nobody is to be told.
                let _ = rustix::net::shutdown(&self.near, Shutdown::Write);
                self.inward.done = true;
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads one chunk and passes on what is taken at once; the rest is left over.
    fn poll_read(&mut self, scratch: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        scratch.resize(CHUNK, 0);
        let mut buffer = ReadBuf::new(scratch);
        match Pin::new(&mut self.tls).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {}
            // Frames have a length: one that was cut off is noticed without TLS's own goodbye.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Poll::Ready(Ok(0));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                self.inward.is_idle = true;
                return Poll::Pending;
            }
        }
        let bytes = buffer.filled();
        self.inward.read += bytes.len() as u64;
        if !self.inward.discarding {
            match self.near.try_write(bytes) {
                Ok(n) => self.inward.left.keep(&bytes[n..]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.inward.left.keep(bytes),
                Err(_) => self.discard(),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn discard(&mut self) {
        self.inward.discarding = true;
        self.inward.left = Left::default();
    }

    fn poll_outward(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outward.done {
            return Poll::Ready(());
        }
        let passed = ready!(self.poll_pass_on(cx));
        if let Err(error) = passed {
            tracing::debug!(%error, "nothing can be written to a TLS connection any more");
            // Whoever writes learns it; what the peer had sent is still passed on.
            let _ = rustix::net::shutdown(&self.near, Shutdown::Read);
        }
        self.outward.done = true;
        Poll::Ready(())
    }

    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.outward.left.rest().is_empty() {
                let written = Pin::new(&mut self.tls).poll_write(cx, self.outward.left.rest());
                self.outward.left.advance(ready!(written)?);
            }
            if self.outward.closing {
                return Pin::new(&mut self.tls).poll_shutdown(cx);
            }
            let mut scratch = SCRATCH.take();
            scratch.resize(CHUNK, 0);
            let read = self.near.try_read(&mut scratch);
            let passed = match read {
                Ok(n) => self.write_first(&scratch[..n], cx),
                Err(_) => Ok(()),
            };
            SCRATCH.replace(scratch);
            passed?;
            match read {
                Ok(0) => self.outward.closing = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
                    // An error shows when it is tried again.
                    let _ = ready!(self.near.poll_read_ready(cx));
                }
                Err(_) => self.outward.closing = true,
            }
        }
    }

    /// Writes what is taken at once; the rest is left over.
    fn write_first(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        let n = match Pin::new(&mut self.tls).poll_write(cx, bytes) {
            Poll::Ready(written) => written?,
            Poll::Pending => 0,
        };
        self.outward.left.keep(&bytes[n..]);
        Ok(())
    }
}

impl Future for Relay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_end(cx)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}
