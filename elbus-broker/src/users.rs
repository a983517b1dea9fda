//! What the clients of one UNIX user use together, and what all clients do.
use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    account::{Account, Reservation},
    config::Config,
    hash::RandomState,
    socket::Origin,
    stats::{Usage, Use},
};

/// What the clients of one UNIX user use together.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) clients: Account,
    pub(crate) greetings: Account,
    filters: Arc<Account>,
    queued: Arc<Account>,
}

/// What is used, by users and by all. There are no more entries than the system has users.
#[derive(Debug)]
pub(crate) struct Users {
    /// Filters of all clients.
    pub(crate) filters: Arc<Account>,
    /// Bytes that wait for all connections, as far as they are many.
    pub(crate) queued: Arc<Account>,
    by_id: Mutex<ById>,
}

#[derive(Debug)]
struct ById {
    limits: Limits,
    users: HashMap<u32, Arc<User>, RandomState>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    clients: usize,
    greetings: usize,
    filters: usize,
    queued: usize,
}

impl Limits {
    const fn of(config: &Config) -> Self {
        Self {
            clients: config.user_clients,
            greetings: config.user_greetings,
            filters: config.user_subscriptions,
            queued: config.user_queued,
        }
    }

    fn set(self, user: &User) {
        user.clients.set_limit(self.clients);
        user.greetings.set_limit(self.greetings);
        user.filters.set_limit(self.filters);
        user.queued.set_limit(self.queued);
    }
}

impl User {
    pub(crate) fn filter_limit(&self) -> usize {
        self.filters.limit()
    }

    fn usage(&self) -> Usage {
        Usage {
            clients: Use::of(&self.clients),
            greetings: Use::of(&self.greetings),
            subscriptions: Use::of(&self.filters),
            queued: Use::of(&self.queued),
        }
    }
}

impl Users {
    /// What each user's clients use, by user id.
    pub(crate) fn usage(&self) -> Vec<(u32, Usage)> {
        let by_id = self.by_id.lock();
        let mut usage: Vec<_> = by_id
            .users
            .iter()
            .map(|(uid, user)| (*uid, user.usage()))
            .collect();
        usage.sort_unstable_by_key(|(uid, _)| *uid);
        usage
    }

    pub(crate) fn new(config: &Config) -> Self {
        let users = Self {
            filters: Arc::default(),
            queued: Arc::default(),
            by_id: Mutex::new(ById {
                limits: Limits::of(config),
                users: HashMap::default(),
            }),
        };
        users.limit(config);
        users
    }

    /// Puts other limits in force.
    pub(crate) fn limit(&self, config: &Config) {
        self.filters.set_limit(config.all_subscriptions);
        self.queued.set_limit(config.all_queued);
        let mut by_id = self.by_id.lock();
        by_id.limits = Limits::of(config);
        for user in by_id.users.values() {
            by_id.limits.set(user);
        }
    }

    /// Whose client comes from there; who is not on a UNIX socket is nobody's.
    pub(crate) fn find(&self, origin: Origin) -> Option<Arc<User>> {
        let Origin::Unix { uid, .. } = origin else {
            return None;
        };
        let mut by_id = self.by_id.lock();
        let limits = by_id.limits;
        let user = by_id.users.entry(uid).or_insert_with(|| {
            let user = User::default();
            limits.set(&user);
            Arc::new(user)
        });
        Some(Arc::clone(user))
    }

    /// Room for the filters of a client of this user.
    pub(crate) fn filters(&self, user: Option<&Arc<User>>) -> Reservation {
        let of_user = user.map(|user| Arc::clone(&user.filters));
        Reservation::new([of_user, Some(Arc::clone(&self.filters))])
    }

    /// Room for what waits for a connection of this user.
    pub(crate) fn room(&self, user: Option<&Arc<User>>) -> Reservation {
        let of_user = user.map(|user| Arc::clone(&user.queued));
        Reservation::new([of_user, Some(Arc::clone(&self.queued))])
    }
}

/// One of what a user's clients use together; it returns when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    user: Arc<User>,
    which: fn(&User) -> &Account,
}

impl Share {
    /// Nobody's clients are not counted; `Err` has the limit that is reached.
    pub(crate) fn take(
        user: Option<&Arc<User>>,
        which: fn(&User) -> &Account,
    ) -> Result<Option<Self>, usize> {
        match user {
            Some(user) if !which(user).take(1) => Err(which(user).limit()),
            user => Ok(user.map(|user| Self {
                user: Arc::clone(user),
                which,
            })),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        (self.which)(&self.user).give(1);
    }
}
