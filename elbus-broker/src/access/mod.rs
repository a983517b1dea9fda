//! Who may do what: rules about clients, by name and by where they come from.
//!
//! | module | does |
//! | --- | --- |
//! | `rules` | [`AccessRules`], as the embedding program states them |
//! | `source` | [`Source`]: where a client may connect from |
//! | `rights` | what the rules give one client, asked for every new address and filter |
//!
//! Nothing here is asked for in the steady state: a session remembers whom it may reach beside who that is (`route`), and
//! forgets both when the rules change, which it sees from `Access::epoch`.
mod rights;
mod rules;
mod source;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
};

use parking_lot::{Mutex, RwLock};

pub(crate) use rights::Rights;
pub use rules::{AccessError, AccessRule, AccessRules, AccessRulesBuilder};
pub use source::{Network, NetworkError, Source};

use crate::peer::Peer;

/// The rules in force.
pub(crate) struct Access {
    rules: RwLock<Arc<AccessRules>>,
    /// What everybody has without rules.
    open: Arc<Rights>,
    /// Changes with the rules: rights that were found before are stale then.
    epoch: AtomicU64,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            rules: RwLock::default(),
            open: Arc::new(Rights::open()),
            epoch: AtomicU64::new(0),
        }
    }
}

impl Access {
    /// Which rules are in force.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    pub(crate) fn rules(&self) -> Arc<AccessRules> {
        Arc::clone(&self.rules.read())
    }

    /// Puts other rules in force.
    pub(crate) fn replace(&self, rules: AccessRules) {
        let mut current = self.rules.write();
        *current = Arc::new(rules);
        // Under the lock: whoever sees the new epoch finds the new rules.
        self.epoch.fetch_add(1, Release);
    }

    fn judge(&self, peer: &Peer) -> (u64, Arc<Rights>) {
        let rules = self.rules.read();
        let rights = match rules.is_empty() {
            true => Arc::clone(&self.open),
            false => Arc::new(rules.judge(peer)),
        };
        (self.epoch(), rights)
    }
}

/// What one client may do, as far as it was asked for.
#[derive(Default)]
pub(crate) struct OwnRights(Mutex<Option<(u64, Arc<Rights>)>>);

impl OwnRights {
    /// What `peer`, whose rights these are, may do by the rules in force.
    pub(crate) fn of(&self, peer: &Peer) -> Arc<Rights> {
        let access = &peer.core.access;
        let mut known = self.0.lock();
        match &*known {
            Some((epoch, rights)) if *epoch == access.epoch() => Arc::clone(rights),
            _ => {
                let (epoch, rights) = access.judge(peer);
                *known = Some((epoch, Arc::clone(&rights)));
                rights
            }
        }
    }
}
