//! The link of a client to a broker over a UNIX socket or TCP.
//!
//! ```text
//! Client ── SocketLink ─┐
//! Inbox ── SocketSource ┤
//!                    Shared ── Outbox: bytes to write, operations in flight, who waits (one lock)
//!                       │   └─ Arrivals: frames for the inbox (one lock)
//!                  supervisor ── one task a client: dials, greets, backs off
//!                       └─ Driver ── one connection: writes, reads (Reader), keeps time (Clock)
//! ```
//!
//! A send takes the outbox's lock once and copies its frame into the outbox. Who writes: the sender, if the frame is
//! real-time, if 64 KiB are gathered, or if it awaits the answer to the only operation in flight; else the connection's task, which is
//! woken once and gets its turn when the sender yields. Neither lock is held across an await or a system call, and
//! never both at once.
mod backoff;
#[cfg(feature = "bench")]
pub mod bench;
mod clock;
mod driver;
mod filters;
mod greeting;
mod inbox;
mod line;
mod names;
mod outbox;
mod pending;
mod queue;
mod reader;
mod request;
mod shared;
mod stream;
mod supervisor;
#[cfg(feature = "tls")]
mod tls;

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use elbus_proto::{ClientName, Qos, SECONDARY_SEPARATOR};
use outbox::Outbox;
pub(crate) use pending::MOST_IN_FLIGHT;
use shared::Shared;
#[cfg(feature = "tls")]
pub(crate) use tls::TlsSettings;
use tracing::Instrument;

use crate::{
    Address, Client, ConnectError, Error, Events, Frame, Inbox, Options,
    link::{Later, Link, Operation, Source, Submitted, Ticket},
};

/// The sending half of a client.
struct SocketLink {
    shared: Arc<Shared>,
    _membership: Arc<Membership>,
}

/// The receiving half.
struct SocketSource(Arc<Membership>);

/// Being on the bus: ends when both halves are gone.
struct Membership(Arc<Shared>);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.seal();
    }
}

/// Connects, and starts the client's task.
pub(crate) async fn connect(options: Options, address: Address) -> Result<(Client, Inbox), ConnectError> {
    register(options, address, None).await
}

async fn register(
    options: Options,
    address: Address,
    primary: Option<Arc<Shared>>,
) -> Result<(Client, Inbox), ConnectError> {
    let shared = Arc::new(Shared::new(options, address, primary));
    let socket = supervisor::first(&shared).await?;
    shared.connected(&socket);
    let span = tracing::info_span!("bus", client = shared.options.name);
    tokio::spawn(supervisor::run(Arc::clone(&shared), socket).instrument(span));
    let membership = Arc::new(Membership(Arc::clone(&shared)));
    let link = SocketLink {
        shared,
        _membership: Arc::clone(&membership),
    };
    let source = SocketSource(membership);
    Ok((Client::new(Arc::new(link)), Inbox::new(Box::new(source))))
}

impl Link for SocketLink {
    fn name(&self) -> &str {
        &self.shared.options.name
    }

    fn submit(&self, operation: &mut Operation<'_>, qos: Qos, awaited: bool) -> Submitted {
        self.shared.submit(operation, qos, awaited)
    }

    fn poll_verdict(&self, ticket: Ticket, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll_verdict(ticket, cx)
    }

    fn abandon(&self, ticket: Ticket) {
        self.shared.abandon(ticket);
    }

    fn flush(&self) -> Later<Result<(), Error>> {
        Box::pin(Arc::clone(&self.shared).flush())
    }

    fn close(&self) -> Later<Result<(), Error>> {
        self.shared.seal();
        Box::pin(Arc::clone(&self.shared).closed())
    }

    fn secondary(&self) -> Later<Result<(Client, Inbox), ConnectError>> {
        Box::pin(secondary(Arc::clone(&self.shared)))
    }

    fn events(&self) -> Events {
        self.shared.listeners.listen()
    }
}

impl Source for SocketSource {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<()> {
        if ready!(self.0.0.arrivals.poll_take(cx, batch)) {
            self.0.0.outbox.with(Outbox::wake_driver);
        }
        Poll::Ready(())
    }

    fn try_fill(&mut self, batch: &mut VecDeque<Frame>) {
        if self.0.0.arrivals.try_take(batch) {
            self.0.0.outbox.with(Outbox::wake_driver);
        }
    }
}

impl Drop for SocketSource {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.arrivals.discard() {
            shared.outbox.with(Outbox::wake_driver);
        }
    }
}

/// A secondary of this client, or of its primary if it is one itself.
async fn secondary(shared: Arc<Shared>) -> Result<(Client, Inbox), ConnectError> {
    let primary = shared.primary.clone().unwrap_or(shared);
    let connected = std::future::poll_fn(|cx| primary.outbox.with(|outbox| outbox.poll_connected(cx)));
    if !connected.await {
        return Err(ConnectError::Closed);
    }
    let mut options = primary.options.clone();
    options.name = format!(
        "{}{SECONDARY_SEPARATOR}{}",
        primary.options.name,
        primary.next_secondary()
    );
    ClientName::parse(options.name.as_bytes(), options.names).map_err(|reason| ConnectError::Name {
        name: options.name.clone(),
        reason,
    })?;
    let address = primary.address.clone();
    register(options, address, Some(primary)).await
}
