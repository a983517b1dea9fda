//! What the broker says of its own accord: who comes and goes, and that it shuts down.
//!
//! Announcements never wait: one that a receiver has no room for is left out and counted, so that a slow listener
//! cannot hold registrations up.
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

use elbus_proto::{BROKER_INFO_TOPIC, BROKER_WARN_TOPIC, Topic, TopicLimits};

use serde::Serialize;

use crate::{
    core::Core,
    deliver::{Placed, Run},
    peer::Peer,
};

/// Listeners who have an announcement in their outbox and are still to be flushed, which is done when this is dropped:
/// announcements are placed under a lock that keeps them in order, and written without it.
#[must_use]
#[derive(Default)]
pub(crate) struct Placement(Vec<Arc<Peer>>);

impl Drop for Placement {
    fn drop(&mut self) {
        for peer in self.0.drain(..) {
            peer.flush_now();
        }
    }
}

/// Announces a client that came. Secondaries come and go unannounced.
pub(crate) fn registered(core: &Core, peer: &Peer) -> Placement {
    about_client(core, "reg", peer)
}

/// Announces a client that left.
pub(crate) fn unregistered(core: &Core, peer: &Peer) -> Placement {
    about_client(core, "unreg", peer)
}

/// Tells every client that the broker shuts down.
pub(crate) fn shutdown(core: &Core) {
    let Ok(topic) = Topic::parse(BROKER_WARN_TOPIC.as_bytes(), TopicLimits::default()) else {
        return;
    };
    // Everybody is subscribed from the start, outside the index, so that connecting leaves every cache valid.
    let (subscribed, _) = core.subscriptions.receivers(topic);
    let mut receivers = core.registry.all();
    receivers.retain(|peer| peer.warned.load(Relaxed));
    receivers.sort_unstable_by_key(|peer| peer.id);
    core.subscriptions.without_excluded(topic, &mut receivers);
    receivers.extend(subscribed);
    receivers.sort_unstable_by_key(|peer| peer.id);
    receivers.dedup_by_key(|peer| peer.id);
    drop(announce(
        core,
        BROKER_WARN_TOPIC,
        &message("shutdown", None),
        &receivers,
    ));
}

fn about_client(core: &Core, subject: &str, peer: &Peer) -> Placement {
    // When everybody leaves, everybody has been told so.
    if peer.is_secondary() || core.is_shutting_down() {
        return Placement::default();
    }
    let Ok(topic) = Topic::parse(BROKER_INFO_TOPIC.as_bytes(), TopicLimits::default()) else {
        return Placement::default();
    };
    let (receivers, _) = core.subscriptions.receivers(topic);
    if receivers.is_empty() {
        return Placement::default();
    }
    announce(
        core,
        BROKER_INFO_TOPIC,
        &message(subject, Some(&peer.name)),
        &receivers,
    )
}

fn announce(core: &Core, topic: &str, message: &[u8], receivers: &[Arc<Peer>]) -> Placement {
    let run = Run::announcement(topic, message);
    let mut touched = Vec::new();
    for peer in receivers {
        if matches!(
            run.place(peer, None, &mut 0, &mut touched),
            Placed::Full | Placed::Shed
        ) {
            core.totals.count_unannounced();
        }
    }
    Placement(touched)
}

#[derive(Serialize)]
struct Announcement<'a> {
    s: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<&'a str>,
    t: u64,
}

/// `{s: subject, d: data, t: UNIX time in ns}` as MessagePack; without data there is no `d`.
#[expect(clippy::disallowed_methods, reason = "it is told what the wall clock shows")]
fn message(subject: &str, data: Option<&str>) -> Vec<u8> {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let announcement = Announcement {
        s: subject,
        d: data,
        t: u64::try_from(time).unwrap_or(u64::MAX),
    };
    // Writing texts and a number to memory does not fail.
    rmp_serde::to_vec_named(&announcement).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_message_pack_maps() {
        let bytes = message("reg", Some("a.b"));
        assert_eq!(bytes[..16], *b"\x83\xa1s\xa3reg\xa1d\xa3a.b\xa1t\xcf");
        assert_eq!(message("shutdown", None)[..4], *b"\x82\xa1s\xa8");
    }
}
