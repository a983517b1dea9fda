//! What waits to be sent, who writes it, and who waits for answers: one short lock.
//!
//! ```text
//! send   ── under the lock: admitted, given an id, appended
//! flush  ── takes the writer token and all bytes, writes outside of the lock without waiting, gives the rest back
//!           └─ socket full: the connection's task waits until it takes bytes again
//! ```
//!
//! Whoever holds the token writes; nothing is awaited meanwhile, so no frame is ever cut short by a dropped future.
//! On release its holder looks again under the lock and wakes the connection's task if bytes were appended since.
use std::{
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use elbus_proto::{Code, Op, Qos, request};
use parking_lot::Mutex;

use super::{
    filters::{Asked, Filters},
    line::{Line, Place},
    pending::{Answer, OperationId, Pending, Verdict},
    queue::{MAX_PARTS, SendQueue},
    request::{Checked, Request, WaitingRequest},
    stream::Socket,
};
use crate::{Error, link::Ticket};

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
    /// A flush is due although frames are held up.
    pub(super) urgent: bool,
    broken: Option<io::Error>,
    /// The connection's task does not read because the inbox has no room, and nobody waits for an answer.
    pub(super) reading_held: bool,
    pub(super) pending: Pending,
    /// Frames sent to restore the subscriptions and not answered yet.
    restoring: usize,
    pub(super) filters: Filters,
    pub(super) line: Line,
    pub(super) checked: Checked,
    /// The connection's task.
    driver: Option<Waker>,
    appended_bytes: u64,
    written_bytes: u64,
    /// Who waits for bytes to be written, or for the end.
    watchers: Vec<Waker>,
    /// Counts eighths of the time-out.
    pub(super) tick: u32,
    /// When bytes last came or were taken.
    pub(super) progress: u32,
    /// How it ended: whether everything was written and answered, and the broker knew.
    pub(super) farewell: Verdict,
}

/// The bytes that the holder of the writer token has taken out.
#[must_use = "the writer token goes with the batch"]
pub(super) struct Batch {
    queue: SendQueue,
    socket: Arc<Socket>,
    connection: u64,
}

/// How things stand for the connection's task after it has flushed.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nothing to write, or somebody else is writing.
    Idle,
    /// The socket is full.
    Blocked,
    /// Frames are held up to gather more.
    Held,
    /// More has come.
    More,
    Broken(io::Error),
}

/// What became of an operation that was appended.
pub(super) struct Appended {
    /// There will be a verdict.
    pub(super) id: Option<OperationId>,
    /// So much is gathered that the sender lets others run: once every 64 KiB.
    pub(super) gathered: bool,
    /// The sender itself writes what waits: a real-time frame, much that was gathered, or the only operation in
    /// flight, whose answer is awaited before anything joins it.
    pub(super) is_due: bool,
}

impl Outbox {
    pub(super) fn new(outbox_limit: usize, filter_limit: usize, in_flight: usize, holds: bool) -> Self {
        Self {
            phase: Phase::Disconnected,
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
            urgent: false,
            broken: None,
            reading_held: false,
            pending: Pending::new(in_flight),
            restoring: 0,
            filters: Filters::default(),
            line: Line::default(),
            checked: Checked::default(),
            driver: None,
            appended_bytes: 0,
            written_bytes: 0,
            watchers: Vec::new(),
            tick: 0,
            progress: 0,
            farewell: Verdict::ConnectionLost,
        }
    }

    pub(super) fn admit(&self, place: Option<Place>) -> Admission {
        match self.phase {
            Phase::Closing | Phase::Closed => Admission::Closed,
            Phase::Disconnected | Phase::Restoring => Admission::NotConnected,
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
    pub(super) fn append(
        &mut self,
        request: &Request<'_>,
        qos: Qos,
        awaited: bool,
    ) -> Result<Appended, Error> {
        let id = self.take_in(request.op, qos, request.filters)?;
        let before = self.queue.len();
        request.append(&mut self.queue, qos, id.unwrap_or(OperationId(0)));
        Ok(self.appended(id, qos, awaited, before))
    }

    /// Appends an operation that waited.
    pub(super) fn append_waiting(&mut self, request: &WaitingRequest) -> Result<Appended, Error> {
        let filters: Vec<&str> = request.filters.iter().map(String::as_str).collect();
        let id = self.take_in(request.op, request.qos, &filters)?;
        let before = self.queue.len();
        request.append(&mut self.queue, id.unwrap_or(OperationId(0)));
        Ok(self.appended(id, request.qos, false, before))
    }

    fn appended(&mut self, id: Option<OperationId>, qos: Qos, awaited: bool, before: usize) -> Appended {
        let after = self.queue.len();
        self.appended_bytes += (after - before) as u64;
        let gathered = before / GATHERED != after / GATHERED;
        let alone = awaited && id.is_some() && self.pending.waiting() == 1 && !self.holds;
        self.urgent |= qos.is_realtime();
        Appended {
            id,
            gathered,
            is_due: gathered || alone || qos.is_realtime(),
        }
    }

    fn take_in(&mut self, op: Op, qos: Qos, filters: &[&str]) -> Result<Option<OperationId>, Error> {
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

    /// Takes the writer token and everything that waits; `None` if there is nothing to do or somebody else does it.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.writing || self.blocked || self.queue.is_empty() || self.broken.is_some() {
            return None;
        }
        let socket = Arc::clone(self.socket.as_ref()?);
        self.writing = true;
        self.urgent = false;
        self.taken = self.queue.len();
        let queue = std::mem::replace(&mut self.queue, self.spare.take().unwrap_or_default());
        Some(Batch {
            queue,
            socket,
            connection: self.connection,
        })
    }

    /// Gives the token back with what was not written.
    fn give_back(&mut self, batch: Batch, written: io::Result<()>) {
        if batch.connection != self.connection {
            return;
        }
        self.writing = false;
        let rest = batch.queue.len();
        let n = self.taken - rest;
        self.taken = 0;
        if n > 0 {
            self.written_bytes += n as u64;
            self.progress = self.tick;
            wake_all(&mut self.watchers);
        }
        if rest == 0 {
            self.spare = Some(batch.queue.reuse());
        } else {
            let behind = std::mem::replace(&mut self.queue, batch.queue);
            self.queue.append(behind);
        }
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
            Err(error) => self.broken = Some(error),
        }
        self.pass_turn();
    }

    /// Wakes whoever is first in line, if it may go ahead.
    pub(super) fn pass_turn(&self) {
        if self.phase == Phase::Connected && self.has_room() {
            self.line.wake_first();
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// The waker of the connection's task, to be woken outside of the lock.
    pub(super) const fn take_driver(&mut self) -> Option<Waker> {
        self.driver.take()
    }

    /// Registers the connection's task; it then looks at everything, so that no wake-up is lost.
    pub(super) fn register_driver(&mut self, waker: &Waker) {
        match &mut self.driver {
            Some(known) => known.clone_from(waker),
            known => *known = Some(waker.clone()),
        }
    }

    /// How things stand for the connection's task, which has flushed.
    pub(super) fn standing(&mut self) -> Standing {
        if let Some(error) = self.broken.take() {
            Standing::Broken(error)
        } else if self.blocked {
            Standing::Blocked
        } else if self.is_held() {
            Standing::Held
        } else if self.queue.is_empty() || self.writing {
            Standing::Idle
        } else {
            Standing::More
        }
    }

    /// Whether what waits is held up to gather more.
    pub(super) fn is_held(&self) -> bool {
        let held = self.holds && !self.urgent && self.phase == Phase::Connected;
        held && !self.queue.is_empty() && self.queue.len() < GATHERED
    }

    /// Appends a ping.
    pub(super) fn ping(&mut self) {
        self.queue.copy(&[&request::PING]);
        self.appended_bytes += request::PING.len() as u64;
    }

    /// A connection is there: asks for everything that was subscribed and excluded.
    pub(super) fn connected(&mut self, socket: Arc<Socket>) {
        self.connection += 1;
        self.socket = Some(socket);
        self.progress = self.tick;
        for (op, body) in self.filters.bodies() {
            let id = self.pending.insert(self.tick, true);
            let header = request::RequestHeader::new(id.0, op, Qos::Processed, body.len() as u32);
            let before = self.queue.len();
            self.queue.copy(&[&header.encode(), body.as_bytes()]);
            self.appended_bytes += (self.queue.len() - before) as u64;
            self.restoring += 1;
        }
        self.phase = Phase::Restoring;
    }

    /// Goes from restoring to connected when everything asked for is answered; says whether it did.
    pub(super) fn restored(&mut self) -> bool {
        if self.phase != Phase::Restoring || self.restoring > 0 {
            return false;
        }
        self.phase = Phase::Connected;
        wake_all(&mut self.watchers);
        self.pass_turn();
        true
    }

    /// The connection is gone: what was not written is lost, and nobody waits for answers any more.
    pub(super) fn disconnected(&mut self, wakers: &mut Vec<Waker>) {
        self.connection += 1;
        self.socket = None;
        self.broken = None;
        self.reading_held = false;
        self.writing = false;
        self.blocked = false;
        self.urgent = false;
        self.taken = 0;
        self.queue = SendQueue::default();
        self.restoring = 0;
        self.written_bytes = self.appended_bytes;
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Disconnected;
        }
        self.pending.end_all(self.tick, Verdict::ConnectionLost, wakers);
        wake_all(&mut self.watchers);
        self.line.wake_all();
    }

    /// Nothing is taken from now on.
    pub(super) fn seal(&mut self) {
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Closing;
            self.line.wake_all();
            wake_all(&mut self.watchers);
            self.wake_driver();
        }
    }

    /// This is the end.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Closed;
        self.line.wake_all();
        wake_all(&mut self.watchers);
    }

    /// Whether everything taken is written and answered.
    pub(super) const fn is_drained(&self) -> bool {
        self.queued() == 0 && self.pending.waiting() == 0
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
            self.filters.forget(&asked);
        }
    }

    /// How much was appended so far on this connection: what [`poll_written`](Self::poll_written) waits for.
    pub(super) const fn mark(&self) -> (u64, u64) {
        (self.connection, self.appended_bytes)
    }

    /// Ready when everything appended until `mark` is written, or never will be.
    pub(super) fn poll_written(&mut self, mark: (u64, u64), cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (connection, bytes) = mark;
        if connection != self.connection {
            return Poll::Ready(Err(Error::ConnectionLost));
        }
        if self.written_bytes >= bytes {
            return Poll::Ready(Ok(()));
        }
        self.watchers.push(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when there is a connection, or never will be again: then it says no.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.phase {
            Phase::Connected => Poll::Ready(true),
            Phase::Closing | Phase::Closed => Poll::Ready(false),
            Phase::Disconnected | Phase::Restoring => {
                self.watchers.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready when nothing is taken any more; for the connection's task.
    pub(super) fn poll_sealed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.register_driver(cx.waker());
        match self.phase {
            Phase::Closing | Phase::Closed => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready at the very end.
    pub(super) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        if self.phase == Phase::Closed {
            return Poll::Ready(self.farewell);
        }
        self.watchers.push(cx.waker().clone());
        Poll::Pending
    }
}

impl From<OperationId> for Ticket {
    fn from(id: OperationId) -> Self {
        Self(id.0)
    }
}

impl Batch {
    /// Writes until everything is written or the socket is full.
    fn write(&mut self, write: impl Fn(&Socket, &[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        while !self.queue.is_empty() {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let filled = self.queue.front(&mut parts);
            match write(&self.socket, &parts[..filled]) {
                Ok(n) => self.queue.advance(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes as a sender does, and gives the token back. What is left, or came meanwhile, is for the connection's
    /// task.
    pub(super) fn flush(mut self, outbox: &Mutex<Outbox>) {
        let written = self.write(Socket::write);
        let mut outbox = outbox.lock();
        outbox.give_back(self, written);
        if !outbox.queue.is_empty() || outbox.broken.is_some() || outbox.phase == Phase::Closing {
            outbox.wake_driver();
        }
    }

    /// Writes as the connection's task does, and gives the token back; the task then looks at the
    /// [`standing`](Outbox::standing).
    pub(super) fn flush_when_ready(mut self, outbox: &Mutex<Outbox>) {
        let written = self.write(Socket::write_when_ready);
        outbox.lock().give_back(self, written);
    }
}

fn wake_all(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        waker.wake();
    }
}
