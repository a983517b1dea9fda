//! What time does to a connection: pings, operations that wait for too long, a broker that is dead or takes nothing.
use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use super::{
    outbox::{Outbox, Phase},
    pending::Verdict,
};
use crate::{Disconnect, Event, Options};

/// Parts of the time-out that the clock tells apart.
const TICKS: u32 = 8;

/// The clock of one connection; it ticks each eighth of the time-out.
pub(super) struct Clock {
    sleep: Pin<Box<Sleep>>,
    tick: Duration,
    limit: Duration,
    next_ping: Instant,
    ping_interval: Duration,
    /// When the client was closed.
    closing: Option<u32>,
    /// Since when nothing can be written any more.
    broken: Option<u32>,
    /// Since when the socket is full and takes nothing.
    stuck: Option<u32>,
    /// That was told to those who listen.
    held_back: bool,
}

/// What a tick has brought about.
#[derive(Debug, Default)]
pub(super) struct Ticked {
    pub(super) end: Option<Disconnect>,
    pub(super) event: Option<Event>,
    /// A full socket is to be tried whatever is reported: a UNIX socket takes bytes long before it is reported
    /// writable.
    pub(super) probe: bool,
}

impl Clock {
    pub(super) fn new(options: &Options) -> Self {
        let tick = options.timeout / TICKS;
        let now = Instant::now();
        Self {
            sleep: Box::pin(tokio::time::sleep_until(now + tick)),
            tick,
            limit: options.timeout,
            next_ping: now + options.ping_interval,
            ping_interval: options.ping_interval,
            closing: None,
            broken: None,
            stuck: None,
            held_back: false,
        }
    }

    /// Ready once each tick.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        self.sleep.as_mut().reset(Instant::now() + self.tick);
        Poll::Ready(())
    }

    /// The client was closed.
    pub(super) fn close(&mut self, outbox: &Outbox) {
        self.closing.get_or_insert(outbox.tick);
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// A tick has passed.
    pub(super) fn tick(&mut self, outbox: &mut Outbox, wakers: &mut Vec<Waker>) -> Ticked {
        outbox.tick = outbox.tick.wrapping_add(1);
        if self.closing.is_some_and(|since| is_over(outbox, since)) {
            outbox.farewell = Verdict::TimedOut;
            return Disconnect::Closed.into();
        }
        if self.is_broken(outbox)
            && let Some(error) = outbox.take_error()
        {
            return Disconnect::Io(error).into();
        }
        let silent = expire(outbox, wakers);
        let mut ticked = self.watch(outbox);
        if silent {
            ticked.end = Some(Disconnect::Silent { limit: self.limit });
        }
        // The next tick would be too late.
        if Instant::now() + self.tick > self.next_ping {
            self.next_ping = Instant::now() + self.ping_interval;
            if outbox.queued() == 0 && outbox.phase == Phase::Connected {
                outbox.ping();
                outbox.urgent = true;
            }
        }
        ticked
    }

    /// Whether nothing can be written, and what had arrived before has been read or will not be.
    fn is_broken(&mut self, outbox: &Outbox) -> bool {
        if !outbox.is_broken() {
            return false;
        }
        let since = *self.broken.get_or_insert(outbox.tick);
        is_over(outbox, since) || !outbox.reading_held && since != outbox.tick
    }

    /// Whether the broker takes anything although the socket is full.
    fn watch(&mut self, outbox: &mut Outbox) -> Ticked {
        let now = outbox.tick;
        let mut ticked = Ticked::default();
        if !outbox.blocked || outbox.taken_at == now.wrapping_sub(1) {
            self.stuck = None;
            if std::mem::take(&mut self.held_back) {
                ticked.event = Some(Event::Released);
            }
        }
        if !outbox.blocked {
            return ticked;
        }
        let since = *self.stuck.get_or_insert(now);
        if since != now && !std::mem::replace(&mut self.held_back, true) {
            ticked.event = Some(Event::HeldBack);
        }
        outbox.blocked = false;
        ticked.probe = true;
        if is_over(outbox, since) && is_over(outbox, outbox.progress) {
            ticked.end = Some(Disconnect::Silent { limit: self.limit });
        }
        ticked
    }
}

/// Ends operations that wait for too long; says whether the broker, which gave no other sign of life either, is dead.
fn expire(outbox: &mut Outbox, wakers: &mut Vec<Waker>) -> bool {
    if outbox.reading_held && outbox.phase == Phase::Restoring {
        return false;
    }
    let until = outbox.tick.wrapping_sub(TICKS + 1);
    let ended = outbox.pending.end_all(until, Verdict::TimedOut, wakers);
    if ended > 0 {
        outbox.pass_turn();
    }
    let silent = is_over(outbox, outbox.progress) || outbox.phase == Phase::Restoring;
    ended > 0 && silent && !outbox.reading_held
}

/// Whether a whole time-out has passed since this tick: what happens in the course of one is as old as its end.
const fn is_over(outbox: &Outbox, since: u32) -> bool {
    outbox.tick.wrapping_sub(since) > TICKS
}

impl From<Disconnect> for Ticked {
    fn from(end: Disconnect) -> Self {
        Self {
            end: Some(end),
            ..Self::default()
        }
    }
}
