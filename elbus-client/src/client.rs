//! The sending side of a client.
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

#[cfg(feature = "ipc")]
use crate::Options;
use crate::{
    ConnectError, Error, Events, Inbox, Sending,
    link::{Later, Link, Operation, Payload},
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
/// [`Error::TooLarge`] for a frame over the limit, with [`Error::NotConnected`] while the connection is gone, or with
/// [`Error::Closed`] when it will not come back. [`Error::outcome`] says whether it is certain that nothing was done.
#[derive(Clone)]
pub struct Client {
    link: Arc<dyn Link>,
}

impl Client {
    /// Connects to the broker at the [default address](crate::default_address) and registers this name.
    ///
    /// Everything else is up to [`Options`]: `Options::new("my.name").address("tcp://host:7777").connect()`.
    ///
    /// ```no_run
    /// use elbus_client::Client;
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, mut inbox) = Client::connect("plant.panel").await?;
    /// client.subscribe(&["temperature/#"]).await?;
    /// while let Some(frame) = inbox.recv().await {
    ///     println!("{:?}: {:?}", frame.topic(), frame.payload());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with its I/O and time drivers.
    #[cfg(feature = "ipc")]
    pub async fn connect(name: &str) -> Result<(Self, Inbox), ConnectError> {
        Options::new(name).connect().await
    }

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

    /// Subscribes to every filter: `+` is any one level, a final `#` one or more. Of several filters those
    /// that the broker grants take effect, and its first refusal is the result. A client on a socket checks all of
    /// them first: if one is malformed, nothing is sent.
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

    /// Shows the broker that the connection is alive; not acknowledged unless [`Sending::qos`] says so. Published
    /// brokers disconnect whoever sends them a ping that is acknowledged or real-time (elbus 0.2.21, busrt 0.5.6).
    pub fn ping(&self) -> Sending<'_> {
        self.operation(Operation::Ping).qos(elbus_proto::Qos::No)
    }

    /// Waits until everything that was sent before has been handed to the operating system.
    ///
    /// # Errors
    /// [`Error::ConnectionLost`] when it never will be; [`Error::Closed`] when the client was closed before everything
    /// was. After a [`close`](Self::close) that left nothing behind it is `Ok`.
    pub async fn flush(&self) -> Result<(), Error> {
        self.link.flush().await
    }

    /// Leaves the bus. From this call on nothing is sent any more; await what it returns to know that everything
    /// sent before has been written and answered, and that the name is free. The inbox ends after what it already
    /// holds. Dropping the inbox and every clone of the client does the same in the background.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (panel, mut inbox) = broker.client("panel")?;
    /// panel.close().await?;
    /// assert_eq!(inbox.recv().await, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the broker did not take everything in time, [`Error::ConnectionLost`] when it could
    /// not.
    pub fn close(&self) -> Closing {
        Closing(self.link.close())
    }

    /// Registers a secondary of this client: a connection of its own, named after this one with `%%` and a number
    /// behind, with the same rights. It leaves the bus when its primary does, and comes back after it. While the
    /// primary is disconnected, this waits until it is back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (panel, _inbox) = broker.client("panel")?;
    /// let (second, _inbox) = panel.secondary().await?;
    /// assert!(second.name().starts_with("panel%%"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As when connecting; [`ConnectError::Closed`] when this client is closed.
    pub async fn secondary(&self) -> Result<(Self, Inbox), ConnectError> {
        self.link.secondary().await
    }

    /// What happens to the connection from now on.
    ///
    /// ```no_run
    /// use elbus_client::{Client, Event};
    ///
    /// # async fn example(client: &Client) {
    /// let mut events = client.events();
    /// while let Some(event) = events.recv().await {
    ///     if let Event::Disconnected { why } = event {
    ///         eprintln!("off the bus: {why}");
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> Events {
        self.link.events()
    }

    fn operation<'a>(&'a self, operation: Operation<'a>) -> Sending<'a> {
        Sending::new(&self.link, operation)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// A client on its way off the bus; it goes on whether this is awaited or not.
pub struct Closing(Later<Result<(), Error>>);

impl Future for Closing {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing").finish_non_exhaustive()
    }
}
