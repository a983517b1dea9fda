//! What a client, its inbox and its connection's task share, and the life of an operation in it.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use elbus_proto::Qos;
use parking_lot::{Mutex, MutexGuard};

use super::{
    inbox::Arrivals,
    line::Place,
    outbox::{Admission, Appended, Outbox, Phase},
    pending::{OperationId, Verdict},
    request::{Limits, Request, WaitingRequest},
    stream::Socket,
};
use crate::{
    Address, Error, Options,
    event::Event,
    link::{Listeners, Operation, Submitted, Ticket},
};

/// What a client, its inbox and its connection's task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) address: Address,
    limits: Limits,
    pub(super) outbox: Mutex<Outbox>,
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
            outbox: Mutex::new(outbox),
            arrivals: Arrivals::new(options.inbox_limit, options.inbox_hard_limit),
            listeners: Listeners::default(),
            primary,
            secondaries: AtomicU32::new(0),
            options,
            address,
        }
    }

    /// Takes an operation; what is due is written at once.
    pub(super) fn submit(self: &Arc<Self>, operation: Operation<'_>, qos: Qos, awaited: bool) -> Submitted {
        let mut outbox = self.outbox.lock();
        let request = match Request::new(operation, &self.limits, &mut outbox.checked) {
            Ok(request) => request,
            Err(error) => return Submitted::Done(Err(error)),
        };
        match outbox.admit(None) {
            Admission::Closed => Submitted::Done(Err(Error::Closed)),
            Admission::NotConnected if self.options.wait_while_disconnected.is_none() => {
                Submitted::Done(Err(Error::NotConnected))
            }
            Admission::NotConnected | Admission::Full => {
                drop(outbox);
                let request = request.into_waiting(qos);
                Submitted::Later(Box::pin(wait_and_append(Arc::clone(self), request)))
            }
            Admission::Granted => match outbox.append(&request, qos, awaited) {
                Ok(appended) => self.see_to(outbox, &appended),
                Err(error) => Submitted::Done(Err(error)),
            },
        }
    }

    /// Sees to it that what was appended is written: at once, or when the sending task yields and the connection's
    /// task gets its turn.
    fn see_to(&self, mut outbox: MutexGuard<'_, Outbox>, appended: &Appended) -> Submitted {
        let batch = if appended.is_due { outbox.take() } else { None };
        // Who reads only for those who wait for answers has to know that somebody does.
        let must_read = outbox.reading_held && appended.id.is_some();
        let driver = if batch.is_none() || must_read {
            outbox.take_driver()
        } else {
            None
        };
        drop(outbox);
        if let Some(batch) = batch {
            batch.flush(&self.outbox);
        }
        if let Some(driver) = driver {
            driver.wake();
        }
        Submitted::Taken {
            ticket: appended.id.map(Ticket::from),
            pause: appended.gathered,
        }
    }

    pub(super) fn poll_verdict(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut outbox = self.outbox.lock();
        let Some(verdict) = outbox.pending.take(OperationId(ticket.0), cx.waker()) else {
            return Poll::Pending;
        };
        outbox.pass_turn();
        drop(outbox);
        Poll::Ready(self.result(verdict))
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
        let mut outbox = self.outbox.lock();
        outbox.pending.abandon(OperationId(ticket.0));
        outbox.pass_turn();
        if outbox.phase == Phase::Closing {
            outbox.wake_driver();
        }
    }

    /// Ready when everything appended until now is written.
    pub(super) async fn flush(self: Arc<Self>) -> Result<(), Error> {
        let mark = {
            let mut outbox = self.outbox.lock();
            outbox.urgent = true;
            outbox.wake_driver();
            outbox.mark()
        };
        std::future::poll_fn(|cx| self.outbox.lock().poll_written(mark, cx)).await
    }

    /// Ready at the end, which [`seal`](Self::seal) brings about.
    pub(super) async fn closed(self: Arc<Self>) -> Result<(), Error> {
        let farewell = std::future::poll_fn(|cx| self.outbox.lock().poll_closed(cx)).await;
        self.result(farewell)
    }

    /// Takes nothing from now on; what was taken is still written.
    pub(super) fn seal(&self) {
        self.outbox.lock().seal();
    }

    /// A connection is there.
    pub(super) fn connected(&self, socket: &Arc<Socket>) {
        let mut outbox = self.outbox.lock();
        outbox.connected(Arc::clone(socket));
        let restored = outbox.restored();
        drop(outbox);
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
        self.outbox.lock().disconnected(&mut wakers);
        for waker in wakers {
            waker.wake();
        }
    }

    /// There will be no other connection.
    pub(super) fn end(&self) {
        self.arrivals.close();
        self.outbox.lock().close();
        self.listeners.end();
    }

    pub(super) fn tell(&self, event: &Event) {
        self.listeners.tell(event);
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
        let mut outbox = self.outbox.lock();
        match outbox.admit(*place) {
            Admission::Closed => Poll::Ready(Submitted::Done(Err(Error::Closed))),
            Admission::NotConnected if self.options.wait_while_disconnected.is_none() => {
                Poll::Ready(Submitted::Done(Err(Error::NotConnected)))
            }
            Admission::NotConnected | Admission::Full => {
                outbox.line.wait(place, waker);
                Poll::Pending
            }
            Admission::Granted => {
                let appended = outbox.append_waiting(request);
                if let Some(place) = place.take() {
                    outbox.line.leave(place);
                }
                outbox.pass_turn();
                Poll::Ready(match appended {
                    Ok(appended) => self.see_to(outbox, &appended),
                    Err(error) => Submitted::Done(Err(error)),
                })
            }
        }
    }
}

/// A place in the line, given up when it is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    place: Option<Place>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut outbox = self.shared.outbox.lock();
            outbox.line.leave(place);
            outbox.pass_turn();
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
        let since = {
            let outbox = shared.outbox.lock();
            match outbox.admit(None) {
                Admission::NotConnected => outbox.disconnected_at.max(started),
                _ => Instant::now(),
            }
        };
        let due = since + limit;
        if Instant::now() >= due {
            return;
        }
        tokio::time::sleep_until(due.into()).await;
    }
}
