//! The life of a client: one connection after the other, until it is closed or turned away.
use std::{io::ErrorKind, sync::Arc, time::Instant};

use super::{backoff::Backoff, driver::Driver, greeting::dial, shared::Shared, stream::Socket};
use crate::{ConnectError, event::Event};

/// Connects for the first time, as the options say: at once, or for as long as it may take.
pub(super) async fn first(shared: &Shared) -> Result<Arc<Socket>, ConnectError> {
    let Some(limit) = shared.options.retry_first else {
        return dial(shared).await;
    };
    let end = Instant::now() + limit;
    let mut backoff = Backoff::of(&shared.options);
    loop {
        let error = match dial(shared).await {
            Ok(socket) => return Ok(socket),
            Err(_) if shared.primary_is_gone() => return Err(ConnectError::Closed),
            Err(error) => error,
        };
        // The last try is at the end of the time.
        let left = end.saturating_duration_since(Instant::now());
        if !error.may_pass() || left.is_zero() {
            return Err(error);
        }
        let delay = backoff.next().min(left);
        tracing::debug!(client = shared.options.name, %error, ?delay, "not connected yet");
        tokio::time::sleep(delay).await;
    }
}

/// Drives one connection after the other.
pub(super) fn run(shared: Arc<Shared>, first: Arc<Socket>) -> impl Future<Output = ()> {
    // However this ends, also when the runtime goes down before it has begun: nobody waits for it in vain.
    let ending = Ending(shared);
    async move { drive(&ending.0, first).await }
}

async fn drive(shared: &Shared, first: Arc<Socket>) {
    let mut socket = first;
    let mut backoff = Backoff::of(&shared.options);
    loop {
        tracing::info!(address = %shared.address, "connected");
        let since = Instant::now();
        let mut driver = Driver::new(shared, socket);
        let why = std::future::poll_fn(|cx| driver.poll(cx)).await;
        drop(driver);
        tracing::info!(reason = %why, "disconnected");
        shared.disconnected();
        shared.tell(&Event::Disconnected { why: Arc::new(why) });
        backoff.lasted(since.elapsed());
        if shared.options.backoff.is_none() {
            return;
        }
        socket = match again(shared, &mut backoff).await {
            Some(socket) => socket,
            None => return,
        };
        shared.connected(&socket);
    }
}

/// Connects again; `None` when the client is closed or turned away.
async fn again(shared: &Shared, backoff: &mut Backoff) -> Option<Arc<Socket>> {
    tokio::select! {
        biased;
        () = std::future::poll_fn(|cx| shared.outbox.with(|outbox| outbox.poll_sealed(cx))) => None,
        socket = redial(shared, backoff) => socket,
    }
}

async fn redial(shared: &Shared, backoff: &mut Backoff) -> Option<Arc<Socket>> {
    let mut told = String::new();
    loop {
        let delay = backoff.next();
        tokio::time::sleep(delay).await;
        if let Some(primary) = &shared.primary {
            let connected =
                std::future::poll_fn(|cx| primary.outbox.with(|outbox| outbox.poll_connected(cx)));
            if !connected.await {
                return None;
            }
        }
        match dial(shared).await {
            Ok(socket) => return Some(socket),
            // There was a broker at this address: whoever answers something else in its place may be gone soon.
            Err(error) if error.may_pass() || matches!(error, ConnectError::Greeting { .. }) => {
                tracing::debug!(%error, ?delay, "not connected again");
                let reason = error.to_string();
                if reason != told && !is_nobody_there(&error) {
                    told = reason;
                    shared.tell(&Event::Retrying { why: Arc::new(error) });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "turned away");
                shared.tell(&Event::GaveUp { why: Arc::new(error) });
                return None;
            }
        }
    }
}

/// Whether nobody listens at the address: as long as the broker is gone that goes without saying.
fn is_nobody_there(error: &ConnectError) -> bool {
    let ConnectError::Unreachable { source, .. } = error else {
        return false;
    };
    matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Sees to it that a client whose task has ended is closed.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.disconnected();
        self.0.end();
    }
}
