//! A limit to how fast the log grows: whoever makes the server complain by the thousand does not fill its disk.
//!
//! Lines are counted by the place in the code that they come from, so that a flood of one kind hides no other. What is
//! left out is counted, and the log says how much it was. Lines for debugging are what the operator asked for: they
//! are not limited.
use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Lines of one kind that are written in a [`SPAN`].
const LINES: u32 = 50;

const SPAN: Duration = Duration::from_secs(1);

/// A limit to the lines of each kind.
#[derive(Clone, Default)]
pub(crate) struct Flood(Arc<Lately>);

/// What was logged lately.
#[derive(Default)]
struct Lately {
    kinds: Mutex<HashMap<Identifier, Kind>>,
    /// Told when a line is left out.
    began: Notify,
}

/// The lines from one place.
struct Kind {
    /// What they say.
    message: String,
    /// When the span began to which `lines` belongs.
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Flood {
    /// Says what was left out, a [`SPAN`] after it began, again and again.
    pub(crate) async fn tell(&self) {
        loop {
            self.0.began.notified().await;
            tokio::time::sleep(SPAN).await;
            self.say_left_out();
        }
    }

    /// Says what was left out and not said yet.
    pub(crate) fn say_left_out(&self) {
        // The lock is free again when the log is written to.
        let left_out: Vec<_> = self
            .kinds()
            .values_mut()
            .filter(|kind| kind.left_out > 0)
            .map(|kind| (kind.message.clone(), std::mem::take(&mut kind.left_out)))
            .collect();
        for (like, lines) in left_out {
            tracing::warn!(lines, like, "lines left out of the log");
        }
    }

    /// Counts a line; answers whether it is to be written.
    fn admit(&self, event: &Event<'_>, now: Instant) -> bool {
        let mut kinds = self.kinds();
        let kind = kinds
            .entry(event.metadata().callsite())
            .or_insert_with(|| Kind::new(event, now));
        if now.duration_since(kind.since) >= SPAN {
            kind.since = now;
            kind.lines = 0;
        }
        if kind.lines < LINES {
            kind.lines += 1;
            return true;
        }
        kind.left_out += 1;
        self.0.began.notify_one();
        false
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        // The counts are whole after every step.
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Flood {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let is_limited = *event.metadata().level() <= Level::INFO;
        !is_limited || self.admit(event, Instant::now())
    }
}

impl Kind {
    fn new(event: &Event<'_>, since: Instant) -> Self {
        let mut message = Message(String::new());
        event.record(&mut message);
        Self {
            message: message.0,
            since,
            lines: 0,
            left_out: 0,
        }
    }
}

/// What an event says, without its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
