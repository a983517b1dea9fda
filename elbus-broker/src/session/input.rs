//! Bytes on their way in: the worker's scratch buffer, what is left of it, and frames too large for it.
use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::Sleep;

use crate::{outbox::pool, socket::Socket};

/// Bytes read at once while the session is held back, so that its sender is served often.
const HELD_READ: usize = 4 * 1024;

/// Memory asked for when a large frame begins; from then on it grows fourfold as bytes arrive.
const FIRST_GROWTH: usize = 256 * 1024;

/// Bytes of a frame after which the time to finish it starts anew.
const PROGRESS: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The worker's buffer, hot in its cache: sessions hold none while they wait. Twice `read_size`: the beginning of a
/// frame, at most that long, stands in front of what is read.
pub(super) fn take_scratch(read_size: usize) -> Vec<u8> {
    let mut scratch = SCRATCH.take();
    scratch.resize(2 * read_size, 0);
    scratch
}

/// Gives the worker's buffer back.
pub(super) fn give_scratch(scratch: Vec<u8>) {
    SCRATCH.replace(scratch);
}

/// What came in.
pub(super) enum Filled {
    /// So many bytes at the front of the scratch buffer.
    Chunk(usize),
    /// Frames that were kept, from this position on.
    Carried(Vec<u8>, usize),
    /// One large frame.
    Whole(Bytes),
}

/// Why nothing more comes in.
#[derive(Debug)]
pub(super) enum InputEnd {
    /// The client closed the connection.
    Eof,
    /// The connection broke.
    Io(io::Error),
    /// A frame was not finished in this time.
    Unfinished(Duration),
    /// There is no memory for a frame of this length in bytes.
    OutOfMemory(usize),
}

/// What a session has read and not yet carried out.
pub(super) struct Input {
    read_size: usize,
    /// Bytes to read at once: less after a hold, growing back to `read_size`.
    limit: usize,
    state: State,
    clock: Clock,
    /// While the broker shuts down: bytes that had arrived before and are still to be read.
    last: Option<u64>,
}

enum State {
    /// Nothing left over.
    Empty,
    /// The beginning of a frame.
    Partial(Vec<u8>),
    /// A frame too large for the scratch buffer, as it arrives: what is there, and the length of the whole.
    Large(Vec<u8>, usize),
    /// Frames that are there and still to be carried out, from this position on.
    Kept(Vec<u8>, usize),
    /// A large frame that is there and still to be carried out, and what came behind it.
    KeptWhole(Bytes, Option<(Vec<u8>, usize)>),
}

impl Input {
    pub(super) fn new(read_size: usize, timeout: Duration) -> Self {
        let clock = Clock {
            timeout,
            since: None,
            timer: None,
        };
        Self {
            read_size,
            limit: read_size,
            state: State::Empty,
            clock,
            last: None,
        }
    }

    /// Sets the time for frames that begin from now on.
    pub(super) fn set_timeout(&mut self, timeout: Duration) {
        self.clock.timeout = timeout;
    }

    /// What has arrived until now and was not carried out yet; `None` when that is all. It does not wait, and a
    /// client that goes on sending does not make it go on.
    pub(super) fn fill_last(
        &mut self,
        socket: &Socket,
        scratch: &mut [u8],
    ) -> Option<Result<Filled, InputEnd>> {
        if let Some(kept) = self.take_kept() {
            return Some(Ok(kept));
        }
        let mut last = *self.last.get_or_insert_with(|| socket.arrived());
        while last > 0 {
            match self.read(socket, scratch, true) {
                Ok(0) => return Some(Err(InputEnd::Eof)),
                Ok(n) => {
                    last = last.saturating_sub(n as u64);
                    self.last = Some(last);
                    if let Some(filled) = self.filled(n).transpose() {
                        return Some(filled);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => return Some(Err(InputEnd::Io(error))),
            }
        }
        None
    }

    /// Waits for something to carry out.
    pub(super) fn poll_fill(
        &mut self,
        socket: &Socket,
        scratch: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Filled, InputEnd>> {
        if let Some(kept) = self.take_kept() {
            return Poll::Ready(Ok(kept));
        }
        loop {
            match socket.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(InputEnd::Io(error))),
                Poll::Pending => return self.clock.poll(cx).map(Err),
            }
            match self.read(socket, scratch, false) {
                Ok(0) => return Poll::Ready(Err(InputEnd::Eof)),
                Ok(n) => {
                    if let Some(filled) = self.filled(n).transpose() {
                        return Poll::Ready(filled);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(InputEnd::Io(error))),
            }
        }
    }

    fn take_kept(&mut self) -> Option<Filled> {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Kept(bytes, at) => Some(Filled::Carried(bytes, at)),
            State::KeptWhole(whole, behind) => {
                if let Some((bytes, at)) = behind {
                    self.state = State::Kept(bytes, at);
                }
                Some(Filled::Whole(whole))
            }
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Reads behind what is left over: into the scratch buffer, or into the large frame's own memory.
    fn read(&mut self, socket: &Socket, scratch: &mut [u8], regardless: bool) -> io::Result<usize> {
        match &mut self.state {
            State::Large(bytes, _) => socket.try_read_spare(bytes, regardless),
            State::Partial(bytes) => {
                scratch[..bytes.len()].copy_from_slice(bytes);
                let space = &mut scratch[bytes.len()..];
                let limit = self.limit.min(space.len());
                socket.try_read(&mut space[..limit], regardless)
            }
            _ => socket.try_read(&mut scratch[..self.limit], regardless),
        }
    }

    /// Takes note of `n` bytes; `None` while a large frame is not complete.
    fn filled(&mut self, n: usize) -> Result<Option<Filled>, InputEnd> {
        match std::mem::replace(&mut self.state, State::Empty) {
            State::Partial(bytes) => {
                let len = bytes.len() + n;
                pool::give(bytes);
                Ok(Some(Filled::Chunk(len)))
            }
            State::Large(mut bytes, len) => {
                self.clock.progressed(bytes.len() - n, n);
                if bytes.len() < len {
                    grow(&mut bytes, len)?;
                    self.state = State::Large(bytes, len);
                    return Ok(None);
                }
                self.clock.stop();
                if bytes.len() > len {
                    self.state = State::Kept(bytes.split_off(len), 0);
                }
                Ok(Some(Filled::Whole(bytes.into())))
            }
            _ => Ok(Some(Filled::Chunk(n))),
        }
    }

    /// Keeps what was not carried out of a chunk: the beginning of a frame whose length is known if its header is
    /// there. `started`: something in front of it was carried out, so this frame is a new one.
    pub(super) fn keep_partial(
        &mut self,
        rest: &[u8],
        frame: Option<usize>,
        started: bool,
    ) -> Result<(), InputEnd> {
        self.limit = (self.limit * 2).min(self.read_size);
        if rest.is_empty() {
            self.clock.stop();
            return Ok(());
        }
        if started {
            self.clock.stop();
        }
        self.clock.start();
        self.state = match frame {
            Some(len) if len > self.read_size => {
                let mut bytes = Vec::new();
                reserve(&mut bytes, len.min(FIRST_GROWTH.max(4 * rest.len())), len)?;
                bytes.extend_from_slice(rest);
                State::Large(bytes, len)
            }
            _ => {
                let mut carry = pool::take();
                carry.extend_from_slice(rest);
                State::Partial(carry)
            }
        };
        Ok(())
    }

    /// Keeps frames that are still to be carried out.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        let mut bytes = pool::take();
        bytes.extend_from_slice(rest);
        self.keep_again(bytes, 0);
    }

    /// Keeps frames that are still to be carried out, as [`Filled::Carried`] gave them.
    pub(super) fn keep_again(&mut self, bytes: Vec<u8>, at: usize) {
        self.clock.stop();
        self.state = State::Kept(bytes, at);
    }

    /// Keeps a large frame that is still to be carried out, in front of what came with it.
    pub(super) fn keep_whole(&mut self, whole: Bytes) {
        let behind = match std::mem::replace(&mut self.state, State::Empty) {
            State::Kept(bytes, at) => Some((bytes, at)),
            _ => None,
        };
        self.state = State::KeptWhole(whole, behind);
    }

    /// Keeps frames that were held back.
    pub(super) fn keep_held(&mut self, rest: &[u8]) {
        self.read_less();
        self.keep(rest);
    }

    /// Keeps frames that were held back, as [`Filled::Carried`] gave them.
    pub(super) fn keep_held_again(&mut self, bytes: Vec<u8>, at: usize) {
        self.read_less();
        self.keep_again(bytes, at);
    }

    /// Keeps a large frame that was held back.
    pub(super) fn keep_held_whole(&mut self, whole: Bytes) {
        self.read_less();
        self.keep_whole(whole);
    }

    fn read_less(&mut self) {
        self.limit = HELD_READ.min(self.read_size);
    }
}

/// Makes room for the rest of a large frame, in proportion to what has arrived.
fn grow(bytes: &mut Vec<u8>, len: usize) -> Result<(), InputEnd> {
    if bytes.len() < bytes.capacity() {
        return Ok(());
    }
    let room = len.min(4 * bytes.len()) - bytes.len();
    reserve(bytes, room, len)
}

fn reserve(bytes: &mut Vec<u8>, room: usize, len: usize) -> Result<(), InputEnd> {
    bytes
        .try_reserve_exact(room)
        .map_err(|_| InputEnd::OutOfMemory(len))
}

/// The time to finish a frame. The timer is set at most once in that time, however many frames come.
struct Clock {
    timeout: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn start(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn stop(&mut self) {
        self.since = None;
    }

    /// A large frame grew by `n` bytes beyond `before`.
    fn progressed(&mut self, before: usize, n: usize) {
        if before / PROGRESS != (before + n) / PROGRESS {
            self.since = Some(Instant::now());
        }
    }

    /// Ready when a frame has not been finished in time.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<InputEnd> {
        loop {
            let Some(since) = self.since else {
                // The timer is left alone while frames come: it fires once, finds nothing to do and is gone.
                if let Some(timer) = &mut self.timer {
                    ready!(timer.as_mut().poll(cx));
                    self.timer = None;
                }
                return Poll::Pending;
            };
            let due = since + self.timeout;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.into())));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(InputEnd::Unfinished(self.timeout));
            }
            timer.as_mut().reset(due.into());
        }
    }
}
