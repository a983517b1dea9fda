//! What the sessions of one broker share.
#[cfg(feature = "tls")]
use std::sync::Weak;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::{Access, AccessRules},
    announce,
    config::Config,
    methods::reload::Reloading,
    peer::{Cut, Peer},
    registry::{Refusal, Registry, Replaced},
    session::anticipation::Expected,
    settings::Settings,
    socket::Origin,
    stats::Totals,
    subscriptions::Subscriptions,
    users::Users,
};

/// What the sessions of one broker share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) access: Access,
    pub(crate) reloading: Reloading,
    pub(crate) totals: Totals,
    pub(crate) users: Users,
    pub(crate) started: Instant,
    /// Ends accept loops and greetings.
    pub(crate) stop: CancellationToken,
    /// Cancelled when every session has read what had arrived: now they write what they hold and say goodbye.
    pub(crate) flushing: CancellationToken,
    /// Accept loops and connections.
    pub(crate) tasks: TaskTracker,
    /// Sessions that still read.
    pub(crate) readers: TaskTracker,
    /// Held while it is decided who is dead, so that one is cut at a time.
    pub(crate) verdict: Mutex<()>,
    /// Held while a client comes or goes, so that this is announced in order.
    announcements: Mutex<()>,
    pub(crate) greetings: AtomicUsize,
    /// The client of the command FIFOs.
    #[cfg(target_os = "linux")]
    pub(crate) fifo: crate::listener::fifo::Shared,
    /// The listeners whose certificates can be read again.
    #[cfg(feature = "tls")]
    pub(crate) tls: Mutex<Vec<Weak<crate::listener::tls::Tls>>>,
    /// TLS connections that may still have something to pass on at shutdown.
    #[cfg(feature = "tls")]
    pub(crate) relays: TaskTracker,
    /// Clients whose answers are waited for.
    pub(crate) expected: Arc<Expected>,
    /// Connections that were refused and are still to hear so.
    pub(crate) refused: AtomicUsize,
    /// Nobody new is accepted; sessions read what has arrived, and no more.
    shutting_down: AtomicBool,
    ids: AtomicU64,
}

impl Core {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            registry: Registry::new(),
            subscriptions: Subscriptions::new(),
            access: Access::default(),
            reloading: Reloading::default(),
            totals: Totals::default(),
            users: Users::new(&config),
            started: Instant::now(),
            stop: CancellationToken::new(),
            flushing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            readers: TaskTracker::new(),
            verdict: Mutex::new(()),
            announcements: Mutex::new(()),
            greetings: AtomicUsize::new(0),
            #[cfg(target_os = "linux")]
            fifo: crate::listener::fifo::Shared::default(),
            #[cfg(feature = "tls")]
            tls: Mutex::default(),
            #[cfg(feature = "tls")]
            relays: TaskTracker::new(),
            expected: Arc::default(),
            refused: AtomicUsize::new(0),
            shutting_down: AtomicBool::new(false),
            ids: AtomicU64::new(1),
            settings: Settings::new(config),
        })
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Relaxed)
    }

    /// Whether sessions read only what has arrived.
    #[inline]
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(SeqCst)
    }

    /// Has every session read what has arrived, and no more.
    pub(crate) fn read_the_last(&self) {
        self.shutting_down.store(true, SeqCst);
        for peer in self.registry.all() {
            peer.wake_session();
        }
    }

    /// Puts a client on the bus and announces it. Whoever had the name before, if the configuration takes names
    /// over, is disconnected.
    pub(crate) fn register(self: &Arc<Self>, peer: &Arc<Peer>) -> Result<(), Refusal> {
        // The rules do not change while this is held: whoever is admitted by old ones is found when there are new ones.
        let in_order = self.announcements.lock();
        // The FIFO is the server's own: it may always be there, and its commands are judged.
        if peer.origin != Origin::Fifo && !peer.rights().may_connect() {
            self.totals.count_denied();
            return Err(Refusal::Denied);
        }
        let (limit, force) = (self.settings.clients(), self.settings.force_register());
        let replaced = self.registry.register(peer, limit, force)?;
        self.totals.enlist(peer);
        let left = replaced
            .as_ref()
            .map(|replaced| announce::unregistered(self, &replaced.peer));
        let came = announce::registered(self, peer);
        drop(in_order);
        drop((left, came));
        tracing::debug!(client = %peer.name, from = %peer.origin, "registered");
        if let Some(Replaced {
            peer: old,
            secondaries,
        }) = replaced
        {
            tracing::info!(client = %old.name, by = %peer.origin, "name taken over");
            old.cut(Cut::Replaced);
            // The name has passed on already, so `unregister` would find nothing to do.
            self.forget(&old, secondaries);
        }
        Ok(())
    }

    /// Takes a client off the bus, if it still is on it: its name is free and its subscriptions are gone when this
    /// returns. What is queued for it is still delivered.
    pub(crate) fn unregister(self: &Arc<Self>, peer: &Arc<Peer>) {
        let in_order = self.announcements.lock();
        let Some(secondaries) = self.registry.remove(peer) else {
            return;
        };
        let left = announce::unregistered(self, peer);
        drop(in_order);
        drop(left);
        self.forget(peer, secondaries);
    }

    fn forget(self: &Arc<Self>, peer: &Arc<Peer>, secondaries: Vec<Arc<Peer>>) {
        self.subscriptions.remove_client(peer.id);
        tracing::debug!(client = %peer.name, "unregistered");
        if self.is_shutting_down() {
            // They leave by themselves, when what waits for them is written.
            return;
        }
        // Secondaries have no secondaries: this is one level deep.
        for secondary in secondaries {
            self.cut(&secondary, Cut::PrimaryLeft);
        }
    }

    /// Puts other access rules in force, for those who are connected as well.
    pub(crate) fn set_access(self: &Arc<Self>, rules: AccessRules) {
        let in_order = self.announcements.lock();
        self.access.replace(rules);
        let connected = self.registry.all();
        drop(in_order);
        for peer in connected {
            let rights = peer.rights();
            if peer.origin != Origin::Fifo && !rights.may_connect() {
                tracing::warn!(
                    client = %peer.name, from = %peer.origin,
                    "the access rules do not admit it any more: disconnected"
                );
                self.cut(&peer, Cut::Denied);
                continue;
            }
            let removed = self.subscriptions.remove_denied(&peer);
            if let Some(first) = removed.first() {
                tracing::warn!(
                    client = %peer.name, filters = removed.len(), %first,
                    "subscriptions that the access rules do not admit any more are removed"
                );
            }
        }
    }

    /// Disconnects a client and takes it off the bus.
    pub(crate) fn cut(self: &Arc<Self>, peer: &Arc<Peer>, why: Cut) {
        if why == Cut::Stalled {
            self.totals.count_stalled();
            let limit = self.settings.stall_timeout();
            let queued = peer.waiting();
            tracing::warn!(client = %peer.name, ?limit, queued, "took nothing for the stall time-out: disconnected");
        }
        // Off the bus before those who wait for it are woken: what they send next finds the name gone.
        peer.condemn(why);
        self.unregister(peer);
        peer.cut(why);
    }
}
