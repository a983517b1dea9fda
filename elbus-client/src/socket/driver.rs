//! The task of one connection: writes what senders left, reads, keeps the clock.
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use tokio::time::Sleep;

use super::{
    clock::Clock,
    inbox::Level,
    outbox::{Outbox, Phase, Standing},
    pending::Verdict,
    reader::Reader,
    shared::Shared,
    stream::Socket,
};
use crate::{Disconnect, event::Event, readiness::Room};

/// Chunks read before other tasks of the worker get their turn.
const CHUNKS: usize = 4;

/// Batches written before the clock and the reader get their turn: senders on other workers may bring new ones for ever.
const BATCHES: usize = 8;

/// The task of one connection.
pub(super) struct Driver<'a> {
    shared: &'a Shared,
    socket: Arc<Socket>,
    reader: Reader,
    wakers: Vec<Waker>,
    clock: Clock,
    /// Ends the time for which frames are held up.
    hold: Option<Pin<Box<Sleep>>>,
    /// Since the socket was full, until it has not been for a while.
    room: Option<Room>,
    /// The socket was full since the last tick.
    was_full: bool,
    /// A full socket is tried whatever is reported: a UNIX socket takes bytes long before it is reported writable.
    probing: bool,
    /// The inbox has no room.
    inbox_full: bool,
    /// It had none, which was told to those who listen, and has not been half empty since.
    lagging: bool,
    /// The client was closed, and the broker knows.
    said_goodbye: bool,
}

impl<'a> Driver<'a> {
    pub(super) fn new(shared: &'a Shared, socket: Arc<Socket>) -> Self {
        Self {
            socket,
            reader: Reader::new(shared.options.frame_limit),
            wakers: Vec::new(),
            clock: Clock::new(&shared.options),
            hold: None,
            room: None,
            was_full: false,
            probing: false,
            inbox_full: false,
            lagging: false,
            said_goodbye: false,
            shared,
        }
    }

    /// Ready when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        for _ in 0..CHUNKS {
            self.write(cx);
            if self.clock.poll(cx).is_ready() {
                if let Some(why) = self.tick() {
                    return Poll::Ready(why);
                }
                continue;
            }
            if let Err(why) = ready!(self.poll_read(cx)) {
                return Poll::Ready(why);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what waits until there is nothing more, or the task is woken when it can go on.
    fn write(&mut self, cx: &mut Context<'_>) {
        for _ in 0..BATCHES {
            match self.write_batch(cx) {
                Standing::More => {}
                // What had arrived before is read first.
                Standing::Broken => return,
                Standing::Blocked => {
                    self.was_full = true;
                    let room = self.room.get_or_insert_default();
                    match room.poll(&*self.socket, cx) {
                        Poll::Ready(ready) => self.shared.outbox.with(|outbox| outbox.unblock(ready)),
                        Poll::Pending => return,
                    }
                }
                Standing::Held => {
                    let ttl = self.shared.options.buf_ttl;
                    let hold = self.hold.get_or_insert_with(|| Box::pin(tokio::time::sleep(ttl)));
                    if hold.as_mut().poll(cx).is_pending() {
                        return;
                    }
                    self.hold = None;
                    self.shared.outbox.with(|outbox| outbox.urgent = true);
                }
                Standing::Idle => return self.say_goodbye(),
            }
        }
        cx.waker().wake_by_ref();
    }

    fn write_batch(&mut self, cx: &Context<'_>) -> Standing {
        let taken = self.shared.outbox.with(|outbox| {
            outbox.register_driver(cx.waker());
            if outbox.phase == Phase::Closing {
                self.clock.close(outbox);
            }
            let batch = if outbox.is_held() { None } else { outbox.take() };
            batch.ok_or_else(|| outbox.standing())
        });
        match taken {
            Ok(batch) => {
                self.hold = None;
                let probing = std::mem::take(&mut self.probing);
                let room = self.room.as_ref().filter(|_| !probing);
                batch.flush_as_driver(&self.shared.outbox, room)
            }
            Err(standing) => standing,
        }
    }

    /// Tells the broker that nothing more comes, once everything is written and answered.
    fn say_goodbye(&mut self) {
        if !self.clock.is_closing() || self.said_goodbye {
            return;
        }
        self.said_goodbye = self.shared.outbox.with(|outbox| {
            let drained = outbox.is_drained();
            if drained {
                outbox.farewell = Verdict::Answered(Ok(()));
            }
            drained
        });
        if self.said_goodbye {
            self.socket.shutdown_write();
        }
    }

    /// Reads and hands out one chunk; ready with an error when the connection has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Disconnect>> {
        let Some(room) = self.room_to_read() else {
            return Poll::Pending;
        };
        ready!(self.socket.poll_readable(cx))?;
        let read = self.reader.read(&*self.socket, room);
        self.hand_out();
        Poll::Ready(read.map_err(|why| match why {
            Disconnect::ByBroker if self.said_goodbye => Disconnect::Closed,
            why => self.write_error().unwrap_or(why),
        }))
    }

    /// What ended the connection before it was read to its end. That the broker has closed it is no such thing.
    fn write_error(&self) -> Option<Disconnect> {
        let error = self.shared.outbox.with(Outbox::take_error)?;
        (error.kind() != io::ErrorKind::BrokenPipe).then(|| error.into())
    }

    /// How much room the inbox has; as much as one likes where it must be filled further because answers stand behind the
    /// frames, and none where nothing is to be read.
    fn room_to_read(&mut self) -> Option<usize> {
        let level = self.shared.arrivals.level();
        let bytes = match level {
            Level::Room(room) => {
                if std::mem::take(&mut self.inbox_full) {
                    self.shared.outbox.with(|outbox| {
                        outbox.reading_held = false;
                        // It was not the broker that kept silent.
                        outbox.progress = outbox.tick;
                    });
                }
                self.lagging &= room < self.shared.options.inbox_limit / 2;
                return Some(room);
            }
            Level::Full(bytes) | Level::Over(bytes) => bytes,
        };
        self.inbox_full = true;
        if !std::mem::replace(&mut self.lagging, true) {
            tracing::debug!(
                bytes,
                "inbox over its limit: nothing is read unless answers are waited for"
            );
            self.shared.tell(&Event::InboxLagging { bytes });
        }
        if self.said_goodbye {
            // What comes now is discarded.
            return Some(usize::MAX);
        }
        let may_read = self.shared.outbox.with(|outbox| {
            let waiting = outbox.pending.waiting() > 0;
            outbox.reading_held = !waiting || matches!(level, Level::Over(_));
            // Restoring goes on when the inbox has been emptied.
            if outbox.reading_held && waiting && outbox.phase != Phase::Restoring {
                let now = outbox.tick;
                outbox.pending.end_all(now, Verdict::InboxFull, &mut self.wakers);
                if self.clock.is_closing() {
                    outbox.wake_driver();
                }
            }
            !outbox.reading_held
        });
        self.wake();
        may_read.then_some(usize::MAX)
    }

    /// Hands out what a chunk held: frames first, because an answer promises that those before it are there.
    fn hand_out(&mut self) {
        if self.inbox_full && self.said_goodbye {
            self.reader.frames.clear();
        }
        if !self.reader.frames.is_empty() {
            let bytes = self.reader.frame_bytes;
            self.shared.arrivals.push(&mut self.reader.frames, bytes);
        }
        let restored = self.shared.outbox.with(|outbox| {
            outbox.progress = outbox.tick;
            if self.reader.answers.is_empty() {
                return false;
            }
            outbox.answer(&mut self.reader.answers, &mut self.wakers);
            outbox.pass_turn();
            outbox.restored()
        });
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

    fn tick(&mut self) -> Option<Disconnect> {
        let (clock, wakers) = (&mut self.clock, &mut self.wakers);
        let ticked = self.shared.outbox.with(|outbox| clock.tick(outbox, wakers));
        self.wake();
        self.probing |= ticked.probe;
        if !std::mem::take(&mut self.was_full) {
            self.room = None;
        }
        if let Some(event) = ticked.event {
            tracing::debug!(?event, "the broker takes frames slowly");
            self.shared.tell(&event);
        }
        ticked.end
    }
}
