//! How and where a client connects, and every limit it keeps.
#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::time::Duration;

use elbus_proto::{ClientName, NameLimits, TopicLimits};

use crate::{
    Address, AddressError, Client, ConnectError, Inbox, default_address::default_address, keep_alive, socket,
};

/// First and longest delay before the connection is tried again.
pub(crate) const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How and where a client connects, and every limit it keeps.
///
/// Each setting is a method; a value that makes no sense is refused by [`connect`](Self::connect), which says which.
///
/// ```no_run
/// use std::time::Duration;
/// use elbus_client::Options;
///
/// # async fn example() -> Result<(), elbus_client::ConnectError> {
/// let (client, inbox) = Options::new("plant.panel")
///     .address("tcp://localhost:7777")
///     .timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) name: String,
    pub(crate) address: Option<Result<Address, AddressError>>,
    pub(crate) timeout: Duration,
    /// First and longest delay.
    pub(crate) backoff: Option<(Duration, Duration)>,
    pub(crate) retry_first: Option<Duration>,
    pub(crate) wait_while_disconnected: Option<Duration>,
    pub(crate) outbox_limit: usize,
    pub(crate) inbox_limit: usize,
    pub(crate) inbox_hard_limit: usize,
    pub(crate) frame_limit: usize,
    pub(crate) in_flight_limit: usize,
    pub(crate) filter_limit: usize,
    pub(crate) buf_ttl: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) names: NameLimits,
    pub(crate) topics: TopicLimits,
    #[cfg(feature = "tls")]
    pub(crate) tls: socket::TlsSettings,
}

impl Options {
    /// The defaults, for a client of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: None,
            timeout: Duration::from_secs(5),
            backoff: Some(BACKOFF),
            retry_first: None,
            wait_while_disconnected: None,
            outbox_limit: 1024 * 1024,
            inbox_limit: 8 * 1024 * 1024,
            inbox_hard_limit: 64 * 1024 * 1024,
            frame_limit: 64 * 1024 * 1024,
            in_flight_limit: 65_536,
            filter_limit: 65_536,
            buf_ttl: Duration::ZERO,
            ping_interval: Duration::from_secs(1),
            keep_alive: Duration::from_secs(30),
            names: NameLimits::default(),
            topics: TopicLimits::default(),
            #[cfg(feature = "tls")]
            tls: socket::TlsSettings::default(),
        }
    }

    /// Where the broker listens: an [`Address`], or a text that is one. Default:
    /// [`default_address`](crate::default_address).
    #[must_use]
    pub fn address<A>(mut self, address: A) -> Self
    where
        A: TryInto<Address>,
        A::Error: Into<AddressError>,
    {
        self.address = Some(address.try_into().map_err(Into::into));
        self
    }

    /// Bounds connecting with the greeting, the answer to an operation, and the drain when the client is closed. A
    /// broker that neither says nor takes anything for so long while something waits for it is taken for dead.
    /// Default: 5 s; at least 10 ms. An answer may be waited for up to an eighth longer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long to wait before the connection is tried again: `first`, then twice as long each time, at most
    /// `longest`; each time shortened by chance, to half of it at most. Default: 100 ms, 1 s.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Some((first, longest));
        self
    }

    /// The client is closed when its connection is lost. Default: it reconnects.
    #[must_use]
    pub const fn never_reconnect(mut self) -> Self {
        self.backoff = None;
        self
    }

    /// For how long [`connect`](Self::connect) tries again when the broker is not there yet, the name is taken, or
    /// a secondary's primary is missing. Default: not at all.
    #[must_use]
    pub const fn retry_first_connect(mut self, limit: Duration) -> Self {
        self.retry_first = Some(limit);
        self
    }

    /// How long an operation waits for a connection that is lost. Default: it fails at once.
    #[must_use]
    pub const fn wait_while_disconnected(mut self, limit: Duration) -> Self {
        self.wait_while_disconnected = Some(limit);
        self
    }

    /// Bytes not yet written beyond which operations wait. Default: 1 MiB. A frame that is larger is taken when
    /// the outbox is below it.
    #[must_use]
    pub const fn outbox_limit(mut self, bytes: usize) -> Self {
        self.outbox_limit = bytes;
        self
    }

    /// Bytes of unread frames at which the client stops reading from the broker, which then holds back those who
    /// send to it. Default: 8 MiB. A frame counts 96 bytes more than its payload.
    #[must_use]
    pub const fn inbox_limit(mut self, bytes: usize) -> Self {
        self.inbox_limit = bytes;
        self
    }

    /// Bytes of unread frames up to which the client reads on while operations wait for their answer, which comes
    /// behind the frames. Beyond it they fail with [`Error::InboxFull`](crate::Error::InboxFull). Default: 64 MiB; at
    /// least [`inbox_limit`](Self::inbox_limit).
    #[must_use]
    pub const fn inbox_hard_limit(mut self, bytes: usize) -> Self {
        self.inbox_hard_limit = bytes;
        self
    }

    /// Largest body of a frame in bytes, sent or received: address, separators and payload. Default: 64 MiB, as
    /// that of the broker.
    #[must_use]
    pub const fn frame_limit(mut self, bytes: usize) -> Self {
        self.frame_limit = bytes;
        self
    }

    /// Operations that wait for their answer beyond which others wait to be sent. Default: 65,536.
    #[must_use]
    pub const fn in_flight_limit(mut self, operations: usize) -> Self {
        self.in_flight_limit = operations;
        self
    }

    /// Filters subscribed and excluded, together; they are remembered to ask for them again after a reconnect.
    /// Default: 65,536, as that of the broker.
    #[must_use]
    pub const fn filter_limit(mut self, filters: usize) -> Self {
        self.filter_limit = filters;
        self
    }

    /// How long frames that are not real-time may be held up to gather more of them, unless 64 KiB are gathered
    /// before. Default: 0, not beyond the moment at which the sending task yields.
    #[must_use]
    pub const fn buf_ttl(mut self, limit: Duration) -> Self {
        self.buf_ttl = limit;
        self
    }

    /// How often the broker is pinged at least. While nothing comes from it, it is asked for an answer in place of that: a
    /// broker that gives none within the time-out is given up. Behind operations that are not acknowledged it is not
    /// asked, because it may be holding them back for a slow receiver. The broker of busrt 0.5.6 disconnects clients that
    /// are silent for 1.25 times its own time-out, which is 1 s when embedded. Default: 1 s.
    #[must_use]
    pub const fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Within this time the system ends a TCP connection to a broker whose machine or network is gone, or that takes
    /// nothing, whatever waits for an answer; as a rule the client notices it before, because it asks. 0 leaves it to the
    /// system's own times. Default: 30 s, as that of the broker; else 3 s to 12 hours.
    #[must_use]
    pub const fn keep_alive(mut self, limit: Duration) -> Self {
        self.keep_alive = limit;
        self
    }

    /// How long and deep names and masks may be, as the broker is configured. Default: 255 bytes, 16 parts.
    #[must_use]
    pub const fn name_limits(mut self, limits: NameLimits) -> Self {
        self.names = limits;
        self
    }

    /// How long and deep topics and filters may be, as the broker is configured. Default: 1,024 bytes, 32 levels.
    #[must_use]
    pub const fn topic_limits(mut self, limits: TopicLimits) -> Self {
        self.topics = limits;
        self
    }

    /// For addresses `tls://host:port`: a PEM file with the certificates of the authorities that the broker's certificate
    /// may be signed by. There is no default: a bus has an authority of its own as a rule; the public ones are in a file
    /// as well on most systems.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.authorities = Some(file.into());
        self
    }

    /// For addresses `tls://host:port`: PEM files with the client's own certificate (and those between it and the
    /// authority) and its key, for a broker that asks who is there. Files are read for each connection, so that a renewed
    /// certificate is used by the next.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls_identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Connects and registers the client.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with its I/O and time drivers.
    pub async fn connect(self) -> Result<(Client, Inbox), ConnectError> {
        self.check()?;
        let address = match self.address.clone() {
            Some(address) => address?,
            None => default_address()?,
        };
        // It is large, and callers have it inside their own futures.
        Box::pin(socket::connect(self, address)).await
    }

    fn check(&self) -> Result<(), ConnectError> {
        ClientName::parse(self.name.as_bytes(), self.names).map_err(|reason| ConnectError::Name {
            name: self.name.clone(),
            reason,
        })?;
        let hour = Duration::from_secs(3600);
        let (first, longest) = self.backoff.unwrap_or((Duration::from_millis(1), hour));
        let retry = self.retry_first.unwrap_or_default();
        let wait = self.wait_while_disconnected.unwrap_or_default();
        let day = hour * 24;
        within("timeout", self.timeout, Duration::from_millis(10), hour)?;
        within("backoff", first, Duration::from_millis(1), hour)?;
        within("backoff", longest, first, hour)?;
        within("retry_first_connect", retry, Duration::ZERO, day)?;
        within("wait_while_disconnected", wait, Duration::ZERO, day)?;
        within("buf_ttl", self.buf_ttl, Duration::ZERO, Duration::from_secs(1))?;
        within(
            "ping_interval",
            self.ping_interval,
            Duration::from_millis(10),
            hour,
        )?;
        if !self.keep_alive.is_zero() {
            let (least, most) = (keep_alive::SHORTEST, keep_alive::LONGEST);
            within("keep_alive", self.keep_alive, least, most)?;
        }
        let memory = 1 << 31;
        within("outbox_limit", self.outbox_limit, 1, memory)?;
        within("inbox_limit", self.inbox_limit, 1, memory)?;
        within(
            "inbox_hard_limit",
            self.inbox_hard_limit,
            self.inbox_limit,
            memory,
        )?;
        within("frame_limit", self.frame_limit, 1, 1 << 31)?;
        within("in_flight_limit", self.in_flight_limit, 1, socket::MOST_IN_FLIGHT)?;
        within("filter_limit", self.filter_limit, 0, 1 << 20)
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    setting: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), ConnectError> {
    if (&least..=&most).contains(&&value) {
        return Ok(());
    }
    Err(ConnectError::Setting {
        setting,
        expected: format!("from {least:?} to {most:?}"),
        value: format!("{value:?}"),
    })
}
