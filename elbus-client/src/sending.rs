//! One operation, from being built to its verdict.
use std::{
    borrow::Borrow,
    fmt,
    future::IntoFuture,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use elbus_proto::Qos;

use crate::{
    Error,
    link::{Link, Operation, Submitted, Ticket},
};

/// One operation being built; nothing happens until it is awaited.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Sending<'a> {
    link: &'a Arc<dyn Link>,
    operation: Operation<'a>,
    qos: Qos,
}

impl<'a> Sending<'a> {
    pub(crate) const fn new(link: &'a Arc<dyn Link>, operation: Operation<'a>) -> Self {
        Self {
            link,
            operation,
            qos: Qos::Processed,
        }
    }

    /// Sets the quality of service; [`Qos::Processed`] unless set.
    pub const fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Limits a publication to those subscribers whose primary name is `receiver`; no effect on other operations.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (sensor, _) = broker.client("sensor")?;
    /// # let (panel, mut inbox) = broker.client("panel")?;
    /// panel.subscribe(&["temperature/#"]).await?;
    /// sensor.publish("temperature/hall", "21.5").only_for("panel").await?;
    /// # assert_eq!(inbox.recv().await.ok_or("closed")?.topic(), Some("temperature/hall"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn only_for(mut self, name: &'a str) -> Self {
        if let Operation::Publish { receiver, .. } = &mut self.operation {
            *receiver = Some(name);
        }
        self
    }

    /// Hands the operation over and answers with a [`Confirmation`], so that one task can have many in flight.
    /// Awaiting it waits only while there is no room.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (client, _inbox) = broker.client("sensor")?;
    /// let mut confirmations = Vec::new();
    /// for value in ["21.4", "21.5", "21.7"] {
    ///     confirmations.push(client.publish("temperature/hall", value).confirm().await?);
    /// }
    /// for confirmation in confirmations {
    ///     confirmation.await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the operation could not be handed over; what the broker says of it is the result of the confirmation.
    pub fn confirm(self) -> Confirming<'a> {
        Confirming(Handing::new(self, false))
    }
}

impl<'a> IntoFuture for Sending<'a> {
    type Output = Result<(), Error>;
    type IntoFuture = Sent<'a>;

    #[inline]
    fn into_future(self) -> Sent<'a> {
        Sent {
            verdict: Verdict::none(self.link),
            handing: Handing::new(self, true),
        }
    }
}

/// An operation on its way; yields the result. Dropping it takes the operation back if it has not been handed over,
/// and otherwise forgets about its verdict.
#[must_use = "futures do nothing unless awaited"]
pub struct Sent<'a> {
    handing: Handing<'a>,
    verdict: Verdict<&'a Arc<dyn Link>>,
}

impl Future for Sent<'_> {
    type Output = Result<(), Error>;

    /// The hand-over is inlined where it is awaited. An operation or a result is written in small pieces; moved at once, in
    /// large ones, it is read before the stores have reached the cache, and waits for them. Inlined, hardly anything is
    /// moved.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.handing.taken_at_once() {
            Some(None) => return Poll::Ready(Ok(())),
            Some(ticket) => self.verdict.ticket = ticket,
            None => {}
        }
        self.poll_on(cx)
    }
}

impl Sent<'_> {
    #[inline(never)]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.verdict.ticket.is_none() {
            match ready!(self.handing.poll_taken(cx)) {
                Ok(Some(ticket)) => self.verdict.ticket = Some(ticket),
                known => return Poll::Ready(known.map(|_| ())),
            }
        }
        self.verdict.poll_result(cx)
    }
}

/// An operation being handed over; yields its [`Confirmation`].
#[must_use = "futures do nothing unless awaited"]
pub struct Confirming<'a>(Handing<'a>);

impl Future for Confirming<'_> {
    type Output = Result<Confirmation, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.taken_at_once() {
            Some(ticket) => Poll::Ready(Ok(Confirmation::of(self.0.link, ticket))),
            None => self.poll_on(cx),
        }
    }
}

impl Confirming<'_> {
    #[inline(never)]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<Confirmation, Error>> {
        Poll::Ready(match ready!(self.0.poll_taken(cx)) {
            Ok(ticket) => Ok(Confirmation::of(self.0.link, ticket)),
            Err(error @ Error::Refused(_)) => Ok(Confirmation(Confirmed::Known(Some(Box::new(error))))),
            Err(error) => Err(error),
        })
    }
}

/// The broker's verdict on an operation that has been handed over: await it, or drop it to forget about it.
///
/// Without an acknowledged QoS there is no verdict, and the confirmation is ready at once.
#[must_use = "the operation may have failed: await its confirmation"]
pub struct Confirmation(Confirmed);

enum Confirmed {
    /// Boxed, because many of these are kept, and few of them are refused.
    Known(Option<Box<Error>>),
    Waiting(Verdict<Arc<dyn Link>>),
}

impl Confirmation {
    #[inline]
    fn of(link: &Arc<dyn Link>, ticket: Option<Ticket>) -> Self {
        Self(match ticket {
            None => Confirmed::Known(None),
            ticket => Confirmed::Waiting(Verdict {
                link: Arc::clone(link),
                ticket,
            }),
        })
    }
}

impl Future for Confirmation {
    type Output = Result<(), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Confirmed::Waiting(verdict) => verdict.poll_result(cx),
            Confirmed::Known(error) => Poll::Ready(error.take().map_or(Ok(()), |error| Err(*error))),
        }
    }
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}

/// An operation on its way into the link.
struct Handing<'a> {
    link: &'a Arc<dyn Link>,
    operation: Operation<'a>,
    qos: Qos,
    /// The verdict is awaited at once.
    awaited: bool,
    /// The link has not seen it yet.
    fresh: bool,
    /// What became of it, until whoever polls has been told.
    submitted: Option<Submitted>,
}

impl<'a> Handing<'a> {
    #[inline]
    fn new(sending: Sending<'a>, awaited: bool) -> Self {
        Self {
            link: sending.link,
            operation: sending.operation,
            qos: sending.qos,
            awaited,
            fresh: true,
            submitted: None,
        }
    }

    /// Hands over what is fresh. Some, with the ticket of its verdict if there is to be one, if that went well at once; else
    /// [`poll_taken`](Self::poll_taken) tells.
    #[inline]
    fn taken_at_once(&mut self) -> Option<Option<Ticket>> {
        if !std::mem::take(&mut self.fresh) {
            return None;
        }
        match self.link.submit(&mut self.operation, self.qos, self.awaited) {
            Submitted::Taken { ticket, pause: false } => Some(ticket),
            Submitted::Done(Ok(())) => Some(None),
            submitted => {
                self.keep(submitted);
                None
            }
        }
    }

    #[cold]
    fn keep(&mut self, submitted: Submitted) {
        self.submitted = Some(submitted);
    }

    /// What was not [taken at once](Self::taken_at_once): ready when it is taken, with the ticket of its verdict, or has
    /// failed.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Ticket>, Error>> {
        loop {
            match &mut self.submitted {
                Some(Submitted::Later(rest)) => self.submitted = Some(ready!(rest.as_mut().poll(cx))),
                // It is handed over, and the task lets others run once.
                Some(Submitted::Taken { pause, .. }) if *pause => {
                    *pause = false;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Submitted::Taken { ticket, .. }) => {
                    let ticket = *ticket;
                    self.submitted = None;
                    return Poll::Ready(Ok(ticket));
                }
                Some(Submitted::Done(result)) => {
                    let result = std::mem::replace(result, Ok(()));
                    self.submitted = None;
                    return Poll::Ready(result.map(|()| None));
                }
                // Polled again after it was ready: nothing is left to do.
                None => return Poll::Pending,
            }
        }
    }
}

impl Drop for Handing<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(Submitted::Taken {
            ticket: Some(ticket), ..
        }) = self.submitted
        {
            self.link.abandon(ticket);
        }
    }
}

/// A verdict that is waited for, and forgotten when this is dropped before.
struct Verdict<L: Borrow<Arc<dyn Link>>> {
    link: L,
    ticket: Option<Ticket>,
}

impl<L: Borrow<Arc<dyn Link>>> Verdict<L> {
    const fn none(link: L) -> Self {
        Self { link, ticket: None }
    }

    #[inline]
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(ticket) = self.ticket else {
            // Polled again after it was ready.
            return Poll::Pending;
        };
        let result = ready!(self.link.borrow().poll_verdict(ticket, cx));
        self.ticket = None;
        Poll::Ready(result)
    }
}

impl<L: Borrow<Arc<dyn Link>>> Drop for Verdict<L> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.link.borrow().abandon(ticket);
        }
    }
}

#[cfg(test)]
mod tests;
