//! The sending side of a client.
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use elbus_proto::Qos;

use crate::{
    Error,
    link::{Link, Operation, Payload, Submitted},
};

/// A client of the bus: a cheap clone, to be used from as many tasks as you like.
///
/// Every method builds a [`Sending`] that does its work when awaited. Operations are acknowledged unless
/// [`Sending::qos`] says otherwise, so an awaited send yields the broker's verdict.
///
/// ```
/// use elbus_client::{Client, Code, Error, Qos};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (pump, _) = broker.client("plant.pump")?;
/// # let (_, mut inbox) = broker.client("plant.panel")?;
/// // `pump` is the client "plant.pump"; `inbox` belongs to the client "plant.panel".
/// pump.send("plant.panel", "running").await?;
/// pump.broadcast("plant.*", "to everyone below plant").qos(Qos::No).await?;
/// assert_eq!(pump.send("plant.nobody", "hello").await, Err(Error::Refused(Code::NotRegistered)));
///
/// let first = inbox.recv().await.ok_or("closed")?;
/// assert_eq!((first.sender(), &first.payload()[..]), ("plant.pump", &b"running"[..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// An awaited operation fails with [`Error::Refused`] and the broker's code (if it is acknowledged), with
/// [`Error::TooLarge`] for a frame over the broker's limit, or with [`Error::Closed`] when the connection is gone.
#[derive(Clone)]
pub struct Client {
    link: Arc<dyn Link>,
}

impl Client {
    /// A client over a link.
    #[must_use]
    pub fn new(link: Arc<dyn Link>) -> Self {
        Self { link }
    }

    /// The name under which this client is registered.
    #[must_use]
    pub fn name(&self) -> &str {
        self.link.name()
    }

    /// Sends to the client named `target`.
    pub fn send<'a>(&'a self, target: &'a str, payload: impl Into<Payload<'a>>) -> Sending<'a> {
        self.operation(Operation::Message {
            target,
            payload: payload.into(),
        })
    }

    /// Sends to every client whose name matches `mask`: `?` is any one part, a final `*` one or more.
    pub fn broadcast<'a>(&'a self, mask: &'a str, payload: impl Into<Payload<'a>>) -> Sending<'a> {
        self.operation(Operation::Broadcast {
            mask,
            payload: payload.into(),
        })
    }

    /// Publishes to the subscribers of `topic`.
    pub fn publish<'a>(&'a self, topic: &'a str, payload: impl Into<Payload<'a>>) -> Sending<'a> {
        self.operation(Operation::Publish {
            topic,
            receiver: None,
            payload: payload.into(),
        })
    }

    /// Subscribes to every filter: `+` is any one level, a final `#` one or more. Of several filters the valid ones
    /// take effect and the first error is the result.
    pub fn subscribe<'a>(&'a self, filters: &'a [&'a str]) -> Sending<'a> {
        self.operation(Operation::Subscribe(filters))
    }

    /// Takes subscriptions back.
    pub fn unsubscribe<'a>(&'a self, filters: &'a [&'a str]) -> Sending<'a> {
        self.operation(Operation::Unsubscribe(filters))
    }

    /// Stops publications that match these filters from reaching this client, whatever it subscribes to.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (panel, _) = broker.client("panel")?;
    /// panel.subscribe(&["log/#"]).await?;
    /// panel.exclude(&["log/debug/#"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn exclude<'a>(&'a self, filters: &'a [&'a str]) -> Sending<'a> {
        self.operation(Operation::Exclude(filters))
    }

    /// Takes exclusions back.
    pub fn unexclude<'a>(&'a self, filters: &'a [&'a str]) -> Sending<'a> {
        self.operation(Operation::Unexclude(filters))
    }

    /// Leaves the bus: the name is free when this returns, and the inbox ends after what it already holds.
    /// Dropping the inbox and every clone of the client does the same.
    pub fn close(&self) {
        self.link.close();
    }

    fn operation<'a>(&'a self, operation: Operation<'a>) -> Sending<'a> {
        Sending {
            link: &*self.link,
            operation,
            qos: Qos::Processed,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// One operation being built; nothing happens until it is awaited.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Sending<'a> {
    link: &'a dyn Link,
    operation: Operation<'a>,
    qos: Qos,
}

impl<'a> Sending<'a> {
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
}

impl<'a> IntoFuture for Sending<'a> {
    type Output = Result<(), Error>;
    type IntoFuture = Sent<'a>;

    fn into_future(self) -> Sent<'a> {
        Sent(Stage::Fresh(self))
    }
}

/// An operation on its way; yields the result.
#[must_use = "futures do nothing unless awaited"]
pub struct Sent<'a>(Stage<'a>);

enum Stage<'a> {
    Fresh(Sending<'a>),
    Waiting(Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>),
    Done,
}

impl Future for Sent<'_> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.0, Stage::Done) {
            Stage::Fresh(sending) => match sending.link.submit(sending.operation, sending.qos) {
                Submitted::Done(result) => return Poll::Ready(result),
                Submitted::Later(rest) => self.0 = Stage::Waiting(rest),
            },
            stage => self.0 = stage,
        }
        match &mut self.0 {
            Stage::Waiting(rest) => rest.as_mut().poll(cx),
            // Polled again after it was ready: nothing is left to do.
            Stage::Fresh(_) | Stage::Done => Poll::Pending,
        }
    }
}
