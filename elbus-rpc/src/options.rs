//! How an RPC layer is started, and every limit it keeps.
use std::{sync::Arc, time::Duration};

use elbus_client::{Client, Inbox};
use tokio::runtime::Handle;

use crate::{Driver, Rpc, Service, StartError, service::Router, shared::Shared};

/// How an RPC layer is started, and every limit it keeps.
///
/// A value that makes no sense is refused when the layer is started, with the setting's name.
///
/// ```
/// use std::time::Duration;
/// use elbus_rpc::{Options, Service};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (client, inbox) = broker.client("plant.pump")?;
/// let rpc = Options::new()
///     .timeout(Duration::from_secs(2))
///     .concurrent(16)
///     .service(Service::new(()))
///     .start(client, inbox)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Options {
    settings: Settings,
    router: Result<Router, StartError>,
}

/// The limits of one RPC layer.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) calls: usize,
    pub(crate) watch_after: Duration,
    /// `None`: one after the other.
    pub(crate) concurrent: Option<usize>,
    pub(crate) waiting_requests: usize,
    pub(crate) waiting_events: usize,
    pub(crate) waiting_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults, and no service: every request is answered that there is no such method.
    #[must_use]
    pub fn new() -> Self {
        Self {
            settings: Settings {
                timeout: Duration::from_secs(5),
                calls: 65_536,
                watch_after: Duration::from_millis(100),
                concurrent: Some(64),
                waiting_requests: 1024,
                waiting_events: 65_536,
                waiting_bytes: 64 * 1024 * 1024,
            },
            router: Ok(Router::default()),
        }
    }

    /// What to do with requests and everything else that arrives. Default: nothing.
    #[must_use]
    pub fn service<S: Clone + Send + Sync + 'static>(mut self, service: Service<S>) -> Self {
        self.router = service.into_router();
        self
    }

    /// How long a call waits for its reply unless it says otherwise. Default: 5 s, as the time-out of a client; from 1
    /// ms to a day.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = limit;
        self
    }

    /// Calls that wait for their reply beyond which others fail with
    /// [`TooManyCalls`](crate::CallError::TooManyCalls). Default: 65,536; at most 1,048,576.
    #[must_use]
    pub const fn calls_limit(mut self, calls: usize) -> Self {
        self.settings.calls = calls;
        self
    }

    /// For how long a call waits before somebody looks whether its target is still on the bus. Only then does the
    /// client subscribe to the broker's announcements, for as long as there are calls that take so long, and a few
    /// seconds more. Default: 100 ms; from 1 ms to an hour.
    #[must_use]
    pub const fn watch_after(mut self, limit: Duration) -> Self {
        self.settings.watch_after = limit;
        self
    }

    /// Requests that are handled at the same time; a handler that waits for a call of its own does not count.
    /// Default: 64; at most 1,048,576.
    #[must_use]
    pub const fn concurrent(mut self, requests: usize) -> Self {
        self.settings.concurrent = Some(requests);
        self
    }

    /// Requests are handled one after the other, in the order in which they came; a handler that waits for a call of
    /// its own holds the others up. Two services that both do so and call each other in turns end at their deadline.
    #[must_use]
    pub const fn in_order(mut self) -> Self {
        self.settings.concurrent = None;
        self
    }

    /// Requests that wait to be handled, beside those that are: beyond it a request is answered *busy* (-32118) at once.
    /// Methods with a limit of their own have as many places of their own. Default: 1,024; at most 1,048,576.
    #[must_use]
    pub const fn waiting_requests(mut self, requests: usize) -> Self {
        self.settings.waiting_requests = requests;
        self
    }

    /// Notifications, publications, broadcasts and plain messages that wait to be handled: beyond it they are left
    /// out, counted ([`Stats::events_dropped`](crate::Stats::events_dropped)) and logged. Default: 65,536; at most
    /// 16,777,216.
    #[must_use]
    pub const fn waiting_events(mut self, events: usize) -> Self {
        self.settings.waiting_events = events;
        self
    }

    /// Bytes of payload that may wait, once for requests and once for everything else, with the same consequences.
    /// A payload that is larger is taken when less waits. Default: 64 MiB.
    #[must_use]
    pub const fn waiting_bytes(mut self, bytes: usize) -> Self {
        self.settings.waiting_bytes = bytes;
        self
    }

    /// Starts the layer in a task of its own. It runs until the client is closed or every handle is dropped.
    ///
    /// # Errors
    /// When a setting makes no sense, or a method's name.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub fn start(self, client: Client, inbox: Inbox) -> Result<Rpc, StartError> {
        let (rpc, driver) = self.build(client, inbox)?;
        tokio::spawn(driver);
        Ok(rpc)
    }

    /// Builds the layer and lets the caller run it: nothing is received, and no call ends, unless the driver is polled.
    ///
    /// ```
    /// use elbus_rpc::Options;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (client, inbox) = broker.client("panel")?;
    /// let (rpc, driver) = Options::new().build(client, inbox)?;
    /// tokio::select! {
    ///     () = driver => println!("the bus is closed"),
    ///     result = rpc.call::<_, Vec<u8>>(".broker", "benchmark.test", &[1]) => assert_eq!(result?, [1]),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a setting makes no sense, or a method's name.
    ///
    /// # Panics
    /// Outside of a tokio runtime: it is where handlers will run.
    pub fn build(self, client: Client, inbox: Inbox) -> Result<(Rpc, Driver), StartError> {
        self.settings.check()?;
        let router = self.router?.with_limits(&self.settings);
        let shared = Shared::new(client, self.settings, router, Handle::current());
        let rpc = Rpc::of(Arc::clone(&shared));
        Ok((rpc, Driver::new(shared, inbox)))
    }

    /// Serves until the client is closed.
    ///
    /// # Errors
    /// When a setting makes no sense, or a method's name.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub async fn serve(self, client: Client, inbox: Inbox) -> Result<(), StartError> {
        let (_rpc, driver) = self.build(client, inbox)?;
        driver.await;
        Ok(())
    }
}

impl Settings {
    fn check(&self) -> Result<(), StartError> {
        let (ms, hour) = (Duration::from_millis(1), Duration::from_secs(3600));
        within("timeout", self.timeout, ms, 24 * hour)?;
        within("calls_limit", self.calls, 1, 1 << 20)?;
        within("watch_after", self.watch_after, ms, hour)?;
        within("concurrent", self.concurrent.unwrap_or(1), 1, 1 << 20)?;
        within("waiting_requests", self.waiting_requests, 0, 1 << 20)?;
        within("waiting_events", self.waiting_events, 1, 1 << 24)?;
        within("waiting_bytes", self.waiting_bytes, 1, 1 << 40)
    }
}

/// Refuses a setting that is out of its range.
pub(crate) fn within<T: PartialOrd + std::fmt::Debug>(
    setting: &'static str,
    value: T,
    least: T,
    most: T,
) -> Result<(), StartError> {
    if (&least..=&most).contains(&&value) {
        return Ok(());
    }
    Err(StartError::Setting {
        setting,
        expected: format!("from {least:?} to {most:?}"),
        value: format!("{value:?}"),
    })
}
