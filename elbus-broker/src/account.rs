//! Quantities that many use together, each with a limit.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A quantity that many use together, and its limit.
#[derive(Debug, Default)]
pub(crate) struct Account {
    used: AtomicUsize,
    limit: AtomicUsize,
}

impl Account {
    /// Takes so much, if that much is left; what is taken has to be given back.
    pub(crate) fn take(&self, n: usize) -> bool {
        let limit = self.limit();
        let taken = self.used.fetch_update(Relaxed, Relaxed, |used| {
            used.checked_add(n).filter(|used| *used <= limit)
        });
        taken.is_ok()
    }

    pub(crate) fn give(&self, n: usize) {
        self.used.fetch_sub(n, Relaxed);
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    /// Where more is used than the new limit allows, nothing is taken until there is less.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Relaxed);
    }
}

/// What one has taken from several accounts at once; it returns when dropped.
#[derive(Debug, Default)]
pub(crate) struct Reservation {
    accounts: [Option<Arc<Account>>; 2],
    n: usize,
}

impl Reservation {
    /// Nothing yet, from these. From none, it has no limit.
    pub(crate) const fn new(accounts: [Option<Arc<Account>>; 2]) -> Self {
        Self { accounts, n: 0 }
    }

    pub(crate) const fn held(&self) -> usize {
        self.n
    }

    /// Takes so much more from each, or nothing.
    pub(crate) fn grow(&mut self, n: usize) -> bool {
        for (at, account) in self.accounts.iter().enumerate() {
            if account.as_ref().is_some_and(|account| !account.take(n)) {
                for taken in self.accounts[..at].iter().flatten() {
                    taken.give(n);
                }
                return false;
            }
        }
        self.n += n;
        true
    }

    /// Gives back what is more than this.
    pub(crate) fn shrink_to(&mut self, n: usize) {
        let more = self.n.saturating_sub(n);
        if more == 0 {
            return;
        }
        for account in self.accounts.iter().flatten() {
            account.give(more);
        }
        self.n = n;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limit: usize) -> Arc<Account> {
        let account = Account::default();
        account.set_limit(limit);
        Arc::new(account)
    }

    #[test]
    fn a_reservation_takes_from_all_its_accounts_or_from_none_and_returns_what_it_holds() {
        let (narrow, wide) = (account(10), account(100));
        let mut one = Reservation::new([Some(Arc::clone(&wide)), Some(Arc::clone(&narrow))]);
        let mut other = Reservation::new([Some(Arc::clone(&wide)), None]);
        assert!(one.grow(10) && other.grow(80));
        assert!(!one.grow(1) && !other.grow(11));
        assert_eq!((wide.used(), narrow.used()), (90, 10));
        one.shrink_to(4);
        assert!(one.grow(5));
        assert_eq!((one.held(), wide.used(), narrow.used()), (9, 89, 9));
        drop(one);
        assert_eq!((wide.used(), narrow.used()), (80, 0));
        drop(other);
        assert_eq!(wide.used(), 0);
    }

    #[test]
    fn a_limit_that_is_lowered_lets_nobody_take_until_there_is_less() {
        let account = account(10);
        assert!(account.take(10));
        account.set_limit(5);
        assert!(!account.take(1));
        account.give(6);
        assert!(account.take(1) && !account.take(1));
    }
}
