//! The life of a connection: greeting, reading and routing, waiting for full receivers, goodbye.
//!
//! One task a connection. It waits for its socket without holding a buffer, reads into the worker's scratch buffer
//! and carries every request in it out at once ([`router`]); what has no room holds the session back ([`hold`]).
pub(crate) mod anticipation;
#[cfg(feature = "bench")]
pub mod bench;
pub(crate) mod certificate;
mod frames;
mod goodbye;
pub(crate) mod greeting;
mod hold;
mod input;
mod router;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use anticipation::Anticipation;
use bytes::Bytes;
use frames::Frames;
use input::{Filled, Input, InputEnd};
use router::{Held, Router, Stop};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    core::Core,
    peer::{Cut, Peer, Sink},
    socket::Socket,
};

/// Chunks after which the worker's other tasks get their turn.
const SLICE: u32 = 4;

/// Why a session ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed the connection.
    Left,
    /// The connection broke.
    Broken,
    /// The client sent what cannot be trusted; it is told so.
    Refused,
    /// The broker took the client off the bus.
    Cut,
    /// The broker shuts down, and everything that had arrived is carried out.
    Drained,
}

/// What a session does next.
enum Step {
    Continue,
    /// More receivers have to be flushed, after other tasks had their turn.
    Yield,
    Held(Held),
    End(End),
}

/// A registered connection.
pub(crate) struct Session {
    core: Arc<Core>,
    peer: Arc<Peer>,
    socket: Arc<Socket>,
    router: Router,
    input: Input,
    anticipation: Anticipation,
    /// Chunks carried out since the session last waited.
    chunks: u32,
    /// The client hung up: it is off the bus, and only what it had sent is still carried out.
    gone: bool,
    /// Dropped when nothing more will be read.
    reading: Option<TaskTrackerToken>,
}

impl Session {
    pub(crate) fn new(core: &Arc<Core>, peer: &Arc<Peer>, socket: Arc<Socket>) -> Self {
        Self {
            core: Arc::clone(core),
            peer: Arc::clone(peer),
            socket,
            router: Router::new(core, peer),
            input: Input::new(core.settings.read_size(), core.settings.timeout()),
            anticipation: Anticipation::default(),
            chunks: 0,
            gone: false,
            reading: Some(core.readers.token()),
        }
    }

    /// Serves the connection to its end. The session is boxed, because a future holds what it is given twice.
    pub(crate) async fn run(mut self: Box<Self>) {
        let end = self.serve().await;
        tracing::debug!(client = %self.peer.name, ?end, "session ends");
        Box::pin(self.leave(end)).await;
    }

    /// Serves until there is a reason to end.
    async fn serve(&mut self) -> End {
        loop {
            match std::future::poll_fn(|cx| self.poll_step(cx)).await {
                Step::Continue => {
                    self.chunks += 1;
                    if self.chunks >= SLICE {
                        self.chunks = 0;
                        tokio::task::yield_now().await;
                    }
                }
                Step::Yield => tokio::task::yield_now().await,
                Step::Held(held) => {
                    if let Err(end) = Box::pin(self.wait(held)).await {
                        return end;
                    }
                }
                Step::End(end) => return end,
            }
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        // First the waker, then the look: what changes in between wakes.
        self.peer.watch(cx.waker());
        match self.peer.cut_because() {
            None => {}
            Some(Cut::Broken) => self.hung_up(),
            Some(_) => return Poll::Ready(Step::End(End::Cut)),
        }
        match self.router.finish(None) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready(Step::Yield),
            Err(held) => return Poll::Ready(Step::Held(held)),
        }
        let mut scratch = input::take_scratch(self.core.settings.read_size());
        let step = self.poll_chunk(&mut scratch, cx);
        input::give_scratch(scratch);
        if step.is_pending() {
            self.chunks = 0;
            self.router.rest();
        }
        step
    }

    fn poll_chunk(&mut self, scratch: &mut [u8], cx: &mut Context<'_>) -> Poll<Step> {
        let socket = &self.socket;
        self.input.set_timeout(self.core.settings.timeout());
        let broken = self.peer.cut_because() == Some(Cut::Broken);
        let filled = if broken || self.core.is_shutting_down() {
            match self.input.fill_last(socket, scratch) {
                Some(filled) => filled,
                None if broken => return Poll::Ready(Step::End(End::Broken)),
                None => return Poll::Ready(Step::End(End::Drained)),
            }
        } else {
            match self.input.poll_fill(socket, scratch, cx) {
                Poll::Ready(filled) => filled,
                Poll::Pending => {
                    self.anticipation.poll(socket, &self.core.expected, cx);
                    return Poll::Pending;
                }
            }
        };
        if let (Ok(Filled::Chunk(_)), Socket::Unix(_)) = (&filled, &**socket) {
            self.anticipation.has_sent(self.peer.written().bytes);
        }
        Poll::Ready(match filled.and_then(|filled| self.carry_out(filled, scratch)) {
            Ok(step) => step,
            Err(end) => Step::End(self.input_ended(end)),
        })
    }

    fn carry_out(&mut self, filled: Filled, scratch: &[u8]) -> Result<Step, InputEnd> {
        let limit = self.core.settings.frame_limit();
        let stop = match filled {
            Filled::Chunk(n) => {
                let mut frames = Frames::new(&scratch[..n], limit);
                let stop = self.router.route(&mut frames);
                let at = frames.consumed();
                match stop {
                    Stop::End(frame) => self.input.keep_partial(&scratch[at..n], frame, at > 0)?,
                    Stop::Held(_) => self.input.keep_held(&scratch[at..n]),
                    Stop::Budget => self.input.keep(&scratch[at..n]),
                    Stop::Malformed(_) => {}
                }
                stop
            }
            Filled::Carried(bytes, from) => {
                let mut frames = Frames::new(&bytes[from..], limit);
                let stop = self.router.route(&mut frames);
                let at = from + frames.consumed();
                match stop {
                    Stop::End(frame) => self.input.keep_partial(&bytes[at..], frame, true)?,
                    Stop::Held(_) => self.input.keep_held_again(bytes, at),
                    Stop::Budget => self.input.keep_again(bytes, at),
                    Stop::Malformed(_) => {}
                }
                stop
            }
            Filled::Whole(bytes) => self.carry_out_whole(bytes, limit),
        };
        Ok(match stop {
            Stop::Held(held) => Step::Held(held),
            Stop::Budget => Step::Yield,
            Stop::Malformed(why) => {
                tracing::warn!(client = %self.peer.name, from = %self.peer.origin, %why, "disconnected");
                Step::End(End::Refused)
            }
            Stop::End(_) => match self.router.finish(None) {
                Ok(true) => Step::Continue,
                Ok(false) => Step::Yield,
                Err(held) => Step::Held(held),
            },
        })
    }

    fn carry_out_whole(&mut self, bytes: Bytes, limit: usize) -> Stop {
        let mut frames = Frames::of_large(&bytes, limit);
        let stop = self.router.route(&mut frames);
        // A fan-out that is held has taken the frame over; a target that is full has not.
        if frames.consumed() == 0 {
            match stop {
                Stop::Held(_) => self.input.keep_held_whole(bytes),
                Stop::Budget => self.input.keep_whole(bytes),
                Stop::End(_) | Stop::Malformed(_) => {}
            }
        }
        stop
    }

    /// Takes the client off the bus although its session goes on.
    fn hung_up(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.core.unregister(&self.peer);
        }
    }

    fn input_ended(&self, end: InputEnd) -> End {
        let client = &self.peer.name;
        match end {
            InputEnd::Eof => End::Left,
            InputEnd::Io(error) => {
                tracing::debug!(%client, %error, "connection broken");
                End::Broken
            }
            InputEnd::Unfinished(limit) => {
                tracing::warn!(%client, ?limit, "frame not finished in time: disconnected");
                End::Refused
            }
            InputEnd::OutOfMemory(len) => {
                tracing::warn!(%client, len, "no memory for a frame of this length: disconnected");
                End::Refused
            }
        }
    }
}

/// However a session ends, its name is free and its connection closed.
impl Drop for Session {
    fn drop(&mut self) {
        self.core.unregister(&self.peer);
        if let Sink::Socket {
            connection, outbox, ..
        } = &self.peer.sink
        {
            outbox.close();
            connection.release();
        }
        self.core.totals.retire(&self.peer);
    }
}
