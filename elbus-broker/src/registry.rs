//! Who is on the bus: names, masks, secondaries.
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
};

use elbus_proto::{ClientName, Code, NameMask};
use parking_lot::RwLock;

use crate::{hash::RandomState, index::NameIndex, peer::Peer, users::Share};

/// Why a name cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Taken,
    NoPrimary,
    /// A secondary comes from another user or host than its primary.
    ForeignPrimary,
    TooManyClients,
    /// So many that the user who asks may have.
    TooManyOfUser(usize),
    /// The access rules do not admit it.
    Denied,
}

impl Refusal {
    pub(crate) const fn code(self) -> Code {
        match self {
            Self::Taken | Self::TooManyClients | Self::TooManyOfUser(_) => Code::Busy,
            Self::NoPrimary => Code::NotRegistered,
            Self::ForeignPrimary | Self::Denied => Code::Access,
        }
    }
}

/// A client that lost its name, and the secondaries that have to leave with it.
pub(crate) struct Replaced {
    pub(crate) peer: Arc<Peer>,
    pub(crate) secondaries: Vec<Arc<Peer>>,
}

/// The clients by name.
pub(crate) struct Registry {
    names: RwLock<Names>,
    /// Changes with every client that comes or goes: what was found by a mask is stale then.
    epoch: AtomicU64,
}

struct Names {
    index: NameIndex<Arc<Peer>>,
    secondaries: HashMap<Box<str>, Vec<Arc<Peer>>, RandomState>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let names = Names {
            index: NameIndex::new(),
            secondaries: HashMap::default(),
        };
        Self {
            names: RwLock::new(names),
            epoch: AtomicU64::new(0),
        }
    }

    /// Registers a client under its name, one of at most `limit`. With `force`, a connection that has the name loses it and is returned.
    pub(crate) fn register(
        &self,
        peer: &Arc<Peer>,
        limit: usize,
        force: bool,
    ) -> Result<Option<Replaced>, Refusal> {
        let name = peer.client_name();
        let mut names = self.names.write();
        let replaced = match names.index.get(name.as_str()) {
            None => None,
            Some(old) if force && !old.origin.is_inside() => Some(Arc::clone(old)),
            Some(_) => return Err(Refusal::Taken),
        };
        if replaced.is_none() && names.index.len() >= limit {
            return Err(Refusal::TooManyClients);
        }
        if name.is_secondary() {
            let primary = names.index.get(name.primary()).ok_or(Refusal::NoPrimary)?;
            if !primary.is_same_peer(peer) {
                return Err(Refusal::ForeignPrimary);
            }
        }
        // Before anybody is replaced: who has no place takes nobody's.
        let own = replaced.as_ref().filter(|old| old.is_same_user(peer));
        let share = match own.and_then(|old| old.share.lock().take()) {
            Some(share) => Some(share),
            None => Share::take(peer.user.as_ref(), |user| &user.clients).map_err(Refusal::TooManyOfUser)?,
        };
        *peer.share.lock() = share;
        let replaced = replaced.map(|old| {
            // Under the lock, as in `remove`: nothing more is appended to it once its successor is visible.
            old.seal();
            old.share.lock().take();
            names.remove(name, old.id);
            Replaced {
                secondaries: names.secondaries_of(name.as_str()),
                peer: old,
            }
        });
        names.index.insert(name, Arc::clone(peer));
        if name.is_secondary() {
            names
                .secondaries
                .entry(name.primary().into())
                .or_default()
                .push(Arc::clone(peer));
        }
        self.epoch.fetch_add(1, Release);
        Ok(replaced)
    }

    /// Removes a client, which takes nothing more from now on; its successor of the same name is left alone. Answers
    /// its secondaries, which have to leave with it, or `None` when it was not there.
    pub(crate) fn remove(&self, peer: &Peer) -> Option<Vec<Arc<Peer>>> {
        let name = peer.client_name();
        let mut names = self.names.write();
        // Under the lock: whoever is refused by the client and looks its name up again does not find it any more.
        peer.seal();
        if !names.remove(name, peer.id) {
            return None;
        }
        peer.share.lock().take();
        self.epoch.fetch_add(1, Release);
        if name.is_secondary() {
            Some(Vec::new())
        } else {
            Some(names.secondaries_of(name.as_str()))
        }
    }

    /// The client of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Peer>> {
        self.names.read().index.get(name).map(Arc::clone)
    }

    /// The clients that a mask stands for, by id.
    pub(crate) fn matching(&self, mask: NameMask<'_>) -> Vec<Arc<Peer>> {
        let mut found = Vec::new();
        self.names.read().index.matches(mask, &mut found);
        found
    }

    /// Every client.
    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.names.read().index.iter().map(Arc::clone).collect()
    }

    /// How many clients there are.
    pub(crate) fn len(&self) -> usize {
        self.names.read().index.len()
    }

    /// How many secondaries a primary has.
    pub(crate) fn secondaries(&self, name: &str) -> usize {
        self.names.read().secondaries.get(name).map_or(0, Vec::len)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }
}

impl Names {
    fn remove(&mut self, name: ClientName<'_>, id: u64) -> bool {
        if self.index.remove(name, id).is_none() {
            return false;
        }
        if name.is_secondary()
            && let Some(others) = self.secondaries.get_mut(name.primary())
        {
            others.retain(|other| other.id != id);
            if others.is_empty() {
                self.secondaries.remove(name.primary());
            }
        }
        true
    }

    fn secondaries_of(&self, primary: &str) -> Vec<Arc<Peer>> {
        self.secondaries.get(primary).cloned().unwrap_or_default()
    }
}
