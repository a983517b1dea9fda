//! What a user registers: methods by name, and who hears everything else.
use std::fmt;

use elbus_client::{Client, Inbox};

use super::{
    Router,
    events::{Arrival, Events, Kind},
    method::IntoMethod,
    router::Route,
};
use crate::{Cursors, Options, Rpc, StartError, options::within};

/// A service: async functions by method name, with typed params and results, and a state that all of them share.
///
/// A handler is an `async fn(state, params) -> Result<output, error>`, optionally with a [`Context`](crate::Context) as
/// its last argument. The state is cloned for each request: an `Arc`, as a rule. Params and output are what serde can
/// read and write, as MessagePack with structs as maps; the error is whatever becomes a [`Failure`](crate::Failure).
///
/// | what arrives | is answered |
/// | --- | --- |
/// | params that are no MessagePack | -32700 |
/// | params that the method does not take | -32602, with a text that names the field |
/// | a method that is not there | -32601 |
/// | a request while too many wait | -32118 (busy), at once |
/// | a request whose handler panics or is cancelled | -32603 |
/// | `.describe` | the methods with a line of documentation each |
///
/// ```
/// use std::sync::Arc;
/// use elbus_rpc::{Failure, Rpc, Service, typed};
/// use serde::{Deserialize, Serialize};
///
/// struct Calculator {
///     largest: i64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Add {
///     a: i64,
///     b: i64,
/// }
///
/// async fn add(state: Arc<Calculator>, params: Add) -> Result<i64, Failure> {
///     let sum = params.a + params.b;
///     if sum > state.largest {
///         return Err(Failure::new(1, "too large"));
///     }
///     Ok(sum)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let broker = elbus_broker::Broker::new(Default::default())?;
/// # let (client, inbox) = broker.client("calculator")?;
/// let calculator = Arc::new(Calculator { largest: 100 });
/// let _running = Service::new(calculator)
///     .method("add", typed(add).description("Adds two numbers."))
///     .start(client, inbox)?;
///
/// # let (client, inbox) = broker.client("panel")?;
/// let rpc = Rpc::new(client, inbox);
/// let sum: i64 = rpc.call("calculator", "add", &Add { a: 1, b: 2 }).await?;
/// assert_eq!(sum, 3);
/// # Ok(())
/// # }
/// ```
pub struct Service<S> {
    state: S,
    routes: Vec<Route>,
    fallback: Option<Route>,
    events: Events,
}

impl<S: Clone + Send + Sync + 'static> Service<S> {
    /// A service without methods so far.
    #[must_use]
    pub fn new(state: S) -> Self {
        Self {
            state,
            routes: Vec::new(),
            fallback: None,
            events: Events::default(),
        }
    }

    /// Registers a method: an async function, or a [`typed`](crate::typed) or [`raw`](crate::raw) one with a
    /// description and a limit of its own. Names that cannot be called, or are there already, are refused when the
    /// service is started.
    #[must_use]
    pub fn method<M>(mut self, name: impl Into<String>, method: impl IntoMethod<S, M>) -> Self {
        let route = method.into_method().into_route(name.into(), &self.state);
        self.routes.push(route);
        self
    }

    /// What to do with requests for methods that are not there, instead of answering so. [`Context::method`](crate::Context::method)
    /// says which one was meant.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use elbus_rpc::{Context, Failure, Service, raw};
    ///
    /// async fn listen(_: (), params: Bytes, context: Context) -> Result<Bytes, Failure> {
    ///     println!("{} calls {} with {params:?}", context.caller(), context.method());
    ///     Ok(Bytes::new())
    /// }
    ///
    /// let service = Service::new(()).fallback(raw(listen));
    /// ```
    #[must_use]
    pub fn fallback<M>(mut self, method: impl IntoMethod<S, M>) -> Self {
        self.fallback = Some(method.into_method().into_route(String::new(), &self.state));
        self
    }

    /// Adds the methods `N` and `NB`, with which clients page through `cursors`.
    #[must_use]
    pub fn cursors(mut self, cursors: &Cursors) -> Self {
        self.routes.extend(cursors.routes());
        self
    }

    /// Hears notifications. What is no request is handled in the order in which it came, one after the other.
    #[must_use]
    pub fn on_notification<Fut>(self, handler: impl Fn(S, Arrival) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on(Kind::Notification, handler)
    }

    /// Hears publications. Every client gets the broker's warnings, whose topic is `.broker/warn`, and may while its
    /// calls take long get the announcements at `.broker/info`: look at the topic.
    #[must_use]
    pub fn on_publication<Fut>(self, handler: impl Fn(S, Arrival) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on(Kind::Publication, handler)
    }

    /// Hears broadcasts.
    #[must_use]
    pub fn on_broadcast<Fut>(self, handler: impl Fn(S, Arrival) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on(Kind::Broadcast, handler)
    }

    /// Hears messages that are not RPC: neither request, reply nor notification. To be one of those a message need only
    /// begin with the byte 0, 1, 17 or 18.
    #[must_use]
    pub fn on_message<Fut>(self, handler: impl Fn(S, Arrival) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on(Kind::Message, handler)
    }

    /// Starts the service with the default [`Options`], in a task of its own. It runs until the client is closed or
    /// every handle is dropped: hold on to what this answers.
    ///
    /// # Errors
    /// When a method's name cannot be called, or is there twice.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub fn start(self, client: Client, inbox: Inbox) -> Result<Rpc, StartError> {
        Options::new().service(self).start(client, inbox)
    }

    /// Serves with the default [`Options`] until the client is closed.
    ///
    /// # Errors
    /// When a method's name cannot be called, or is there twice.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its time driver.
    pub async fn serve(self, client: Client, inbox: Inbox) -> Result<(), StartError> {
        Options::new().service(self).serve(client, inbox).await
    }

    fn on<Fut>(mut self, kind: Kind, handler: impl Fn(S, Arrival) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let state = self.state.clone();
        self.events.on(
            kind,
            Box::new(move |arrival| Box::pin(handler(state.clone(), arrival))),
        );
        self
    }

    pub(crate) fn into_router(self) -> Result<Router, StartError> {
        let mut names = std::collections::HashSet::new();
        for Route { name, concurrent, .. } in &self.routes {
            if name.is_empty() || name.contains('\0') || name.starts_with('.') {
                return Err(StartError::MethodName { name: name.clone() });
            }
            if !names.insert(name) {
                return Err(StartError::DuplicateMethod { name: name.clone() });
            }
            within("concurrent", concurrent.unwrap_or(1), 1, 1 << 20)?;
        }
        if let Some(Route { concurrent, .. }) = &self.fallback {
            within("concurrent", concurrent.unwrap_or(1), 1, 1 << 20)?;
        }
        Ok(Router::new(self.routes, self.fallback, self.events))
    }
}

impl<S> fmt::Debug for Service<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.routes.iter().map(|route| &route.name).collect();
        f.debug_struct("Service")
            .field("methods", &names)
            .finish_non_exhaustive()
    }
}
