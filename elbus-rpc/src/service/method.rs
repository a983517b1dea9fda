//! Handlers of requests: async functions with typed params and results, or with bytes.
use std::sync::Arc;

use bytes::Bytes;
use elbus_proto::rpc::reply_header;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Context,
    reply::Reply,
    router::{Route, Start, Task},
};
use crate::{Failure, format, shared};

/// A method of a service, as [`typed`] and [`raw`] make it.
#[must_use = "a method does nothing until a service has it"]
pub struct Method<S> {
    bind: Box<dyn FnOnce(S) -> Start + Send>,
    description: String,
    concurrent: Option<usize>,
}

impl<S: Clone> Method<S> {
    fn new(bind: impl FnOnce(S) -> Start + Send + 'static) -> Self {
        Self {
            bind: Box::new(bind),
            description: String::new(),
            concurrent: None,
        }
    }

    /// What the method does, in a line: it is what the service answers when it is asked to describe itself.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Requests of this method that are handled at the same time. With a limit of its own a method neither takes part in
    /// the limit of the others (`Options::concurrent`) nor waits for them. From 1 to 1,048,576.
    pub fn concurrent(mut self, requests: usize) -> Self {
        self.concurrent = Some(requests);
        self
    }

    pub(crate) fn into_route(self, name: String, state: &S) -> Route {
        Route {
            name,
            description: self.description,
            concurrent: self.concurrent,
            lane: 0,
            start: (self.bind)(state.clone()),
        }
    }
}

impl<S> std::fmt::Debug for Method<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method")
            .field("description", &self.description)
            .field("concurrent", &self.concurrent)
            .finish_non_exhaustive()
    }
}

/// What can be registered as a method: a [`Method`], or an async function with the arguments `(state, params)` or
/// `(state, params, context)`. `M` only tells them apart.
#[diagnostic::on_unimplemented(
    message = "this cannot be a method of a service with the state `{S}`",
    note = "a method is an `async fn(state, params) -> Result<output, error>`, optionally with a `Context` as its last \
            argument; params can be deserialized, output serialized, and the error becomes a `Failure`"
)]
pub trait IntoMethod<S, M> {
    /// The method.
    fn into_method(self) -> Method<S>;
}

/// A handler that takes any bytes; `M` only tells apart those with and without a [`Context`].
#[diagnostic::on_unimplemented(
    message = "this cannot be a raw method of a service with the state `{S}`",
    note = "a raw method is an `async fn(state, Bytes) -> Result<output, error>`, optionally with a `Context` as its last \
            argument; the output is bytes, and the error becomes a `Failure`"
)]
pub trait RawHandler<S, M> {
    /// The method.
    fn into_raw_method(self) -> Method<S>;
}

/// A method with typed params and result, to be given a description or a limit of its own.
///
/// ```
/// use elbus_rpc::{Failure, Service, typed};
///
/// async fn double(_: (), number: i64) -> Result<i64, Failure> {
///     number.checked_mul(2).ok_or_else(|| Failure::invalid_params("too large to be doubled"))
/// }
///
/// let service = Service::new(())
///     .method("double", typed(double).description("Doubles a number.").concurrent(4));
/// ```
pub fn typed<S, M>(handler: impl IntoMethod<S, M>) -> Method<S> {
    handler.into_method()
}

/// A method whose params and result are bytes: an async function with the arguments `(state, bytes)` or `(state, bytes,
/// context)`, and anything that becomes [`Bytes`] as its result.
///
/// ```
/// use bytes::Bytes;
/// use elbus_rpc::{Failure, Service, raw};
///
/// async fn echo(_: (), params: Bytes) -> Result<Bytes, Failure> {
///     Ok(params)
/// }
///
/// let service = Service::new(()).method("echo", raw(echo).description("Answers what it is given."));
/// ```
pub fn raw<S, M>(handler: impl RawHandler<S, M>) -> Method<S> {
    handler.into_raw_method()
}

impl<S> IntoMethod<S, ()> for Method<S> {
    fn into_method(self) -> Method<S> {
        self
    }
}

impl<S, P, O, E, F, Fut> IntoMethod<S, (P,)> for F
where
    S: Clone + Send + Sync + 'static,
    P: DeserializeOwned + Send + 'static,
    O: Serialize,
    E: Into<Failure>,
    F: Fn(S, P) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn into_method(self) -> Method<S> {
        spawning(self, |handler: Arc<F>, state, reply: Reply| async move {
            let outcome = match params(&reply) {
                Ok(params) => handler(state, params).await.map_err(Into::into),
                Err(failure) => Err(failure),
            };
            let payload = outcome.and_then(|output| payload(&reply, &output));
            reply.send(payload).await;
        })
    }
}

impl<S, P, O, E, F, Fut> IntoMethod<S, (P, Context)> for F
where
    S: Clone + Send + Sync + 'static,
    P: DeserializeOwned + Send + 'static,
    O: Serialize,
    E: Into<Failure>,
    F: Fn(S, P, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn into_method(self) -> Method<S> {
        spawning(self, |handler: Arc<F>, state, reply: Reply| async move {
            let outcome = match params(&reply) {
                Ok(params) => handler(state, params, Context::of(&reply))
                    .await
                    .map_err(Into::into),
                Err(failure) => Err(failure),
            };
            let payload = outcome.and_then(|output| payload(&reply, &output));
            reply.send(payload).await;
        })
    }
}

impl<S, O, E, F, Fut> RawHandler<S, (Bytes,)> for F
where
    S: Clone + Send + Sync + 'static,
    O: AsRef<[u8]>,
    E: Into<Failure>,
    F: Fn(S, Bytes) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn into_raw_method(self) -> Method<S> {
        spawning(self, |handler: Arc<F>, state, reply: Reply| async move {
            let outcome = handler(state, raw_params(&reply)).await.map_err(Into::into);
            let payload = outcome.map(|output| shared::reply(reply.id(), output.as_ref()));
            reply.send(payload).await;
        })
    }
}

impl<S, O, E, F, Fut> RawHandler<S, (Bytes, Context)> for F
where
    S: Clone + Send + Sync + 'static,
    O: AsRef<[u8]>,
    E: Into<Failure>,
    F: Fn(S, Bytes, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
{
    fn into_raw_method(self) -> Method<S> {
        spawning(self, |handler: Arc<F>, state, reply: Reply| async move {
            let outcome = handler(state, raw_params(&reply), Context::of(&reply)).await;
            let payload = outcome.map(|output| shared::reply(reply.id(), output.as_ref()));
            reply.send(payload.map_err(Into::into)).await;
        })
    }
}

/// A method that handles each request in a task of its own. The handler begins in there, so that it may panic.
fn spawning<S, F, Handle, Fut>(handler: F, handle: Handle) -> Method<S>
where
    S: Clone + Send + Sync + 'static,
    F: Send + Sync + 'static,
    Handle: Fn(Arc<F>, S, Reply) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let handler = Arc::new(handler);
    Method::new(move |state: S| -> Start {
        Box::new(move |Task { place, reply }| {
            let shared = Arc::clone(&reply.shared);
            let handling = handle(Arc::clone(&handler), state.clone(), reply);
            shared.runtime.spawn(place.run(handling));
        })
    })
}

fn params<P: DeserializeOwned>(reply: &Reply) -> Result<P, Failure> {
    format::decode_params(&reply.request.frame.payload()[reply.request.params_at()..])
}

fn raw_params(reply: &Reply) -> Bytes {
    reply.request.frame.payload().slice(reply.request.params_at()..)
}

fn payload<O: Serialize>(reply: &Reply, output: &O) -> Result<Vec<u8>, Failure> {
    if !reply.is_owed() {
        return Ok(Vec::new());
    }
    let front = reply_header(reply.id());
    format::encode(&[&front], output)
        .map_err(|reason| Failure::internal(format_args!("the result cannot be encoded: {reason}")))
}
