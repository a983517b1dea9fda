//! The task of one connection: writes what senders left, reads, keeps the clock.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{
    inbox::Level,
    outbox::{Outbox, Phase, Standing},
    pending::Verdict,
    reader::Reader,
    shared::Shared,
    stream::Socket,
};
use crate::{Disconnect, event::Event};

/// Parts of the time-out that the clock tells apart.
const TICKS: u32 = 8;

/// Chunks read before other tasks of the worker get their turn.
const CHUNKS: usize = 4;

/// The task of one connection.
pub(super) struct Driver<'a> {
    shared: &'a Shared,
    socket: Arc<Socket>,
    reader: Reader,
    wakers: Vec<Waker>,
    clock: Pin<Box<Sleep>>,
    tick: Duration,
    next_ping: Instant,
    /// Ends the time for which frames are held up.
    hold: Option<Pin<Box<Sleep>>>,
    /// The tick since which the socket is full and takes nothing.
    stuck: Option<u32>,
    /// A full socket is tried whatever is reported: a UNIX socket takes bytes long before it is reported writable.
    probing: bool,
    /// That was told to those who listen.
    held_back: bool,
    /// The inbox has no room, which was told to those who listen.
    lagging: bool,
    /// When the client was closed, in ticks; and whether the broker knows.
    closing: Option<u32>,
    said_goodbye: bool,
}

impl<'a> Driver<'a> {
    pub(super) fn new(shared: &'a Shared, socket: Arc<Socket>) -> Self {
        let tick = shared.options.timeout / TICKS;
        let now = Instant::now();
        Self {
            socket,
            reader: Reader::new(shared.options.frame_limit),
            wakers: Vec::new(),
            clock: Box::pin(tokio::time::sleep_until(now + tick)),
            tick,
            next_ping: now + shared.options.ping_interval,
            hold: None,
            stuck: None,
            probing: false,
            held_back: false,
            lagging: false,
            closing: None,
            said_goodbye: false,
            shared,
        }
    }

    /// Ready when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        for _ in 0..CHUNKS {
            if let Poll::Ready(why) = self.poll_write(cx) {
                return Poll::Ready(why);
            }
            if self.clock.as_mut().poll(cx).is_ready() {
                if let Some(why) = self.ticked() {
                    return Poll::Ready(why);
                }
                self.clock.as_mut().reset(Instant::now() + self.tick);
                continue;
            }
            if let Err(why) = ready!(self.poll_read(cx)) {
                return Poll::Ready(why);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what waits; ready when the connection is broken.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        loop {
            let mut outbox = self.shared.outbox.lock();
            outbox.register_driver(cx.waker());
            if outbox.phase == Phase::Closing {
                self.closing.get_or_insert(outbox.tick);
            }
            let batch = if outbox.is_held() { None } else { outbox.take() };
            drop(outbox);
            if let Some(batch) = batch {
                self.hold = None;
                let probing = std::mem::take(&mut self.probing);
                batch.flush_as_driver(&self.shared.outbox, probing);
            }
            let standing = self.shared.outbox.lock().standing();
            match standing {
                Standing::More => {}
                Standing::Broken(error) => return Poll::Ready(error.into()),
                Standing::Blocked => match ready!(self.socket.poll_writable(cx)) {
                    Ok(()) => self.shared.outbox.lock().blocked = false,
                    Err(error) => return Poll::Ready(error.into()),
                },
                Standing::Held => {
                    let ttl = self.shared.options.buf_ttl;
                    let hold = self.hold.get_or_insert_with(|| Box::pin(tokio::time::sleep(ttl)));
                    ready!(hold.as_mut().poll(cx));
                    self.hold = None;
                    self.shared.outbox.lock().urgent = true;
                }
                Standing::Idle => {
                    self.say_goodbye();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Tells the broker that nothing more comes, once everything is written and answered.
    fn say_goodbye(&mut self) {
        if self.closing.is_none() || self.said_goodbye {
            return;
        }
        let mut outbox = self.shared.outbox.lock();
        if outbox.is_drained() {
            outbox.farewell = Verdict::Answered(Ok(()));
            drop(outbox);
            self.socket.shutdown_write();
            self.said_goodbye = true;
        }
    }

    /// Reads and hands out one chunk; ready with an error when the connection has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        if !self.may_read() {
            return Poll::Pending;
        }
        ready!(self.socket.poll_readable(cx))?;
        let read = self.reader.read(&self.socket);
        self.hand_out();
        Poll::Ready(match read {
            Err(Disconnect::ByBroker) if self.said_goodbye => Err(Disconnect::Closed),
            read => read,
        })
    }

    /// Whether the inbox has room, or must be filled further because answers stand behind the frames.
    fn may_read(&mut self) -> bool {
        let level = self.shared.arrivals.level();
        let bytes = match level {
            Level::Room if !self.lagging => return true,
            Level::Room => {
                self.lagging = false;
                self.shared.outbox.lock().reading_held = false;
                return true;
            }
            Level::Full(bytes) | Level::Over(bytes) => bytes,
        };
        if !std::mem::replace(&mut self.lagging, true) {
            tracing::debug!(
                bytes,
                "inbox over its limit: nothing is read unless answers are waited for"
            );
            self.shared.tell(&Event::InboxLagging { bytes });
        }
        if self.said_goodbye {
            // What comes now is discarded.
            return true;
        }
        let mut outbox = self.shared.outbox.lock();
        let waiting = outbox.pending.waiting() > 0;
        outbox.reading_held = !waiting || matches!(level, Level::Over(_));
        if !outbox.reading_held {
            return true;
        }
        // Restoring goes on when the inbox has been emptied.
        if waiting && outbox.phase != Phase::Restoring {
            let now = outbox.tick;
            outbox.pending.end_all(now, Verdict::InboxFull, &mut self.wakers);
            drop(outbox);
            self.wake();
        }
        false
    }

    /// Hands out what a chunk held: frames first, because an answer promises that those before it are there.
    fn hand_out(&mut self) {
        if !self.reader.frames.is_empty() {
            if self.lagging && self.said_goodbye {
                self.reader.frames.clear();
            }
            let bytes = self.reader.frame_bytes;
            self.shared.arrivals.push(&mut self.reader.frames, bytes);
        }
        let mut outbox = self.shared.outbox.lock();
        outbox.progress = outbox.tick;
        if self.reader.answers.is_empty() {
            return;
        }
        outbox.answer(&mut self.reader.answers, &mut self.wakers);
        let restored = outbox.restored();
        outbox.pass_turn();
        drop(outbox);
        if restored {
            self.shared.restored();
        }
        self.wake();
    }

    fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    /// An eighth of the time-out has passed: ends what waits for too long, and the connection if it is dead.
    fn ticked(&mut self) -> Option<Disconnect> {
        let limit = self.shared.options.timeout;
        let mut outbox = self.shared.outbox.lock();
        outbox.tick = outbox.tick.wrapping_add(1);
        let now = outbox.tick;
        // Sent in the course of a tick: a whole time-out has passed one tick later.
        let over = |since: u32| now.wrapping_sub(since) > TICKS;
        if self.closing.is_some_and(over) {
            outbox.farewell = Verdict::TimedOut;
            return Some(Disconnect::Closed);
        }
        let mut silent = false;
        if !(outbox.reading_held && outbox.phase == Phase::Restoring) {
            let until = now.wrapping_sub(TICKS + 1);
            let ended = outbox.pending.end_all(until, Verdict::TimedOut, &mut self.wakers);
            let dead = over(outbox.progress) || outbox.phase == Phase::Restoring;
            silent = ended > 0 && dead && !outbox.reading_held;
        }
        silent |= self.is_stuck(&mut outbox, over);
        if Instant::now() >= self.next_ping {
            self.next_ping = Instant::now() + self.shared.options.ping_interval;
            if outbox.queued() == 0 && outbox.phase == Phase::Connected {
                outbox.ping();
                outbox.urgent = true;
            }
        }
        drop(outbox);
        self.wake();
        silent.then_some(Disconnect::Silent { limit })
    }

    /// Whether the broker has taken nothing for the time-out although the socket is full, and said nothing either.
    fn is_stuck(&mut self, outbox: &mut Outbox, over: impl Fn(u32) -> bool) -> bool {
        let now = outbox.tick;
        if !outbox.blocked || outbox.taken_at == now.wrapping_sub(1) {
            self.stuck = None;
            if std::mem::take(&mut self.held_back) {
                self.shared.tell(&Event::Released);
            }
        }
        if !outbox.blocked {
            return false;
        }
        let since = *self.stuck.get_or_insert(now);
        if since != now && !std::mem::replace(&mut self.held_back, true) {
            tracing::debug!(waiting = outbox.queued(), "the broker takes nothing");
            self.shared.tell(&Event::HeldBack);
        }
        outbox.blocked = false;
        self.probing = true;
        over(since) && over(outbox.progress)
    }
}
