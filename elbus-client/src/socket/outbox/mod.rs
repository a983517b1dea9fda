//! What waits to be sent, who writes it, and who waits for answers: one short lock.
//!
//! ```text
//! send   ── under the lock: admitted, given an id, appended
//! flush  ── takes the writer token and all bytes, writes outside of the lock without waiting, gives the rest back
//!           └─ socket full: the connection's task waits until it takes bytes again
//! ```
mod life;
mod wake;
mod writer;

use std::{io, sync::Arc, task::Waker, time::Instant};

use elbus_proto::{
    Code, Op, Qos,
    request::{self, RequestHeader},
};
pub(super) use wake::Guarded;
use wake::{Due, Watchers};
pub(super) use writer::{Batch, Standing};

use super::{
    filters::{Asked, Filters},
    line::{Line, Place},
    pending::{Answer, MOST_HELD, OperationId, Pending, Verdict},
    queue::SendQueue,
    request::{Checked, Request, WaitingRequest},
    stream::Socket,
};
use crate::Error;

/// Bytes gathered that are written without waiting for the sender to yield.
pub(super) const GATHERED: usize = 64 * 1024;

/// Where a client is between its first connection and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No connection; one is tried for.
    Disconnected,
    /// Connected; what was subscribed is asked for again.
    Restoring,
    Connected,
    /// Nothing is taken any more; what was taken is written and answered.
    Closing,
    Closed,
}

/// Whether an operation may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Granted,
    /// Over a limit, or others wait in front.
    Full,
    NotConnected,
    Closed,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) phase: Phase,
    /// When the last connection was lost.
    pub(super) disconnected_at: Instant,
    outbox_limit: usize,
    filter_limit: usize,
    /// Whether frames are held up to gather more.
    holds: bool,
    socket: Option<Arc<Socket>>,
    /// Counts connections, so that a late writer to an old one is told apart.
    connection: u64,
    queue: SendQueue,
    /// The memory of the queue that was written last.
    spare: Option<SendQueue>,
    /// Bytes that the holder of the token has taken.
    taken: usize,
    writing: bool,
    /// The socket is full.
    pub(super) blocked: bool,
    /// It was so when it was last written to: if it takes bytes again, somebody has read on the other side.
    was_full: bool,
    /// A flush is due although frames are held up.
    pub(super) urgent: bool,
    /// Nothing is written any more; what has arrived is still read.
    broken: Option<io::Error>,
    /// The connection's task does not read because the inbox has no room, and nobody waits for an answer.
    pub(super) reading_held: bool,
    pub(super) pending: Pending,
    /// The last operation was not acknowledged: how far the broker has read is not known. It may be holding this client
    /// back for a slow receiver, for as long as that takes.
    unproven: bool,
    /// Frames sent to restore the subscriptions and not answered yet.
    restoring: usize,
    pub(super) filters: Filters,
    pub(super) line: Line,
    pub(super) checked: Checked,
    /// The connection's task.
    driver: Option<Waker>,
    /// Who is woken when the lock is released.
    due: Due,
    appended_bytes: u64,
    written_bytes: u64,
    /// Bytes were dropped with a connection since this was last asked.
    lost: bool,
    /// Who waits for bytes to be written, for a connection, or for the end.
    watchers: Watchers,
    /// Counts eighths of the time-out.
    pub(super) tick: u32,
    /// The tick in which bytes last came, or were taken although the socket had been full.
    pub(super) progress: u32,
    /// The tick in which bytes were last taken.
    pub(super) taken_at: u32,
    /// How it ended: whether everything was written and answered, and the broker knew.
    pub(super) farewell: Verdict,
}

/// What became of an operation that was appended.
pub(super) struct Appended {
    /// There will be a verdict.
    pub(super) id: Option<OperationId>,
    /// So much is gathered that the sender lets others run: once every 64 KiB.
    pub(super) gathered: bool,
    /// The sender itself writes what waits: a real-time frame, much that was gathered, or the only operation in
    /// flight, whose answer is awaited before anything joins it. Everything else is written by the connection's task,
    /// when the sending task yields.
    pub(super) is_due: bool,
}

impl Outbox {
    pub(super) fn new(outbox_limit: usize, filter_limit: usize, in_flight: usize, holds: bool) -> Self {
        Self {
            phase: Phase::Disconnected,
            disconnected_at: Instant::now(),
            outbox_limit,
            filter_limit,
            holds,
            socket: None,
            connection: 0,
            queue: SendQueue::default(),
            spare: None,
            taken: 0,
            writing: false,
            blocked: false,
            was_full: false,
            urgent: false,
            broken: None,
            reading_held: false,
            pending: Pending::new(in_flight),
            unproven: false,
            restoring: 0,
            filters: Filters::default(),
            line: Line::default(),
            checked: Checked::default(),
            driver: None,
            due: Due::default(),
            appended_bytes: 0,
            written_bytes: 0,
            lost: false,
            watchers: Watchers::default(),
            tick: 0,
            progress: 0,
            taken_at: 0,
            farewell: Verdict::ConnectionLost,
        }
    }

    pub(super) fn admit(&self, place: Option<Place>) -> Admission {
        match self.phase {
            Phase::Closing | Phase::Closed => Admission::Closed,
            Phase::Disconnected => Admission::NotConnected,
            // It is about to be connected: what is sent now is sent then.
            Phase::Restoring => Admission::Full,
            Phase::Connected if !self.has_room() || !self.line.is_turn(place) => Admission::Full,
            Phase::Connected => Admission::Granted,
        }
    }

    fn has_room(&self) -> bool {
        self.queued() < self.outbox_limit && !self.pending.is_full()
    }

    /// Bytes not yet written.
    pub(super) const fn queued(&self) -> usize {
        self.queue.len() + self.taken
    }

    /// Appends an operation that was admitted.
    #[inline]
    pub(super) fn append(
        &mut self,
        request: &Request<'_>,
        qos: Qos,
        awaited: bool,
    ) -> Result<Appended, Error> {
        let id = self.take_in(request.op, qos, request.filters)?;
        let before = self.queue.len();
        request.append(&mut self.queue, qos, id);
        Ok(self.appended(id, qos, awaited, before))
    }

    /// Appends an operation that waited.
    pub(super) fn append_waiting(&mut self, request: &WaitingRequest) -> Result<Appended, Error> {
        let filters: Vec<&str> = request.filters.iter().map(String::as_str).collect();
        let id = self.take_in(request.op, request.qos, &filters)?;
        let before = self.queue.len();
        request.append(&mut self.queue, id);
        Ok(self.appended(id, request.qos, false, before))
    }

    #[inline]
    fn appended(&mut self, id: Option<OperationId>, qos: Qos, awaited: bool, before: usize) -> Appended {
        let after = self.queue.len();
        let appended = self.appended_bytes;
        self.appended_bytes += (after - before) as u64;
        // Of all that was appended: were it of what waits, a writer that keeps up would never let a sender pause.
        let gathered = appended / GATHERED as u64 != self.appended_bytes / GATHERED as u64;
        let alone = awaited && id.is_some() && self.pending.waiting() == 1 && !self.holds;
        self.urgent |= qos.is_realtime();
        self.unproven = id.is_none();
        let is_due = gathered || alone || qos.is_realtime();
        // Who reads only for those who wait for answers has to know that somebody does.
        if !is_due || self.reading_held && id.is_some() {
            self.wake_driver();
        }
        Appended { id, gathered, is_due }
    }

    /// What the sender itself has to write, after something that [is due](Appended::is_due); if somebody else is
    /// writing, or nobody can, it is left to the connection's task.
    pub(super) fn take_due(&mut self) -> Option<Batch> {
        let batch = self.take();
        if batch.is_none() {
            self.wake_driver();
        }
        batch
    }

    #[inline]
    fn take_in(&mut self, op: Op, qos: Qos, filters: &[&str]) -> Result<Option<OperationId>, Error> {
        if qos.is_acknowledged() && self.pending.is_used_up() {
            return Err(Error::TooManyConfirmations { limit: MOST_HELD });
        }
        let asked = if filters.is_empty() {
            None
        } else if self.filters.has_room(op, filters, self.filter_limit) {
            self.filters.note(op, filters)
        } else {
            let limit = self.filter_limit;
            return Err(Error::TooManyFilters { limit });
        };
        if !qos.is_acknowledged() {
            return Ok(None);
        }
        let id = self.pending.insert(self.tick, false);
        if let Some(asked) = asked {
            self.pending.note(id, asked);
        }
        Ok(Some(id))
    }

    /// Registers the connection's task; it then looks at everything, so that no wake-up is lost.
    pub(super) fn register_driver(&mut self, waker: &Waker) {
        match &mut self.driver {
            Some(known) => known.clone_from(waker),
            known => *known = Some(waker.clone()),
        }
    }

    /// Appends a ping. A ping itself is never answered. So when nothing has come from the broker for a while, an operation
    /// that every broker acknowledges takes its place: subscribing to nothing (published brokers take that for a topic
    /// without a name, to which nobody publishes). Who only listens notices a silent broker by that. It is not asked for
    /// where the answer may take as long as a slow receiver, nor where it would not be read.
    pub(super) fn ping(&mut self) {
        let came_lately = self.tick.wrapping_sub(self.progress) < 2;
        let held_up = self.unproven || self.reading_held || self.pending.is_awaiting();
        let header = if came_lately || held_up {
            request::PING
        } else {
            let id = self.pending.insert(self.tick, false);
            self.pending.abandon(id);
            RequestHeader::new(id.0.get(), Op::Subscribe, Qos::Processed, 0).encode()
        };
        self.say(&[&header]);
    }

    /// Appends a frame that the client sends of its own accord.
    fn say(&mut self, parts: &[&[u8]]) {
        let before = self.queue.len();
        self.queue.copy(parts);
        self.appended_bytes += (self.queue.len() - before) as u64;
    }

    /// Notes the answers of one chunk.
    pub(super) fn answer(
        &mut self,
        answers: &mut Vec<(OperationId, Result<(), Code>)>,
        wakers: &mut Vec<Waker>,
    ) {
        let mut refused: Vec<Asked> = Vec::new();
        for (id, result) in answers.drain(..) {
            if self.pending.answer(id, result, wakers, &mut refused) == Answer::Restored {
                self.restoring -= 1;
                if let Err(code) = result {
                    tracing::warn!(%code, "the broker refused filters that it granted before");
                }
            }
        }
        for asked in refused {
            self.filters.refused(&asked);
        }
    }
}
