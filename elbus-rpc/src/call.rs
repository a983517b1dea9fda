//! One call, from being built to its reply.
use std::{
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use elbus_client::{Qos, Sent};
use elbus_proto::rpc::request_header;
use serde::{Serialize, de::DeserializeOwned};

use crate::{CallError, format, service::aside::Aside, shared::Shared};

/// A call being built; nothing happens until it is awaited. It yields the result, decoded as an `Output`.
///
/// ```
/// use std::time::Duration;
/// use elbus_rpc::Rpc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (client, inbox) = broker.client("panel")?;
/// let rpc = Rpc::new(client, inbox);
/// let call = rpc.call::<_, Vec<u8>>(".broker", "benchmark.test", &[1, 2, 3]);
/// assert_eq!(call.timeout(Duration::from_secs(1)).realtime().await?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<'a, Output> {
    raw: RawCall<'a>,
    output: PhantomData<fn() -> Output>,
}

impl<'a, Output> Call<'a, Output> {
    pub(crate) fn new<Params: Serialize + ?Sized>(
        shared: &'a Shared,
        target: &'a str,
        method: &str,
        params: &Params,
    ) -> Self {
        let raw = RawCall::new(shared, target, method, |front| {
            format::encode_params(front, params).map_err(|reason| CallError::Encode { reason })
        });
        Self {
            raw,
            output: PhantomData,
        }
    }

    /// How long to wait for the reply; unless set, `Options::timeout`. It covers the way there as well, and ends the call
    /// at most 1 ms late.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.raw.limit = limit;
        self
    }

    /// Request and reply are real-time: flushed at once on every hop.
    pub fn realtime(mut self) -> Self {
        self.raw.qos = Qos::RealtimeProcessed;
        self
    }
}

impl<'a, Output: DeserializeOwned> IntoFuture for Call<'a, Output> {
    type Output = Result<Output, CallError>;
    type IntoFuture = Calling<'a, Output>;

    fn into_future(self) -> Calling<'a, Output> {
        Calling {
            raw: self.raw.into_future(),
            output: PhantomData,
        }
    }
}

/// A call on its way; yields the result. Dropping it forgets the call.
#[must_use = "futures do nothing unless awaited"]
pub struct Calling<'a, Output> {
    raw: RawCalling<'a>,
    output: PhantomData<fn() -> Output>,
}

impl<Output: DeserializeOwned> Future for Calling<'_, Output> {
    type Output = Result<Output, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.raw).poll(cx));
        Poll::Ready(
            result.and_then(|bytes| format::decode(&bytes).map_err(|reason| CallError::Decode { reason })),
        )
    }
}

/// A call of bytes being built; nothing happens until it is awaited. It yields the result's bytes.
#[must_use = "a call does nothing until it is awaited"]
pub struct RawCall<'a> {
    shared: &'a Shared,
    target: &'a str,
    /// With an id of zeros so far.
    payload: Result<Vec<u8>, CallError>,
    limit: Duration,
    qos: Qos,
}

impl<'a> RawCall<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        target: &'a str,
        method: &str,
        encode: impl FnOnce(&[&[u8]]) -> Result<Vec<u8>, CallError>,
    ) -> Self {
        Self {
            shared,
            target,
            payload: request(method, encode),
            limit: shared.settings.timeout,
            qos: Qos::Processed,
        }
    }

    /// How long to wait for the reply; unless set, `Options::timeout`. It covers the way there as well, and ends the call
    /// at most 1 ms late.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Request and reply are real-time: flushed at once on every hop.
    pub fn realtime(mut self) -> Self {
        self.qos = Qos::RealtimeProcessed;
        self
    }
}

impl<'a> IntoFuture for RawCall<'a> {
    type Output = Result<Bytes, CallError>;
    type IntoFuture = RawCalling<'a>;

    fn into_future(self) -> RawCalling<'a> {
        RawCalling {
            shared: self.shared,
            id: 0,
            stage: Stage::Fresh(self),
            aside: None,
        }
    }
}

/// A request with the id 0, which asks for no reply.
pub(crate) fn request(
    method: &str,
    encode: impl FnOnce(&[&[u8]]) -> Result<Vec<u8>, CallError>,
) -> Result<Vec<u8>, CallError> {
    if method.contains('\0') {
        return Err(CallError::Method {
            method: method.to_owned(),
        });
    }
    encode(&[&request_header(0), method.as_bytes(), b"\0"])
}

/// A call of bytes on its way; yields the result's bytes. Dropping it forgets the call.
#[must_use = "futures do nothing unless awaited"]
pub struct RawCalling<'a> {
    shared: &'a Shared,
    id: u32,
    stage: Stage<'a>,
    /// The handler in which this call is waited for does not count meanwhile.
    aside: Option<Aside>,
}

enum Stage<'a> {
    Fresh(RawCall<'a>),
    /// With what the verdict wakes.
    Sending(Sent<'a>, Waker),
    /// The request is with its target.
    Placed,
    Over,
}

impl Future for RawCalling<'_> {
    type Output = Result<Bytes, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = self.poll_result(cx);
        if result.is_ready() {
            self.stage = Stage::Over;
            self.aside = None;
        } else if self.aside.is_none() {
            self.aside = Aside::step();
        }
        result
    }
}

impl<'a> RawCalling<'a> {
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, CallError>> {
        if matches!(self.stage, Stage::Fresh(_)) {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Fresh(call) => self.send(call)?,
                stage => self.stage = stage,
            }
        }
        if self.id == 0 {
            // Polled again after it was ready.
            return Poll::Pending;
        }
        if let Poll::Ready(outcome) = self.shared.pending.lock().poll(self.id, cx) {
            self.id = 0;
            return Poll::Ready(outcome);
        }
        let Stage::Sending(sent, verdict) = &mut self.stage else {
            return Poll::Pending;
        };
        let result = ready!(Pin::new(sent).poll(&mut Context::from_waker(verdict)));
        let mut pending = self.shared.pending.lock();
        if let Err(error) = result {
            pending.remove(self.id);
            self.id = 0;
            return Poll::Ready(Err(error.into()));
        }
        self.stage = Stage::Placed;
        pending.placed(self.id);
        let outcome = ready!(pending.poll(self.id, cx));
        self.id = 0;
        Poll::Ready(outcome)
    }

    fn send(&mut self, call: RawCall<'a>) -> Result<(), CallError> {
        let mut payload = call.payload?;
        let (id, verdict) = self.shared.pending.lock().insert(call.target, call.limit)?;
        self.id = id;
        let header = request_header(self.id);
        payload[..header.len()].copy_from_slice(&header);
        let sending = self.shared.client.send(call.target, payload).qos(call.qos);
        self.stage = Stage::Sending(sending.into_future(), verdict);
        Ok(())
    }
}

impl Drop for RawCalling<'_> {
    fn drop(&mut self) {
        if self.id != 0 {
            self.shared.pending.lock().remove(self.id);
        }
    }
}
