//! What the broker counts.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use elbus_proto::BROKER_NAME;
use parking_lot::Mutex;
use serde::Serialize;

#[cfg(doc)]
use crate::SlowConsumer;
use crate::{account::Account, core::Core, hash::RandomState, peer::Peer, socket::Origin};

/// Counters of the whole broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How long the broker has been running.
    pub uptime: Duration,
    /// Clients on the bus.
    pub clients: usize,
    /// Filters subscribed to, over all clients.
    pub subscriptions: usize,
    /// Filters excluded, over all clients.
    pub exclusions: usize,
    /// Frames that clients sent.
    pub r_frames: u64,
    /// Bytes of them: on sockets all of them, in this process addresses and payloads.
    pub r_bytes: u64,
    /// Frames that went to clients.
    pub w_frames: u64,
    /// Bytes of them: on sockets all of them, in this process payloads.
    pub w_bytes: u64,
    /// Frames that were well-formed but could not be carried out, and did not ask to be acknowledged.
    pub ignored: u64,
    /// Frames shed because a client in this process did not read.
    pub shed: u64,
    /// Announcements not delivered because their receiver was full.
    pub unannounced: u64,
    /// Connections, operations and calls of the broker's methods that access control refused.
    pub denied: u64,
    /// Clients disconnected because they took nothing for the stall time-out.
    pub stalled: u64,
    /// Clients disconnected because they did not keep up and were not to be waited for ([`SlowConsumer::Disconnect`]).
    pub slow: u64,
    /// Publications left out because their receiver did not keep up ([`SlowConsumer`]).
    pub dropped: u64,
    /// What all clients use together, and what they may.
    pub usage: Usage,
}

/// What is used of something limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Use {
    /// So much is used.
    pub used: usize,
    /// So much may be.
    pub limit: usize,
}

/// What is used together, and what may be: of all clients, or of those of one UNIX user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Clients on the bus.
    pub clients: Use,
    /// Connections that have not finished their greeting.
    pub greetings: Use,
    /// Filters subscribed to and excluded.
    pub subscriptions: Use,
    /// Bytes that wait for connections, in pieces of 256 KiB, without the first 128 KiB of each.
    pub queued: Use,
}

impl Use {
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            used: account.used(),
            limit: account.limit(),
        }
    }
}

impl Usage {
    /// Of all clients.
    pub(crate) fn of(core: &Core) -> Self {
        Self {
            clients: Use {
                used: core.registry.len(),
                limit: core.settings.clients(),
            },
            greetings: Use {
                used: core.greetings.load(Relaxed),
                limit: core.settings.greetings(),
            },
            subscriptions: Use::of(&core.users.filters),
            queued: Use::of(&core.users.queued),
        }
    }
}

/// One client of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
    /// How it is connected.
    pub kind: ClientKind,
    /// The other end: a user or an address, and the subject of its certificate if it has one; `None` for a client in this
    /// process.
    pub source: Option<String>,
    /// The listener it came in on; `None` for a client in this process.
    pub port: Option<String>,
    /// Frames it sent.
    pub r_frames: u64,
    /// Bytes of them: on sockets all of them, in this process addresses and payloads.
    pub r_bytes: u64,
    /// Frames that went to it or were queued for it, those dropped as the oldest included.
    pub w_frames: u64,
    /// Bytes of them: on sockets all of them, in this process payloads.
    pub w_bytes: u64,
    /// What waits for it: bytes on a socket, frames in this process.
    pub queue: usize,
    /// Publications left out because it did not keep up.
    pub dropped: u64,
    /// How often it was not read from because someone it sent to was full.
    pub held: u64,
    /// For how long, all in all; what lasts is added when it is over.
    pub held_for: Duration,
    /// Secondaries plus one.
    pub instances: usize,
}

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientKind {
    /// In the broker's process.
    Internal,
    /// Over a UNIX socket.
    LocalIpc,
    /// Over TCP.
    Tcp,
    /// Over TLS.
    Tls,
}

/// What is counted beside the clients' own counters, and whose counters count.
#[derive(Default)]
pub(crate) struct Totals {
    clients: Mutex<Counted>,
    ignored: AtomicU64,
    unannounced: AtomicU64,
    stalled: AtomicU64,
    slow: AtomicU64,
    denied: AtomicU64,
}

impl Totals {
    pub(crate) fn count_ignored(&self) {
        self.ignored.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_unannounced(&self) {
        self.unannounced.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_stalled(&self) {
        self.stalled.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_slow(&self) {
        self.slow.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_denied(&self) {
        self.denied.fetch_add(1, Relaxed);
    }

    /// Counts a client in.
    pub(crate) fn enlist(&self, peer: &Arc<Peer>) {
        self.clients.lock().active.insert(peer.id, Arc::clone(peer));
    }

    /// Keeps the counters of a client whose connection has ended. It may be off the bus for longer: what it had sent was
    /// still carried out, and what was queued for it written.
    pub(crate) fn retire(&self, peer: &Peer) {
        let mut clients = self.clients.lock();
        if clients.active.remove(&peer.id).is_some() {
            clients.retired.add(peer);
        }
    }
}

/// Clients whose counters may still change, and the counters of those whose do not: under one lock, so that none counts
/// twice or not at all.
#[derive(Default)]
struct Counted {
    active: HashMap<u64, Arc<Peer>, RandomState>,
    retired: Stats,
}

impl Counted {
    fn sum(&self) -> Stats {
        let mut sum = self.retired;
        for peer in self.active.values() {
            sum.add(peer);
        }
        sum
    }
}

impl Stats {
    /// The counters of a broker now.
    pub(crate) fn of(core: &Core) -> Self {
        let (subscriptions, exclusions) = core.subscriptions.count();
        Self {
            uptime: core.started.elapsed(),
            clients: core.registry.len(),
            subscriptions,
            exclusions,
            ignored: core.totals.ignored.load(Relaxed),
            unannounced: core.totals.unannounced.load(Relaxed),
            stalled: core.totals.stalled.load(Relaxed),
            slow: core.totals.slow.load(Relaxed),
            denied: core.totals.denied.load(Relaxed),
            usage: Usage::of(core),
            ..core.totals.clients.lock().sum()
        }
    }

    fn add(&mut self, peer: &Peer) {
        let (read, written) = (peer.read.totals(), peer.written());
        self.r_frames += read.frames;
        self.r_bytes += read.bytes;
        self.w_frames += written.frames;
        self.w_bytes += written.bytes;
        self.shed += peer.shed();
        self.dropped += peer.dropped();
    }
}

impl ClientInfo {
    /// The broker itself, which receives nothing.
    pub(crate) fn of_broker() -> Self {
        Self {
            name: BROKER_NAME.to_owned(),
            kind: ClientKind::Internal,
            source: None,
            port: None,
            r_frames: 0,
            r_bytes: 0,
            w_frames: 0,
            w_bytes: 0,
            queue: 0,
            dropped: 0,
            held: 0,
            held_for: Duration::ZERO,
            instances: 1,
        }
    }

    pub(crate) fn of(core: &Core, peer: &Arc<Peer>) -> Self {
        let (read, written) = (peer.read.totals(), peer.written());
        let kind = match peer.origin {
            Origin::Process | Origin::Fifo => ClientKind::Internal,
            Origin::Unix { .. } => ClientKind::LocalIpc,
            Origin::Tcp { .. } => ClientKind::Tcp,
            Origin::Tls { .. } => ClientKind::Tls,
        };
        let outside = kind != ClientKind::Internal;
        let (held, held_for) = peer.held_back();
        Self {
            name: peer.name.to_string(),
            kind,
            source: outside.then(|| peer.source()),
            port: outside.then(|| peer.port.to_string()),
            r_frames: read.frames,
            r_bytes: read.bytes,
            w_frames: written.frames,
            w_bytes: written.bytes,
            queue: peer.waiting(),
            dropped: peer.dropped(),
            held,
            held_for,
            instances: core.registry.secondaries(&peer.name) + 1,
        }
    }
}
