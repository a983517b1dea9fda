//! Notifications, publications, broadcasts and plain messages: handled in order, one after the other.
use std::{
    collections::VecDeque,
    fmt,
    ops::ControlFlow,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use elbus_client::{Frame, Kind as FrameKind};
use elbus_proto::rpc::{self, Payload};
use parking_lot::Mutex;

use crate::{Rpc, shared::Shared};

/// Something that arrived and is no request: a notification, a publication, a broadcast or a plain message.
#[derive(Clone, Debug)]
pub struct Arrival {
    frame: Frame,
    /// Where the payload begins, behind what RPC puts in front.
    payload_at: usize,
    rpc: Rpc,
}

impl Arrival {
    /// The full name of the client that sent it; the broker vouches for it.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.frame.sender()
    }

    /// The topic of a publication.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.frame.topic()
    }

    /// What was sent; of a notification, without RPC's header.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame.payload()[self.payload_at..]
    }

    /// The frame as it came; that of a notification begins with RPC's header.
    #[must_use]
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The layer that it came to: to call others.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }
}

/// What something that is no request is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Notification,
    Publication,
    Broadcast,
    Message,
}

type Handler = Box<dyn Fn(Arrival) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What waits to be heard, and who hears it.
#[derive(Default)]
pub(crate) struct Events {
    handlers: [Option<Handler>; 4],
    limit: usize,
    bytes_limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Kind, Frame)>,
    bytes: usize,
    /// A task hears what waits.
    heard: bool,
    /// What came last was left out: told once.
    overflowing: bool,
}

impl Events {
    pub(super) fn on(&mut self, kind: Kind, handler: Handler) {
        self.handlers[kind as usize] = Some(handler);
    }

    pub(super) const fn limit(&mut self, events: usize, bytes: usize) {
        self.limit = events;
        self.bytes_limit = bytes;
    }

    pub(super) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Queues what somebody wants to hear.
    pub(super) fn take(&self, shared: &Arc<Shared>, frame: Frame) {
        let kind = Kind::of(&frame);
        if self.handlers[kind as usize].is_none() {
            return;
        }
        let mut state = self.state.lock();
        if state.queue.len() >= self.limit || state.bytes >= self.bytes_limit {
            shared.events_dropped.fetch_add(1, Relaxed);
            if !std::mem::replace(&mut state.overflowing, true) {
                drop(state);
                tracing::warn!(
                    limit = self.limit,
                    bytes = self.bytes_limit,
                    ?kind,
                    "too much waits to be handled: some of it is left out"
                );
            }
            return;
        }
        state.overflowing = false;
        state.bytes += frame.payload().len();
        state.queue.push_back((kind, frame));
        let start = !std::mem::replace(&mut state.heard, true);
        drop(state);
        if start {
            shared.runtime.spawn(hear(Hearing(Arc::clone(shared))));
        }
    }

    /// The next one; breaks, and lets somebody else begin, when there is none.
    fn next(&self) -> ControlFlow<(), (Kind, Frame)> {
        let mut state = self.state.lock();
        let Some((kind, frame)) = state.queue.pop_front() else {
            state.heard = false;
            return ControlFlow::Break(());
        };
        state.bytes -= frame.payload().len();
        ControlFlow::Continue((kind, frame))
    }
}

impl Kind {
    fn of(frame: &Frame) -> Self {
        match frame.kind() {
            FrameKind::Publication => Self::Publication,
            FrameKind::Broadcast => Self::Broadcast,
            FrameKind::Message => match rpc::decode(frame.payload()) {
                Ok(Payload::Notification(_)) => Self::Notification,
                _ => Self::Message,
            },
        }
    }
}

/// The task that hears what waits. When a handler panics, another task goes on.
struct Hearing(Arc<Shared>);

impl Drop for Hearing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a handler of what is no request panicked");
            let shared = Arc::clone(&self.0);
            self.0.runtime.spawn(hear(Hearing(shared)));
        }
    }
}

async fn hear(hearing: Hearing) {
    let shared = &hearing.0;
    let events = shared.router.events();
    while let ControlFlow::Continue((kind, frame)) = events.next() {
        if let Some(handler) = &events.handlers[kind as usize] {
            let payload_at = usize::from(matches!(kind, Kind::Notification));
            let rpc = Rpc::of(Arc::clone(shared));
            handler(Arrival {
                frame,
                payload_at,
                rpc,
            })
            .await;
        }
        tokio::task::coop::consume_budget().await;
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
