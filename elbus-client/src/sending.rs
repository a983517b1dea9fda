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
    link::{Later, Link, Operation, Submitted, Ticket},
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

    fn into_future(self) -> Sent<'a> {
        Sent(Stage::Handing(Handing::new(self, true)))
    }
}

/// An operation on its way; yields the result. Dropping it takes the operation back if it has not been handed over,
/// and otherwise forgets about its verdict.
#[must_use = "futures do nothing unless awaited"]
pub struct Sent<'a>(Stage<'a>);

enum Stage<'a> {
    Handing(Handing<'a>),
    Waiting(Verdict<&'a Arc<dyn Link>>),
}

impl Future for Sent<'_> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                Stage::Handing(handing) => match ready!(handing.poll_handed(cx)) {
                    Handed::Known(result) => return Poll::Ready(result),
                    Handed::Ticket(ticket) => {
                        let link = handing.link;
                        self.0 = Stage::Waiting(Verdict::new(link, ticket));
                    }
                },
                Stage::Waiting(verdict) => return verdict.poll_result(cx),
            }
        }
    }
}

/// An operation being handed over; yields its [`Confirmation`].
#[must_use = "futures do nothing unless awaited"]
pub struct Confirming<'a>(Handing<'a>);

impl Future for Confirming<'_> {
    type Output = Result<Confirmation, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let confirmed = match ready!(self.0.poll_handed(cx)) {
            Handed::Ticket(ticket) => Confirmed::Waiting(Verdict::new(Arc::clone(self.0.link), ticket)),
            Handed::Known(Ok(())) => Confirmed::Known(None),
            Handed::Known(Err(error @ Error::Refused(_))) => Confirmed::Known(Some(error)),
            Handed::Known(Err(error)) => return Poll::Ready(Err(error)),
        };
        Poll::Ready(Ok(Confirmation(confirmed)))
    }
}

/// The broker's verdict on an operation that has been handed over: await it, or drop it to forget about it.
///
/// Without an acknowledged QoS there is no verdict, and the confirmation is ready at once.
#[must_use = "the operation may have failed: await its confirmation"]
pub struct Confirmation(Confirmed);

enum Confirmed {
    Known(Option<Error>),
    Waiting(Verdict<Arc<dyn Link>>),
}

impl Future for Confirmation {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Confirmed::Known(error) => Poll::Ready(error.take().map_or(Ok(()), Err)),
            Confirmed::Waiting(verdict) => verdict.poll_result(cx),
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
    /// The verdict is awaited at once.
    awaited: bool,
    step: Step<'a>,
}

enum Step<'a> {
    Fresh(Operation<'a>, Qos),
    Later(Later<Submitted>),
    /// It is handed over, and the task let others run once.
    Paused(Handed),
    Over,
}

enum Handed {
    Known(Result<(), Error>),
    Ticket(Ticket),
}

impl<'a> Handing<'a> {
    fn new(sending: Sending<'a>, awaited: bool) -> Self {
        Self {
            link: sending.link,
            awaited,
            step: Step::Fresh(sending.operation, sending.qos),
        }
    }

    fn poll_handed(&mut self, cx: &mut Context<'_>) -> Poll<Handed> {
        loop {
            let submitted = match std::mem::replace(&mut self.step, Step::Over) {
                Step::Fresh(operation, qos) => self.link.submit(operation, qos, self.awaited),
                Step::Later(mut rest) => match rest.as_mut().poll(cx) {
                    Poll::Ready(submitted) => submitted,
                    Poll::Pending => {
                        self.step = Step::Later(rest);
                        return Poll::Pending;
                    }
                },
                Step::Paused(handed) => return Poll::Ready(handed),
                // Polled again after it was ready: nothing is left to do.
                Step::Over => return Poll::Pending,
            };
            match submitted {
                Submitted::Done(result) => return Poll::Ready(Handed::Known(result)),
                Submitted::Taken { ticket, pause } => {
                    let handed = ticket.map_or(Handed::Known(Ok(())), Handed::Ticket);
                    if !pause {
                        return Poll::Ready(handed);
                    }
                    self.step = Step::Paused(handed);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Submitted::Later(rest) => self.step = Step::Later(rest),
            }
        }
    }
}

impl Drop for Handing<'_> {
    fn drop(&mut self) {
        if let Step::Paused(Handed::Ticket(ticket)) = self.step {
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
    fn new(link: L, ticket: Ticket) -> Self {
        Self {
            link,
            ticket: Some(ticket),
        }
    }

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
