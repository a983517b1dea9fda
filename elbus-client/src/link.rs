//! What lies between a client and its broker.
//!
//! A link takes an operation synchronously and carries it out on the spot when it can; only when something is full
//! does it hand back a future. So the steady state boxes nothing and allocates nothing for a send.
use std::{collections::VecDeque, future::Future, pin::Pin, task::Context, task::Poll};

use bytes::Bytes;
use elbus_proto::Qos;

use crate::{Error, Frame};

/// A way to reach a broker.
pub trait Link: Send + Sync + 'static {
    /// The name under which the client is registered.
    fn name(&self) -> &str;

    /// Takes an operation. With an acknowledged QoS the result is the broker's verdict; without, it only says
    /// whether the operation could be handed over.
    fn submit(&self, operation: Operation<'_>, qos: Qos) -> Submitted;

    /// Leaves the bus: the name is free when this returns, and the inbox ends.
    fn close(&self);
}

/// What became of an operation that a link was given.
pub enum Submitted {
    /// It is done.
    Done(Result<(), Error>),
    /// Something is full; the future does the rest. Dropping it takes the operation back as far as it was not yet
    /// carried out.
    Later(Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>),
}

/// Where an inbox takes its frames from.
pub trait Source: Send + 'static {
    /// Moves what has arrived into `batch`, which is empty. Ready with `batch` still empty means that nothing will
    /// ever come again.
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<()>;
}

/// What a client asks of the broker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Send to one client.
    Message {
        /// Its name.
        target: &'a str,
        /// What to send.
        payload: Payload<'a>,
    },
    /// Send to every client whose name matches.
    Broadcast {
        /// The name mask.
        mask: &'a str,
        /// What to send.
        payload: Payload<'a>,
    },
    /// Publish to the subscribers of a topic.
    Publish {
        /// The topic.
        topic: &'a str,
        /// If given, only to those subscribers whose primary name this is.
        receiver: Option<&'a str>,
        /// What to publish.
        payload: Payload<'a>,
    },
    /// Subscribe to topic filters.
    Subscribe(&'a [&'a str]),
    /// Unsubscribe from topic filters.
    Unsubscribe(&'a [&'a str]),
    /// Stop receiving publications that match these filters.
    Exclude(&'a [&'a str]),
    /// Take exclusions back.
    Unexclude(&'a [&'a str]),
}

/// The bytes of a message: borrowed for the call, or shared.
///
/// A borrowed payload is copied once, into the outgoing buffer or the receiver's frame; a shared one that stays in
/// the process is not copied at all.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Borrowed from the caller.
    Borrowed(&'a [u8]),
    /// Shared memory.
    Shared(Bytes),
}

impl Payload<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// The bytes as shared memory; copies a borrowed payload.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl<'a> From<&'a str> for Payload<'a> {
    fn from(text: &'a str) -> Self {
        Self::Borrowed(text.as_bytes())
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Shared(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Shared(bytes.into())
    }
}

impl From<String> for Payload<'_> {
    fn from(text: String) -> Self {
        Self::Shared(text.into())
    }
}
