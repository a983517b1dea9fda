//! What the handles, the driver and the handlers of one RPC layer share.
use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

use elbus_client::{Client, Error, Frame, Qos};
use elbus_proto::rpc::{error_header, reply_header};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::{Failure, options::Settings, pending::Pending, service::Router};

/// Answers that wait for room in the outbox although nobody handles their requests; beyond it they are left out.
const DETACHED: usize = 1024;

/// What the handles, the driver and the handlers of one RPC layer share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) pending: Mutex<Pending>,
    pub(crate) router: Router,
    /// Handles that users hold.
    pub(crate) handles: AtomicUsize,
    pub(crate) runtime: Handle,
    detached: AtomicUsize,
    pub(crate) refused_busy: AtomicU64,
    pub(crate) events_dropped: AtomicU64,
}

impl Shared {
    pub(crate) fn new(client: Client, settings: Settings, router: Router, runtime: Handle) -> Arc<Self> {
        let seed = RandomState::new().hash_one(client.name());
        Arc::new_cyclic(|own| Self {
            client,
            pending: Mutex::new(Pending::new(
                settings.calls,
                settings.watch_after,
                seed as u32,
                Weak::clone(own),
            )),
            settings,
            router,
            handles: AtomicUsize::new(0),
            runtime,
            detached: AtomicUsize::new(0),
            refused_busy: AtomicU64::new(0),
            events_dropped: AtomicU64::new(0),
        })
    }

    /// Sends an error reply without waiting.
    pub(crate) fn refuse(self: &Arc<Self>, request: &Frame, id: u32, failure: &Failure) {
        if id != 0 {
            self.send_detached(request, error_reply(id, failure));
        }
    }

    /// Sends a reply without waiting.
    pub(crate) fn answer(self: &Arc<Self>, request: &Frame, id: u32, result: &[u8]) {
        if id != 0 {
            self.send_detached(request, reply(id, result));
        }
    }

    /// For those who must not wait: the driver, which goes on reading, and whoever drops a handler.
    fn send_detached(self: &Arc<Self>, request: &Frame, payload: Vec<u8>) {
        let (shared, target, qos) = (Arc::clone(self), request.sender().to_owned(), reply_qos(request));
        let mut sending = Box::pin(async move { shared.send(&target, payload, qos).await });
        let mut cx = Context::from_waker(Waker::noop());
        if sending.as_mut().poll(&mut cx).is_ready() {
            return;
        }
        if self.detached.fetch_add(1, Relaxed) >= DETACHED {
            self.detached.fetch_sub(1, Relaxed);
            tracing::warn!(
                caller = request.sender(),
                "no room for a reply, which is left out"
            );
            return;
        }
        let shared = Arc::clone(self);
        self.runtime.spawn(async move {
            drop(sending.await);
            shared.detached.fetch_sub(1, Relaxed);
        });
    }

    /// Hands a message over without waiting for the broker's verdict on it.
    pub(crate) async fn send(&self, target: &str, payload: Vec<u8>, qos: Qos) -> Result<(), Error> {
        drop(self.client.send(target, payload).qos(qos).confirm().await?);
        Ok(())
    }

    /// Whether nobody holds a handle any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.handles.load(Relaxed) == 0
    }

    /// Changes the pending calls and wakes those whom that concerns, outside of the lock.
    pub(crate) fn end_calls(&self, end: impl FnOnce(&mut Pending) -> Vec<Waker>) {
        let wakers = end(&mut self.pending.lock());
        for waker in wakers {
            waker.wake();
        }
    }
}

/// Replies are acknowledged, as published services have it; real-time requests get real-time replies.
pub(crate) const fn reply_qos(request: &Frame) -> Qos {
    if request.is_realtime() {
        Qos::RealtimeProcessed
    } else {
        Qos::Processed
    }
}

pub(crate) fn reply(id: u32, result: &[u8]) -> Vec<u8> {
    [&reply_header(id)[..], result].concat()
}

pub(crate) fn error_reply(id: u32, failure: &Failure) -> Vec<u8> {
    [&error_header(id, failure.code())[..], failure.reason()].concat()
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
