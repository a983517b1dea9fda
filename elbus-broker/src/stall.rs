//! Which receiver is dead: one that takes nothing for the stall time-out although its outbox is over its mark.
//!
//! A client that the broker itself does not read from, because someone it sends to is full, may have stopped reading
//! for that reason alone: when it is released, its time starts anew, though not for ever. When such clients stand in a
//! ring, each waiting for the next, nobody would ever move, so the one that has taken nothing for the longest is cut.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    outbox::Stall,
    peer::{Cut, Peer},
    socket::Origin,
};

/// A client that takes nothing for so many times the time-out is dead, held back or not: one that floods a slow friend
/// and never reads could otherwise hold everyone who sends to it for as long as it likes.
const HELD_FACTOR: u32 = 20;

/// Disconnects `peer` if it is dead. Called by its writer task when a write moved nothing.
pub(crate) fn check(peer: &Arc<Peer>) {
    // One verdict at a time, so that of a ring only one member is cut: its end releases the others.
    let _verdict = peer.core.verdict.lock();
    let Some(stall) = stall_of(peer) else {
        return;
    };
    let patience = patience(peer);
    let dead = if stall.since.elapsed() >= patience.saturating_mul(HELD_FACTOR) {
        true
    } else if stall.counted_from().elapsed() >= patience {
        // It may have been released while it was judged: then its time starts anew.
        is_to_blame(peer, stall.counted_from()) && stall_of(peer) == Some(stall)
    } else {
        false
    };
    if dead {
        peer.core.cut(peer, Cut::Stalled);
    }
}

fn stall_of(peer: &Peer) -> Option<Stall> {
    peer.outbox().and_then(|outbox| outbox.stall())
}

/// How long `peer` may take nothing.
///
/// Over TCP half as long again: a Linux receiver opens its window again only when it has emptied about 112 KiB of a
/// buffer of the default size (measured on the loopback interface, whatever the segment size), and 250 kB/s must not look
/// like nothing. It stays below the second after which published clients give a write up.
fn patience(peer: &Peer) -> Duration {
    let limit = peer.core.settings.stall_timeout();
    match peer.origin {
        // What a TLS connection takes shows when its TCP connection takes it.
        Origin::Tcp { .. } | Origin::Tls { .. } => limit.saturating_mul(3) / 2,
        Origin::Unix { .. } | Origin::Process | Origin::Fifo => limit,
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
        let Some(other_since) = stall_of(&other).map(Stall::counted_from) else {
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
