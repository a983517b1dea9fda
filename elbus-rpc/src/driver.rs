//! Reads the inbox: completes calls, starts handlers, and keeps deadlines.
//!
//! It never waits for anything but the inbox: what cannot be handled now waits in bounded queues or is refused.
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use elbus_client::{Event, Events, Frame, Inbox, Kind};
use elbus_proto::{
    BROKER_INFO_TOPIC, BROKER_NAME,
    rpc::{self, Payload},
};
use tokio::time::{Instant, Sleep};

use crate::{CallError, Failure, shared::Shared, watch};

/// Frames taken from the inbox before other tasks get their turn.
const FRAMES: usize = 256;

/// Runs an RPC layer; ready when the client is closed or every [`Rpc`](crate::Rpc) is dropped.
///
/// Dropping it ends every call with [`Closed`](elbus_client::Error::Closed) and takes the client off the bus once every
/// handle is gone as well.
#[must_use = "nothing is received unless the driver is polled"]
pub struct Driver {
    shared: Arc<Shared>,
    inbox: Inbox,
    events: Option<Events>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Empty: keeps its memory from one time to the next.
    wakers: Vec<Waker>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Inbox) -> Self {
        Self {
            events: Some(shared.client.events()),
            shared,
            inbox,
            timer: None,
            wakers: Vec::new(),
        }
    }

    /// Ready when the inbox has ended.
    fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES {
            match ready!(self.inbox.poll_recv(cx)) {
                Some(frame) => self.take(frame),
                None => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take(&self, frame: Frame) {
        if frame.kind() != Kind::Message {
            self.note_departure(&frame);
            self.shared.router.take_event(&self.shared, frame);
            return;
        }
        let payload = frame.payload();
        match rpc::decode(payload) {
            Ok(Payload::Reply { id, result }) => {
                let result = payload.slice_ref(result);
                self.complete(&frame, id, Ok(result));
            }
            Ok(Payload::Error { id, code, reason }) => {
                let failure = Failure::new(code, payload.slice_ref(reason));
                self.complete(&frame, id, Err(CallError::Service(failure)));
            }
            Ok(Payload::Request { id, method, .. }) => {
                let method = method.len();
                self.shared.router.take_request(&self.shared, frame, id, method);
            }
            Ok(Payload::Notification(_)) | Err(_) => self.shared.router.take_event(&self.shared, frame),
        }
    }

    fn complete(&self, frame: &Frame, id: u32, outcome: Result<bytes::Bytes, CallError>) {
        let waker = self.shared.pending.lock().complete(id, frame.sender(), outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the calls to a client of which the broker says that it is gone.
    fn note_departure(&self, frame: &Frame) {
        if frame.topic() == Some(BROKER_INFO_TOPIC)
            && frame.sender() == BROKER_NAME
            && let Some(name) = watch::who_left(frame.payload())
        {
            self.shared.end_calls(|pending| pending.target_left(&name));
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) {
        while let Some(events) = &mut self.events {
            match events.poll_recv(cx) {
                Poll::Ready(Some(Event::Disconnected { .. } | Event::Missed { .. })) => {
                    self.shared.end_calls(crate::pending::Pending::connection_lost);
                }
                Poll::Ready(Some(Event::Connected)) => self.shared.pending.lock().connected(),
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => self.events = None,
                Poll::Pending => return,
            }
        }
    }

    /// Ends what is late, now and whenever it is time.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) {
        loop {
            let check_at = self.shared.pending.lock().register_driver(cx);
            let Some(at) = check_at else {
                return;
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            let mut pending = self.shared.pending.lock();
            let look = pending.look(Instant::now());
            if look.slow {
                pending.watched = true;
            }
            drop(pending);
            for waker in look.wakers {
                waker.wake();
            }
            if look.slow {
                self.shared.runtime.spawn(watch::watch(Arc::clone(&self.shared)));
            }
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Deadlines first: that registers this task to be woken by handles that go.
        self.poll_deadlines(cx);
        if self.shared.is_abandoned() {
            return Poll::Ready(());
        }
        // What has arrived before the connection was lost counts.
        let inbox = self.poll_inbox(cx);
        let this = &mut *self;
        this.shared.pending.lock().take_verdicts(&mut this.wakers);
        for waker in this.wakers.drain(..) {
            waker.wake();
        }
        self.poll_events(cx);
        inbox
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end_calls(crate::pending::Pending::close);
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("client", &self.shared.client)
            .finish_non_exhaustive()
    }
}
