//! The handle of an RPC layer: calls, notifications.
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use elbus_client::{Client, Inbox, Payload};
use elbus_proto::rpc::NOTIFICATION_HEADER;
use serde::Serialize;

use crate::{
    Call, CallError, CallMany, Description, Options, RawCall, Records, call::request, format,
    service::describe, shared::Shared,
};

/// Calls, notifies and serves over a client: a cheap clone, to be used from as many tasks as you like.
///
/// It takes the client's inbox over. A task, started with it, reads that inbox until the client is closed or every
/// clone of the handle is dropped; then the client leaves the bus, unless somebody else holds it.
///
/// ```
/// use elbus_client::Code;
/// use elbus_rpc::{CallError, Rpc};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (client, inbox) = broker.client("panel")?;
/// // `client` and `inbox` come from `Client::connect` or `Broker::client`.
/// let rpc = Rpc::new(client, inbox);
/// let echo: Vec<u8> = rpc.call(".broker", "benchmark.test", &[1, 2, 3]).await?;
/// assert_eq!(echo, [1, 2, 3]);
///
/// let nobody = rpc.call::<_, ()>("plant.nobody", "start", &()).await;
/// assert_eq!(nobody, Err(CallError::Refused(Code::NotRegistered)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// See [`CallError`]. A call ends by itself, whatever happens: with the reply, at its deadline, when the target is not
/// on the bus or leaves it, when access is denied, or when the own connection is lost. Dropping the future forgets it.
#[must_use = "a service ends when its last handle is dropped"]
pub struct Rpc {
    shared: Arc<Shared>,
}

impl Rpc {
    /// A layer with the default [`Options`] and without a service, for those who only call.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub fn new(client: Client, inbox: Inbox) -> Self {
        match Options::new().start(client, inbox) {
            Ok(rpc) => rpc,
            Err(error) => unreachable!("the defaults make sense: {error}"),
        }
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Relaxed);
        Self { shared }
    }

    /// Calls a method of the client `target`. Params are written as MessagePack, structs as maps; `&()` are none. The
    /// result is decoded as an `Output`.
    ///
    /// ```
    /// # async fn example(rpc: elbus_rpc::Rpc) -> Result<(), elbus_rpc::CallError> {
    /// #[derive(serde::Serialize)]
    /// struct Add {
    ///     a: i64,
    ///     b: i64,
    /// }
    /// let sum: i64 = rpc.call("calculator", "add", &Add { a: 1, b: 2 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<'a, Params: Serialize + ?Sized, Output>(
        &'a self,
        target: &'a str,
        method: &str,
        params: &Params,
    ) -> Call<'a, Output> {
        Call::new(&self.shared, target, method, params)
    }

    /// [`call`](Self::call) with params and a result that are whatever both sides agree on.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (client, inbox) = broker.client("panel")?;
    /// # let rpc = elbus_rpc::Rpc::new(client, inbox);
    /// let echo = rpc.call_raw(".broker", "benchmark.test", b"any bytes").await?;
    /// assert_eq!(&echo[..], b"any bytes");
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_raw<'a>(&'a self, target: &'a str, method: &str, params: impl AsRef<[u8]>) -> RawCall<'a> {
        RawCall::new(&self.shared, target, method, |front| {
            Ok([&front.concat()[..], params.as_ref()].concat())
        })
    }

    /// Calls a method without wanting a reply: yields when the broker has placed the request with its target.
    ///
    /// # Errors
    /// As `call`, except for what the service says.
    pub async fn call0<Params: Serialize + ?Sized>(
        &self,
        target: &str,
        method: &str,
        params: &Params,
    ) -> Result<(), CallError> {
        let payload = request(method, |front| {
            format::encode_params(front, params).map_err(|reason| CallError::Encode { reason })
        })?;
        Ok(self.shared.client.send(target, payload).await?)
    }

    /// [`call0`](Self::call0) with params that are any bytes.
    ///
    /// # Errors
    /// As `call0`.
    pub async fn call0_raw(
        &self,
        target: &str,
        method: &str,
        params: impl AsRef<[u8]>,
    ) -> Result<(), CallError> {
        let payload = request(
            method,
            |front| Ok([&front.concat()[..], params.as_ref()].concat()),
        )?;
        Ok(self.shared.client.send(target, payload).await?)
    }

    /// Sends a notification, any bytes: yields when the broker has placed it with its target.
    ///
    /// # Errors
    /// As `call0`.
    pub async fn notify<'a>(&self, target: &str, payload: impl Into<Payload<'a>>) -> Result<(), CallError> {
        let payload = [&NOTIFICATION_HEADER[..], payload.into().as_slice()].concat();
        Ok(self.shared.client.send(target, payload).await?)
    }

    /// The same call to every client whose name matches `mask`: a stream of the clients' names with their results, in
    /// the order in which they come. It ends when everybody has answered, or failed to.
    ///
    /// *Everybody* is whom the broker lists when the call begins, secondaries, the broker and this client itself left
    /// out. Each of them is called by itself: so it is known who is still missing, whoever leaves the bus or refuses is
    /// reported at once, and published services, which do not take requests from broadcasts, answer as well.
    ///
    /// ```
    /// # use elbus_rpc::{CallError, Rpc};
    /// # async fn example(rpc: Rpc) -> Result<(), CallError> {
    /// let mut answers = rpc.call_many::<_, String>("plant.*", "status", &());
    /// while let Some((name, status)) = answers.next().await {
    ///     println!("{name}: {status:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_many<Params: Serialize + ?Sized, Output>(
        &self,
        mask: &str,
        method: &str,
        params: &Params,
    ) -> CallMany<Output> {
        let params = format::encode_params(&[], params).map_err(|reason| CallError::Encode { reason });
        CallMany::new(self.clone(), mask, method, params)
    }

    /// The records of a cursor: calls `method`, which answers with a cursor, and then asks for its records, one by one
    /// or, with [`Records::bulk`], many at once.
    ///
    /// ```
    /// # use elbus_rpc::{CallError, Rpc};
    /// # async fn example(rpc: Rpc) -> Result<(), CallError> {
    /// let mut customers = rpc.records::<_, String>("db", "customers", &()).bulk(100);
    /// while let Some(customer) = customers.next().await {
    ///     println!("{}", customer?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn records<Params: Serialize + ?Sized, Record>(
        &self,
        target: &str,
        method: &str,
        params: &Params,
    ) -> Records<Record> {
        let params = format::encode_params(&[], params).map_err(|reason| CallError::Encode { reason });
        Records::new(self.clone(), target, method, params)
    }

    /// What a service offers: its methods with a line of documentation each. Services of this library answer.
    pub fn describe<'a>(&'a self, target: &'a str) -> Call<'a, Description> {
        self.call(target, describe::METHOD, &())
    }

    /// The client: to send, publish and subscribe.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// What is going on, in numbers.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broker = elbus_broker::Broker::new(Default::default())?;
    /// # let (client, inbox) = broker.client("panel")?;
    /// # let rpc = elbus_rpc::Rpc::new(client, inbox);
    /// assert_eq!(rpc.stats().calls_pending, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (calls_pending, strays) = {
            let pending = self.shared.pending.lock();
            (pending.len(), pending.strays())
        };
        let load = self.shared.router.load();
        Stats {
            calls_pending,
            strays,
            requests_running: load.running,
            requests_waiting: load.waiting,
            requests_refused: self.shared.refused_busy.load(Relaxed),
            events_waiting: load.events,
            events_dropped: self.shared.events_dropped.load(Relaxed),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// What is going on in an RPC layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that wait for their reply.
    pub calls_pending: usize,
    /// Replies that nobody waited for, or that came from somebody else than whom was called.
    pub strays: u64,
    /// Requests that are being handled, those included whose handler waits for a call of its own.
    pub requests_running: usize,
    /// Requests that wait to be handled.
    pub requests_waiting: usize,
    /// Requests that were answered *busy*.
    pub requests_refused: u64,
    /// Notifications, publications, broadcasts and messages that wait to be handled.
    pub events_waiting: usize,
    /// Those that were left out, because too many waited.
    pub events_dropped: u64,
}

impl Clone for Rpc {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.shared))
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        if self
            .shared
            .handles
            .fetch_sub(1, std::sync::atomic::Ordering::AcqRel)
            == 1
        {
            self.shared.pending.lock().wake_driver();
        }
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc")
            .field("client", &self.shared.client)
            .finish_non_exhaustive()
    }
}
