//! What a client, its inbox and its connection's task share, and the life of an operation in it.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::{
    inbox::Arrivals,
    line::Place,
    outbox::{Admission, Appended, Guarded, Outbox, Phase},
    pending::{OperationId, Verdict},
    request::{Limits, Request, WaitingRequest},
    stream::Socket,
};
use crate::{
    Address, Error, Options,
    event::Event,
    link::{Listeners, Operation, Submitted, Ticket},
};
use elbus_proto::Qos;

/// What a client, its inbox and its connection's task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) address: Address,
    limits: Limits,
    pub(super) outbox: Guarded,
    pub(super) arrivals: Arrivals,
    pub(super) listeners: Listeners,
    /// The primary of this secondary.
    pub(super) primary: Option<Arc<Shared>>,
    pub(super) secondaries: AtomicU32,
}

impl Shared {
    pub(super) fn new(options: Options, address: Address, primary: Option<Arc<Self>>) -> Self {
        let limits = Limits {
            names: options.names,
            topics: options.topics,
            frame: options.frame_limit,
        };
        let outbox = Outbox::new(
            options.outbox_limit,
            options.filter_limit,
            options.in_flight_limit,
            !options.buf_ttl.is_zero(),
        );
        Self {
            limits,
            outbox: Guarded::new(outbox),
            arrivals: Arrivals::new(options.inbox_limit, options.inbox_hard_limit),
            listeners: Listeners::default(),
            primary,
            secondaries: AtomicU32::new(0),
            options,
            address,
        }
    }

    /// Takes an operation; what is due is written at once.
    pub(super) fn submit(
        self: &Arc<Self>,
        operation: &mut Operation<'_>,
        qos: Qos,
        awaited: bool,
    ) -> Submitted {
        self.see_to(self.take(operation, qos, awaited))
    }

    /// Takes an operation; the caller writes what is due.
    #[inline]
    pub(super) fn take(
        self: &Arc<Self>,
        operation: &mut Operation<'_>,
        qos: Qos,
        awaited: bool,
    ) -> Result<Appended, Box<Submitted>> {
        let request = Request::new(operation);
        self.outbox.with(|outbox| {
            if let Err(error) = request.check(&self.limits, &mut outbox.checked) {
                return Err(failed(error));
            }
            match outbox.admit(None) {
                Admission::Closed => Err(failed(Error::Closed)),
                Admission::NotConnected if self.options.wait_while_disconnected.is_none() => {
                    Err(failed(Error::NotConnected))
                }
                Admission::NotConnected | Admission::Full => {
                    let waiting = wait_and_append(Arc::clone(self), request.to_waiting(qos));
                    Err(Box::new(Submitted::Later(Box::pin(waiting))))
                }
                Admission::Granted => outbox.append(&request, qos, awaited).map_err(failed),
            }
        })
    }

    /// Writes what the sender itself is to write.
    #[inline]
    fn see_to(&self, appended: Result<Appended, Box<Submitted>>) -> Submitted {
        let appended = match appended {
            Ok(appended) => appended,
            Err(submitted) => return *submitted,
        };
        if appended.is_due {
            self.write_due();
        }
        Submitted::Taken {
            ticket: appended.id.map(Ticket::from),
            pause: appended.gathered,
        }
    }

    fn write_due(&self) {
        if let Some(batch) = self.outbox.with(Outbox::take_due) {
            batch.flush(&self.outbox, Socket::write);
        }
    }

    pub(super) fn poll_verdict(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let id = OperationId(ticket.0);
        match self.outbox.with(|outbox| outbox.pending.take(id, cx.waker())) {
            None => Poll::Pending,
            // The usual one makes no result that would have to be moved.
            Some(Verdict::Answered(Ok(()))) => Poll::Ready(Ok(())),
            Some(verdict) => Poll::Ready(self.result(verdict)),
        }
    }

    fn result(&self, verdict: Verdict) -> Result<(), Error> {
        match verdict {
            Verdict::Answered(result) => result.map_err(Error::Refused),
            Verdict::ConnectionLost => Err(Error::ConnectionLost),
            Verdict::TimedOut => Err(Error::TimedOut {
                limit: self.options.timeout,
            }),
            Verdict::InboxFull => Err(Error::InboxFull {
                limit: self.options.inbox_hard_limit,
            }),
        }
    }

    pub(super) fn abandon(&self, ticket: Ticket) {
        self.outbox.with(|outbox| {
            outbox.pending.abandon(OperationId(ticket.0));
            if outbox.phase == Phase::Closing {
                outbox.wake_driver();
            }
        });
    }

    /// Ready when everything appended until now is written.
    pub(super) async fn flush(self: Arc<Self>) -> Result<(), Error> {
        let mark = self.outbox.with(|outbox| {
            outbox.urgent = true;
            outbox.wake_driver();
            outbox.mark()
        })?;
        std::future::poll_fn(|cx| self.outbox.with(|outbox| outbox.poll_written(mark, cx))).await
    }

    /// Ready at the end, which [`seal`](Self::seal) brings about.
    pub(super) async fn closed(self: Arc<Self>) -> Result<(), Error> {
        let farewell = std::future::poll_fn(|cx| self.outbox.with(|outbox| outbox.poll_closed(cx))).await;
        self.result(farewell)
    }

    /// Takes nothing from now on; what was taken is still written.
    pub(super) fn seal(&self) {
        self.outbox.with(Outbox::seal);
    }

    /// A connection is there.
    pub(super) fn connected(&self, socket: &Arc<Socket>) {
        let restored = self.outbox.with(|outbox| {
            outbox.connected(Arc::clone(socket));
            outbox.restored()
        });
        if restored {
            self.restored();
        }
    }

    /// Everything that was subscribed is so again.
    pub(super) fn restored(&self) {
        self.tell(&Event::Connected);
    }

    /// The connection is gone: those who wait for answers learn it at once.
    pub(super) fn disconnected(&self) {
        let mut wakers = Vec::new();
        self.outbox.with(|outbox| outbox.disconnected(&mut wakers));
        for waker in wakers {
            waker.wake();
        }
    }

    /// There will be no other connection.
    pub(super) fn end(&self) {
        // Whoever sees the inbox end finds the client closed.
        self.outbox.with(Outbox::close);
        self.arrivals.close();
        self.listeners.end();
    }

    pub(super) fn tell(&self, event: &Event) {
        self.listeners.tell(event);
    }

    /// Whether this is a secondary, and its primary was closed.
    pub(super) fn primary_is_gone(&self) -> bool {
        let phase = self
            .primary
            .as_ref()
            .map(|primary| primary.outbox.with(|outbox| outbox.phase));
        matches!(phase, Some(Phase::Closing | Phase::Closed))
    }

    pub(super) fn next_secondary(&self) -> u32 {
        self.secondaries.fetch_add(1, Relaxed) + 1
    }

    fn poll_turn(
        &self,
        request: &WaitingRequest,
        place: &mut Option<Place>,
        waker: &Waker,
    ) -> Poll<Submitted> {
        let appended = self.outbox.with(|outbox| match outbox.admit(*place) {
            Admission::Closed => Poll::Ready(Err(failed(Error::Closed))),
            Admission::NotConnected if self.options.wait_while_disconnected.is_none() => {
                Poll::Ready(Err(failed(Error::NotConnected)))
            }
            Admission::NotConnected | Admission::Full => {
                outbox.line.wait(place, waker);
                Poll::Pending
            }
            Admission::Granted => {
                let appended = outbox.append_waiting(request).map_err(failed);
                if let Some(place) = place.take() {
                    outbox.line.leave(place);
                }
                outbox.pass_turn();
                Poll::Ready(appended)
            }
        });
        appended.map(|appended| self.see_to(appended))
    }
}

/// Boxed, as is everything that is not appended at once: the way of what is should be short.
#[cold]
fn failed(error: Error) -> Box<Submitted> {
    Box::new(Submitted::Done(Err(error)))
}

/// A place in the line, given up when it is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    place: Option<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.shared.outbox.with(|outbox| {
                outbox.line.leave(place);
                outbox.pass_turn();
            });
        }
    }
}

async fn wait_and_append(shared: Arc<Shared>, request: WaitingRequest) -> Submitted {
    let mut waiting = Waiting {
        shared: &shared,
        place: None,
    };
    let turn = std::future::poll_fn(|cx| shared.poll_turn(&request, &mut waiting.place, cx.waker()));
    let Some(limit) = shared.options.wait_while_disconnected else {
        return turn.await;
    };
    tokio::select! {
        biased;
        submitted = turn => submitted,
        () = disconnected_for(&shared, limit) => Submitted::Done(Err(Error::StillNotConnected { limit })),
    }
}

/// Ready when there has been no connection for so long, counted from now at the earliest.
async fn disconnected_for(shared: &Shared, limit: Duration) {
    let started = Instant::now();
    loop {
        let gone = std::future::poll_fn(|cx| shared.outbox.with(|outbox| outbox.poll_disconnected(cx)));
        let since = gone.await.max(started);
        let back = std::future::poll_fn(|cx| shared.outbox.with(|outbox| outbox.poll_connected(cx)));
        tokio::select! {
            biased;
            _ = back => {}
            () = tokio::time::sleep(limit.saturating_sub(since.elapsed())) => return,
        }
    }
}
