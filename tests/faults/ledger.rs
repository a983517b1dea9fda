//! What a sender was told about each message, and what its receiver got.
use std::collections::BTreeMap;

use elbus_client::{Error, Outcome};

/// What a sender was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Acknowledged: it must have arrived.
    Done,
    /// Refused: it must not have arrived.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// What became of the messages of one sender, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<u64, Told>);

impl Ledger {
    pub(crate) fn told(&mut self, number: u64, verdict: &Result<(), Error>) {
        let told = match verdict {
            Ok(()) => Told::Done,
            Err(error) => match error.outcome() {
                Outcome::Refused => Told::Refused,
                Outcome::Unknown => Told::Unknown,
            },
        };
        assert_eq!(self.0.insert(number, told), None, "told twice about {number}");
    }

    pub(crate) fn count(&self, what: Told) -> usize {
        self.0.values().filter(|told| **told == what).count()
    }

    /// Expects of a receiver that stayed connected that it got what was acknowledged, in order, nothing that was refused,
    /// and nothing twice.
    pub(crate) fn expect_kept(&self, got: &[u64]) {
        let mut sorted = got.to_vec();
        sorted.sort_unstable();
        assert!(
            sorted.windows(2).all(|pair| pair[0] < pair[1]),
            "nothing arrives twice"
        );
        for number in got {
            match self.0.get(number) {
                Some(Told::Done | Told::Unknown) => {}
                told => panic!("{number} arrived, and its sender was told {told:?}"),
            }
        }
        // One whose outcome is unknown may be overtaken: it was sent on a connection that was lost.
        let acknowledged = |number: &&u64| self.0.get(number) == Some(&Told::Done);
        let arrived: Vec<u64> = got.iter().filter(acknowledged).copied().collect();
        let expected = self.0.iter().filter(|(_, told)| **told == Told::Done);
        let expected: Vec<u64> = expected.map(|(number, _)| *number).collect();
        assert!(
            arrived == expected,
            "what was acknowledged arrives once and in order"
        );
    }
}
