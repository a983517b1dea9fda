//! What a handler may know of the request beside its params.
use std::{borrow::Cow, ops::Range, sync::Arc};

use elbus_client::Frame;

use super::reply::Reply;
use crate::Rpc;

/// What a handler may know of the request beside its params: an optional last argument of it.
///
/// ```
/// use elbus_rpc::{Context, Failure, Service};
///
/// async fn greet(_: (), name: String, context: Context) -> Result<String, Failure> {
///     // A handler may call its caller over the same connection.
///     let mood: String = context.rpc().call(context.caller(), "mood", &()).await?;
///     Ok(format!("hello {name}, you are {mood}"))
/// }
///
/// let service = Service::new(()).method("greet", greet);
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    frame: Frame,
    rpc: Rpc,
    wants_reply: bool,
    method: Range<usize>,
}

impl Context {
    pub(super) fn of(reply: &Reply) -> Self {
        Self {
            frame: reply.request.frame.clone(),
            rpc: Rpc::of(Arc::clone(&reply.shared)),
            wants_reply: reply.is_owed(),
            method: reply.request.name_range(),
        }
    }

    /// The full name of the client that calls; the broker vouches for it.
    #[must_use]
    pub fn caller(&self) -> &str {
        self.frame.sender()
    }

    /// The name of the caller's primary: [`caller`](Self::caller) without a secondary's suffix.
    #[must_use]
    pub fn primary_caller(&self) -> &str {
        self.frame.primary_sender()
    }

    /// The method's name; what is not UTF-8 in it is replaced.
    #[must_use]
    pub fn method(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.frame.payload()[self.method.clone()])
    }

    /// Whether the request is real-time; then so is the reply.
    #[must_use]
    pub const fn is_realtime(&self) -> bool {
        self.frame.is_realtime()
    }

    /// Whether the caller waits for a reply.
    #[must_use]
    pub const fn wants_reply(&self) -> bool {
        self.wants_reply
    }

    /// The layer that the service runs on: to call others, the caller included.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }
}
