//! What lies between a client and its broker.
//!
//! A link takes an operation synchronously and carries it out on the spot when it can; only when something is full
//! does it hand back a future. So the steady state boxes nothing and allocates nothing for a send.
use std::{
    collections::VecDeque,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use elbus_proto::Qos;

use crate::{Client, ConnectError, Error, Events, Frame, Inbox};
pub use crate::{event::Listeners, portion::Portion};

/// A way to reach a broker.
pub trait Link: Send + Sync + 'static {
    /// The name under which the client is registered.
    fn name(&self) -> &str;

    /// Takes an operation. With an acknowledged QoS the result is the broker's verdict; without, it only says
    /// whether the operation could be handed over. `awaited`: the task that sends it waits for the verdict, and has
    /// nothing else to send meanwhile.
    ///
    /// It is called once for each operation; what is left in it afterwards is dropped with the future, so that a payload
    /// which is kept is [taken out](Payload::take). [`Done`](Submitted::Done) with [`Error::Refused`] is the broker's
    /// verdict; any other error says that the operation was not handed over.
    fn submit(&self, operation: &mut Operation<'_>, qos: Qos, awaited: bool) -> Submitted;

    /// The verdict on an operation that was [taken](Submitted::Taken); ready once for each ticket. A link that gives
    /// tickets has this and [`abandon`](Self::abandon).
    fn poll_verdict(&self, _ticket: Ticket, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    /// Nobody waits for this verdict any more: at most once for a ticket, and not after its verdict was ready.
    fn abandon(&self, _ticket: Ticket) {}

    /// Ready when everything taken so far is on its way.
    fn flush(&self) -> Later<Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Leaves the bus: nothing is taken from now on. What follows, the future says, is ready when everything taken
    /// before is on its way, the name is free and the inbox ends. Dropping it does not hold that up.
    fn close(&self) -> Later<Result<(), Error>>;

    /// Registers a secondary: a client of its own, named `PRIMARY%%SUFFIX`, that leaves the bus with its primary.
    fn secondary(&self) -> Later<Result<(Client, Inbox), ConnectError>>;

    /// What happens to the connection from now on. A link that cannot break has nothing to tell.
    fn events(&self) -> Events {
        Events::none()
    }
}

/// Something that takes a while.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Which verdict is waited for: a number that the link chooses, other than those whose verdict was neither given nor
/// abandoned. It is not 0, so that an `Option` of it takes no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub NonZeroU32);

/// What became of an operation that a link was given.
pub enum Submitted {
    /// It is done.
    Done(Result<(), Error>),
    /// It is taken.
    Taken {
        /// How to ask for the verdict; `None` if there is none to come.
        ticket: Option<Ticket>,
        /// Much has been gathered: the sender lets other tasks run before it sends more.
        pause: bool,
    },
    /// Something is full; the future does the rest. Dropping it takes the operation back as far as it was not yet
    /// carried out.
    Later(Later<Submitted>),
}

/// Where an inbox takes its frames from.
pub trait Source: Send + 'static {
    /// Moves what has arrived into `batch`, which is empty. Ready with `batch` still empty means that nothing will
    /// ever come again.
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<()>;

    /// Moves what has arrived into `batch`, which is empty. Whoever [`poll_fill`](Self::poll_fill) has promised to wake
    /// is woken all the same when more comes.
    fn try_fill(&mut self, batch: &mut VecDeque<Frame>);
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
    /// Nothing: shows that the connection is alive.
    Ping,
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

impl<'a> Payload<'a> {
    /// The payload, taken out: of a shared one nothing is left.
    #[must_use]
    #[inline]
    pub const fn take(&mut self) -> Payload<'a> {
        match self {
            Self::Borrowed(bytes) => Self::Borrowed(bytes),
            Self::Shared(bytes) => Self::Shared(std::mem::replace(bytes, Bytes::new())),
        }
    }

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
