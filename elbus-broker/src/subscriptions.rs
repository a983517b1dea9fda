//! Who receives a publication: subscriptions, exclusions, and when what was found out about them is stale.
use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release},
    },
};

use elbus_proto::{BROKER_WARN_TOPIC, Code, FilterLevel, Topic, TopicFilter};
use parking_lot::RwLock;

use crate::{
    account::Reservation,
    hash::RandomState,
    index::{FilterId, Handle, TopicIndex},
    peer::Peer,
};

/// Epochs are kept by the hash of a topic's first level.
const STRIPES: usize = 1024;

/// A change of one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Subscribe,
    Unsubscribe,
    Exclude,
    Unexclude,
}

/// The subscriptions of all clients.
pub(crate) struct Subscriptions {
    filters: RwLock<Filters>,
    epochs: Epochs,
}

#[derive(Default)]
struct Filters {
    subscribed: TopicIndex<Arc<Peer>>,
    excluded: TopicIndex<Arc<Peer>>,
    held: HashMap<u64, Held, RandomState>,
}

/// What one client has in both indexes, so that it can be returned when the client leaves.
struct Held {
    subscribed: HashSet<FilterId, RandomState>,
    excluded: HashSet<FilterId, RandomState>,
    /// Its part of what its user, and all, may have.
    reserved: Reservation,
}

impl Held {
    fn of(peer: &Peer) -> Self {
        Self {
            subscribed: HashSet::default(),
            excluded: HashSet::default(),
            reserved: peer.core.users.filters(peer.user.as_ref()),
        }
    }

    fn len(&self) -> usize {
        self.subscribed.len() + self.excluded.len()
    }
}

/// The state of the indexes for one first level, as far as a cache cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    every: u64,
    level: u64,
}

impl Subscriptions {
    pub(crate) fn new() -> Self {
        Self {
            filters: RwLock::default(),
            epochs: Epochs::new(),
        }
    }

    /// Carries a change out for one client.
    pub(crate) fn change(
        &self,
        change: Change,
        filter: TopicFilter<'_>,
        peer: &Arc<Peer>,
    ) -> Result<(), Code> {
        let mut filters = self.filters.write();
        // What a client that has left still had on its way must not stay behind: it is sealed before `remove_client`.
        if peer.is_closed() {
            return Err(Code::NotRegistered);
        }
        // Under the lock: what is admitted by old rules is here before new ones are applied to what is here.
        if change == Change::Subscribe && !peer.rights().may_subscribe(filter) {
            tracing::debug!(client = %peer.name, filter = filter.as_str(), "not admitted: subscribe");
            peer.core.totals.count_denied();
            return Err(Code::Access);
        }
        match change {
            Change::Subscribe | Change::Exclude => filters.add(change, filter, peer)?,
            Change::Unsubscribe | Change::Unexclude => filters.take(change, filter, peer.id),
        }
        if filter.as_str() == BROKER_WARN_TOPIC {
            match change {
                Change::Subscribe => peer.warned.store(true, Relaxed),
                Change::Unsubscribe => peer.warned.store(false, Relaxed),
                Change::Exclude | Change::Unexclude => {}
            }
        }
        // Under the lock: whoever looks afterwards sees the new epoch with the new state.
        self.epochs.bump(first_level(filter));
        Ok(())
    }

    /// Returns everything a client has.
    pub(crate) fn remove_client(&self, id: u64) {
        let mut filters = self.filters.write();
        let filters = &mut *filters;
        let Some(held) = filters.held.remove(&id) else {
            return;
        };
        for (index, ids) in [
            (&mut filters.subscribed, &held.subscribed),
            (&mut filters.excluded, &held.excluded),
        ] {
            for &filter in ids {
                self.epochs.bump(index.first_level(filter));
                index.remove_at(filter, id);
            }
        }
    }

    /// Removes what a client may not subscribe to, and answers it.
    pub(crate) fn remove_denied(&self, peer: &Arc<Peer>) -> Vec<String> {
        let mut filters = self.filters.write();
        let rights = peer.rights();
        let filters = &mut *filters;
        let Some(held) = filters.held.get(&peer.id) else {
            return Vec::new();
        };
        let subscribed = held.subscribed.iter().map(|id| filters.subscribed.filter(*id));
        let mut denied: Vec<_> = subscribed
            .filter(|filter| !rights.may_subscribe(TopicFilter::assume_checked(filter)))
            .collect();
        denied.sort_unstable();
        for filter in &denied {
            let filter = TopicFilter::assume_checked(filter);
            filters.take(Change::Unsubscribe, filter, peer.id);
            self.epochs.bump(first_level(filter));
        }
        denied
    }

    /// The clients that receive a publication to this topic, by id, and the version for which that holds.
    pub(crate) fn receivers(&self, topic: Topic<'_>) -> (Vec<Arc<Peer>>, Version) {
        let mut found = Vec::new();
        let filters = self.filters.read();
        let version = self.version(topic.as_str().as_bytes());
        filters.subscribed.matches(topic, &mut found);
        filters.without_excluded(topic, &mut found);
        (found, version)
    }

    /// Takes out those who exclude the topic; `receivers` is sorted by id and stays so.
    pub(crate) fn without_excluded(&self, topic: Topic<'_>, receivers: &mut Vec<Arc<Peer>>) {
        self.filters.read().without_excluded(topic, receivers);
    }

    /// The present version for a topic: receivers found at another one are stale.
    #[inline]
    pub(crate) fn version(&self, topic: &[u8]) -> Version {
        self.epochs.version(topic)
    }

    /// The filters that a client subscribes to, and those that it excludes.
    pub(crate) fn of_client(&self, id: u64) -> (Vec<String>, Vec<String>) {
        let filters = self.filters.read();
        let Some(held) = filters.held.get(&id) else {
            return Default::default();
        };
        let subscribed = held.subscribed.iter().map(|id| filters.subscribed.filter(*id));
        let excluded = held.excluded.iter().map(|id| filters.excluded.filter(*id));
        (subscribed.collect(), excluded.collect())
    }

    /// Subscriptions and exclusions of all clients.
    pub(crate) fn count(&self) -> (usize, usize) {
        let filters = self.filters.read();
        (filters.subscribed.len(), filters.excluded.len())
    }
}

impl Filters {
    fn add(&mut self, change: Change, filter: TopicFilter<'_>, peer: &Arc<Peer>) -> Result<(), Code> {
        let limit = peer.core.settings.subscriptions();
        let held = self.held.entry(peer.id).or_insert_with(|| Held::of(peer));
        let used = held.len();
        let (index, ids) = match change {
            Change::Exclude => (&mut self.excluded, &mut held.excluded),
            _ => (&mut self.subscribed, &mut held.subscribed),
        };
        let (id, is_new) = index.insert(filter, peer);
        if is_new && (used >= limit || !held.reserved.grow(1)) {
            index.remove_at(id, peer.id);
            let all = &peer.core.users.filters;
            let (whose, limit) = match used >= limit {
                true => ("the client", limit),
                false if all.used() >= all.limit() => ("all clients", all.limit()),
                false => (
                    "its user",
                    peer.user.as_ref().map_or(0, |user| user.filter_limit()),
                ),
            };
            tracing::debug!(client = %peer.name, whose, limit, "filter refused: the limit of filters is reached");
            return Err(Code::Busy);
        }
        ids.insert(id);
        Ok(())
    }

    fn take(&mut self, change: Change, filter: TopicFilter<'_>, id: u64) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let (index, ids) = match change {
            Change::Unexclude => (&mut self.excluded, &mut held.excluded),
            _ => (&mut self.subscribed, &mut held.subscribed),
        };
        if let Some(filter) = index.remove(filter, id) {
            ids.remove(&filter);
            held.reserved
                .shrink_to(held.subscribed.len() + held.excluded.len());
        }
        if held.subscribed.is_empty() && held.excluded.is_empty() {
            self.held.remove(&id);
        }
    }

    fn without_excluded(&self, topic: Topic<'_>, receivers: &mut Vec<Arc<Peer>>) {
        if self.excluded.is_empty() || receivers.is_empty() {
            return;
        }
        let mut excluded = Vec::new();
        self.excluded.matches(topic, &mut excluded);
        receivers.retain(|peer| excluded.binary_search_by_key(&peer.id, Handle::id).is_err());
    }
}

/// `None` for a filter that matches topics of every first level.
fn first_level(filter: TopicFilter<'_>) -> Option<&str> {
    match filter.levels().next() {
        Some(FilterLevel::Exactly(level)) => Some(level),
        _ => None,
    }
}

struct Epochs {
    every: AtomicU64,
    levels: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Epochs {
    fn new() -> Self {
        let levels = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        Self {
            every: AtomicU64::new(0),
            levels,
            hasher: RandomState::default(),
        }
    }

    fn stripe(&self, level: &[u8]) -> &AtomicU64 {
        let hash = self.hasher.hash_one(level);
        &self.levels[hash as usize % STRIPES]
    }

    fn bump(&self, first_level: Option<&str>) {
        match first_level {
            Some(level) => self.stripe(level.as_bytes()).fetch_add(1, Release),
            None => self.every.fetch_add(1, Release),
        };
    }

    fn version(&self, topic: &[u8]) -> Version {
        let level = topic.split(|&byte| byte == b'/').next().unwrap_or_default();
        let level = self.stripe(level).load(Acquire);
        Version {
            every: self.every.load(Acquire),
            level,
        }
    }
}
