//! Finding the receivers of a frame, and remembering them: the steady state takes no registry lock.
use std::sync::Arc;

use elbus_proto::{BROKER_TOPIC_ROOT, ClientName, Code, NameLimits, NameMask, Topic, request::addressed};
use hashbrown::{HashMap, hash_map::EntryRef};

use crate::{access::Rights, core::Core, hash::RandomState, peer::Peer, peer::Sink, subscriptions::Version};

type Known<V> = HashMap<Box<[u8]>, V, RandomState>;

/// What one sender remembers about targets, topics and masks that it may reach; each is bounded by the same limit.
pub(crate) struct Routes {
    core: Arc<Core>,
    peer: Arc<Peer>,
    /// What the sender may do, and by which rules: everything that is remembered is admitted by them.
    rights: Arc<Rights>,
    rules: u64,
    targets: Known<Arc<Peer>>,
    topics: Remembered,
    /// By topic, `00` and receiver. Few clients use these: the others need no memory for them.
    topics_for: Option<Box<Remembered>>,
    masks: Option<Box<Remembered>>,
}

/// How many receivers are remembered for each address that may be, on average: topics with thousands of subscribers
/// would fill the memory otherwise.
const RECEIVERS_PER_ROUTE: usize = 64;

/// The receivers of addresses used before.
#[derive(Default)]
struct Remembered {
    known: Known<Arc<Receivers>>,
    receivers: usize,
}

impl Remembered {
    #[inline]
    fn get(&self, address: &[u8]) -> Option<&Arc<Receivers>> {
        self.known.get(address)
    }

    /// A full map is emptied: what is in use comes back with its next frame.
    fn insert(&mut self, limit: usize, address: &[u8], found: &Arc<Receivers>) {
        self.receivers += found.peers.len();
        if self.known.len() >= limit || self.receivers > limit.saturating_mul(RECEIVERS_PER_ROUTE) {
            self.known.clear();
            self.receivers = found.peers.len();
        }
        if let Some(stale) = self.known.insert(address.into(), Arc::clone(found)) {
            self.receivers -= stale.peers.len();
        }
    }
}

/// The receivers of a topic or a mask.
pub(crate) struct Receivers {
    pub(crate) peers: Vec<Arc<Peer>>,
    /// How many of them are in this process.
    pub(crate) local: usize,
    /// The topic, shared by the frames that receivers in this process get.
    pub(crate) topic: Option<Arc<str>>,
    fresh: Fresh,
}

/// For how long receivers are valid.
#[derive(PartialEq, Eq)]
enum Fresh {
    Topic(Version),
    Names(u64),
}

impl Receivers {
    fn new(peers: Vec<Arc<Peer>>, topic: Option<&str>, fresh: Fresh) -> Arc<Self> {
        let local = peers
            .iter()
            .filter(|peer| matches!(peer.sink, Sink::Local(_)))
            .count();
        Arc::new(Self {
            peers,
            local,
            topic: topic.map(Arc::from),
            fresh,
        })
    }
}

impl Routes {
    pub(crate) fn new(core: &Arc<Core>, peer: &Arc<Peer>) -> Self {
        // First the epoch: rules that change in between are looked at once more.
        let rules = core.access.epoch();
        Self {
            core: Arc::clone(core),
            peer: Arc::clone(peer),
            rights: peer.rights(),
            rules,
            targets: Known::default(),
            topics: Remembered::default(),
            topics_for: None,
            masks: None,
        }
    }

    /// Forgets what other rules admitted.
    #[inline]
    fn obey(&mut self) {
        if self.core.access.epoch() != self.rules {
            self.rules_changed();
        }
    }

    #[cold]
    fn rules_changed(&mut self) {
        *self = Self::new(&self.core, &self.peer);
    }

    /// The client of this name.
    #[inline]
    pub(crate) fn target(&mut self, name: &[u8]) -> Result<&Arc<Peer>, Code> {
        self.obey();
        if self.targets.len() >= self.core.settings.cached_routes() && !self.targets.contains_key(name) {
            self.targets.clear();
        }
        match self.targets.entry_ref(name) {
            EntryRef::Occupied(known) => Ok(known.into_mut()),
            EntryRef::Vacant(unknown) => Ok(unknown.insert(find(&self.peer, &self.rights, name)?)),
        }
    }

    /// Forgets a target that turned out to be gone.
    pub(crate) fn forget(&mut self, name: &[u8]) {
        self.targets.remove(name);
    }

    /// Who receives a publication to `topic`.
    pub(crate) fn topic(&mut self, topic: &[u8]) -> Result<Arc<Receivers>, Code> {
        self.obey();
        if let Some(known) = self.topics.get(topic)
            && known.fresh == Fresh::Topic(self.core.subscriptions.version(topic))
        {
            return Ok(Arc::clone(known));
        }
        let parsed = self.publishable(topic)?;
        let (peers, version) = self.core.subscriptions.receivers(parsed);
        let found = Receivers::new(peers, Some(parsed.as_str()), Fresh::Topic(version));
        self.topics
            .insert(self.core.settings.cached_routes(), topic, &found);
        Ok(found)
    }

    /// Who of the subscribers of a topic has `receiver` as its primary name; `address` is topic `00` receiver.
    pub(crate) fn topic_for(&mut self, address: &[u8]) -> Result<Arc<Receivers>, Code> {
        self.obey();
        let (topic, receiver) = addressed(address).ok_or(Code::Data)?;
        if let Some(known) = self.topics_for.as_ref().and_then(|known| known.get(address))
            && known.fresh == Fresh::Topic(self.core.subscriptions.version(topic))
        {
            return Ok(Arc::clone(known));
        }
        let parsed = self.publishable(topic)?;
        let receiver = name(receiver, self.core.settings.names())?;
        let (mut peers, version) = self.core.subscriptions.receivers(parsed);
        peers.retain(|peer| peer.primary() == receiver.as_str());
        let found = Receivers::new(peers, Some(parsed.as_str()), Fresh::Topic(version));
        self.topics_for
            .get_or_insert_default()
            .insert(self.core.settings.cached_routes(), address, &found);
        Ok(found)
    }

    /// The clients that a mask stands for.
    pub(crate) fn mask(&mut self, mask: &[u8]) -> Result<Arc<Receivers>, Code> {
        self.obey();
        let epoch = self.core.registry.epoch();
        if let Some(known) = self.masks.as_ref().and_then(|known| known.get(mask))
            && known.fresh == Fresh::Names(epoch)
        {
            return Ok(Arc::clone(known));
        }
        let parsed = NameMask::parse(mask, self.core.settings.names()).map_err(|_| Code::Data)?;
        if !self.rights.may_broadcast(parsed) {
            return Err(denied(&self.peer, "broadcast", parsed.as_str()));
        }
        let found = Receivers::new(self.core.registry.matching(parsed), None, Fresh::Names(epoch));
        self.masks
            .get_or_insert_default()
            .insert(self.core.settings.cached_routes(), mask, &found);
        Ok(found)
    }

    /// A topic that the sender may publish to: well-formed, admitted, and not the broker's own.
    fn publishable<'a>(&self, topic: &'a [u8]) -> Result<Topic<'a>, Code> {
        let topic = Topic::parse(topic, self.core.settings.topics()).map_err(|_| Code::Data)?;
        if topic.levels().next() == Some(BROKER_TOPIC_ROOT) {
            return Err(Code::Access);
        }
        if !self.rights.may_publish(topic) {
            return Err(denied(&self.peer, "publish", topic.as_str()));
        }
        Ok(topic)
    }
}

/// Whether there is a client of a name is told only to those who may send to it.
fn find(sender: &Peer, rights: &Rights, target: &[u8]) -> Result<Arc<Peer>, Code> {
    let core = &sender.core;
    let target = name(target, core.settings.names())?;
    if !rights.may_send(target) {
        return Err(denied(sender, "send", target.as_str()));
    }
    core.registry.find(target.as_str()).ok_or(Code::NotRegistered)
}

#[cold]
fn denied(sender: &Peer, what: &str, to: &str) -> Code {
    tracing::debug!(client = %sender.name, to, "not admitted: {what}");
    sender.core.totals.count_denied();
    Code::Access
}

fn name(bytes: &[u8], limits: NameLimits) -> Result<ClientName<'_>, Code> {
    ClientName::parse(bytes, limits).map_err(|_| Code::Data)
}
