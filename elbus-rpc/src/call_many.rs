//! The same call to every client that matches a name mask.
use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use elbus_client::Error;
use elbus_proto::{ClientName, NameLimits, NameMask};
use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::Instant};

use crate::{CallError, Rpc, format, watch};

/// Calls of one `call_many` that are in flight at the same time; the others follow as these are answered.
const IN_FLIGHT: usize = 256;

/// The same call to many: a stream of the clients' names with their results. Dropping it forgets the calls.
///
/// If the broker cannot be asked whom the mask names, the only item is that error, under the mask in place of a name.
#[must_use = "nobody is called until the stream is read"]
pub struct CallMany<Output> {
    rpc: Rpc,
    mask: String,
    method: Arc<str>,
    params: Result<Bytes, CallError>,
    limit: Duration,
    state: State,
    output: PhantomData<fn() -> Output>,
}

type Listing = Pin<Box<dyn Future<Output = Result<VecDeque<String>, CallError>> + Send>>;

enum State {
    Fresh,
    Listing(Listing, Instant),
    Calling {
        rest: VecDeque<String>,
        calls: JoinSet<(String, Result<Bytes, CallError>)>,
        deadline: Instant,
    },
    Over,
}

impl<Output> CallMany<Output> {
    pub(crate) fn new(rpc: Rpc, mask: &str, method: &str, params: Result<Vec<u8>, CallError>) -> Self {
        Self {
            limit: rpc.shared().settings.timeout,
            rpc,
            mask: mask.to_owned(),
            method: method.into(),
            params: params.map(Bytes::from),
            state: State::Fresh,
            output: PhantomData,
        }
    }

    /// How long everything may take, from the first item asked for; unless set, `Options::timeout`.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

impl<Output: DeserializeOwned> CallMany<Output> {
    /// The next answer: the client's name, and its result. `None` when everybody has answered or failed to.
    pub async fn next(&mut self) -> Option<(String, Result<Output, CallError>)> {
        std::future::poll_fn(|cx| self.poll_answer(cx)).await
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<(String, Result<Output, CallError>)>> {
        let answer = ready!(self.poll_raw(cx));
        Poll::Ready(answer.map(|(name, result)| {
            let result = result
                .and_then(|bytes| format::decode(&bytes).map_err(|reason| CallError::Decode { reason }));
            (name, result)
        }))
    }
}

impl<Output> CallMany<Output> {
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Option<(String, Result<Bytes, CallError>)>> {
        loop {
            match &mut self.state {
                State::Fresh => {
                    let listing = Box::pin(list(self.rpc.clone(), self.mask.clone(), self.limit));
                    let deadline = Instant::now() + self.limit.min(Duration::from_secs(365 * 24 * 3600));
                    self.state = State::Listing(listing, deadline);
                }
                State::Listing(listing, deadline) => match ready!(listing.as_mut().poll(cx)) {
                    Ok(rest) => {
                        self.state = State::Calling {
                            rest,
                            calls: JoinSet::new(),
                            deadline: *deadline,
                        };
                    }
                    Err(error) => return Poll::Ready(Some(self.fail(error))),
                },
                State::Calling { calls, .. } => {
                    if calls.len() < IN_FLIGHT
                        && let Err(error) = self.call_more()
                    {
                        return Poll::Ready(Some(self.fail(error)));
                    }
                    let State::Calling { calls, rest, .. } = &mut self.state else {
                        continue;
                    };
                    match ready!(calls.poll_join_next(cx)) {
                        Some(Ok(answer)) => return Poll::Ready(Some(answer)),
                        // A task that makes a call neither panics nor is cancelled, unless the runtime ends.
                        Some(Err(_)) => {}
                        None if rest.is_empty() => self.state = State::Over,
                        None => {}
                    }
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }

    fn call_more(&mut self) -> Result<(), CallError> {
        let State::Calling {
            rest,
            calls,
            deadline,
        } = &mut self.state
        else {
            return Ok(());
        };
        let params = self.params.clone()?;
        while calls.len() < IN_FLIGHT
            && let Some(name) = rest.pop_front()
        {
            let (rpc, method, params) = (self.rpc.clone(), Arc::clone(&self.method), params.clone());
            let limit = deadline.saturating_duration_since(Instant::now());
            let calling = async move {
                let result = rpc.call_raw(&name, &method, params).timeout(limit).await;
                (name, result)
            };
            calls.spawn_on(calling, &self.rpc.shared().runtime);
        }
        Ok(())
    }

    fn fail(&mut self, error: CallError) -> (String, Result<Bytes, CallError>) {
        self.state = State::Over;
        (self.mask.clone(), Err(error))
    }
}

/// Whom the mask names: primaries on the bus, without the broker and without ourselves.
async fn list(rpc: Rpc, mask: String, limit: Duration) -> Result<VecDeque<String>, CallError> {
    let parsed = NameMask::parse(mask.as_bytes(), NameLimits::default()).map_err(|reason| Error::Mask {
        mask: mask.clone(),
        reason,
    })?;
    let listing = watch::clients(rpc.shared(), &mask);
    let listed = tokio::time::timeout(limit, listing).await;
    let mut names = listed.map_err(|_| CallError::TimedOut { limit })??;
    names.retain(|name| {
        let parsed_name = ClientName::assume_checked(name);
        parsed.matches(parsed_name) && !parsed_name.is_reserved() && name != rpc.client().name()
    });
    Ok(names.into())
}

impl<Output: DeserializeOwned> Stream for CallMany<Output> {
    type Item = (String, Result<Output, CallError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_answer(cx)
    }
}

impl<Output> fmt::Debug for CallMany<Output> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallMany")
            .field("mask", &self.mask)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
