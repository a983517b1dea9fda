//! Which receiver is dead: one that takes nothing for the stall time-out although its outbox is over its mark.
//!
//! A client that the broker itself does not read from, because someone it sends to is full, may have stopped reading
//! for that reason alone: it is not taken for dead. When such clients stand in a ring, each waiting for the next,
//! nobody would ever move, so the one that has taken nothing for the longest is cut.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    peer::{Cut, Peer},
    socket::Origin,
};

/// Disconnects `peer` if it is dead. Called by its writer task when a write moved nothing.
pub(crate) fn check(peer: &Arc<Peer>) {
    // One verdict at a time, so that of a ring only one member is cut: its end releases the others.
    let _verdict = peer.core.verdict.lock();
    let Some(since) = peer.outbox().and_then(|outbox| outbox.stalled_since()) else {
        return;
    };
    if since.elapsed() < patience(peer) {
        return;
    }
    // It may have been released while it was judged: then its clock has started anew.
    if is_to_blame(peer, since) && peer.outbox().and_then(|outbox| outbox.stalled_since()) == Some(since) {
        peer.core.cut(peer, Cut::Stalled);
    }
}

/// How long `peer` may take nothing.
///
/// Over TCP half as long again: a Linux receiver opens its window again only when it has emptied about 112 KiB of a
/// buffer of the default size (measured on the loopback interface, whatever the segment size), and 250 kB/s must not look
/// like nothing. It stays below the second after which published clients give a write up.
fn patience(peer: &Peer) -> Duration {
    let limit = peer.core.config.stall_timeout;
    match peer.origin {
        Origin::Tcp { .. } => limit.saturating_mul(3) / 2,
        Origin::Unix { .. } | Origin::Process => limit,
    }
}

/// Whether `peer`, stalled since then, waits for nobody, or for longest in a ring.
fn is_to_blame(peer: &Arc<Peer>, since: Instant) -> bool {
    let mut next = peer.held_on();
    let mut seen = vec![peer.id];
    while let Some(other) = next {
        if other.id == peer.id {
            return true;
        }
        if other.cut_because().is_some() {
            // The ring is open already: those in front of the gap are about to go on.
            return false;
        }
        if seen.contains(&other.id) {
            return false;
        }
        let Some(other_since) = other.outbox().and_then(|outbox| outbox.stalled_since()) else {
            // It has room: whoever waits for it is about to go on.
            return false;
        };
        if (other_since, other.id) < (since, peer.id) {
            return false;
        }
        seen.push(other.id);
        next = other.held_on();
    }
    seen.len() == 1
}
