//! What is counted. A case sets itself up, warms up, and then does the same round over and over.
mod broker;
mod client;
mod topics;

use elbus_proto::{Op, Qos, request::RequestHeader};

/// Rounds before those that count: buffers and tables grow to their size in them.
const WARM_UP: u64 = 8;

/// Something that is counted.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What a round has many of.
    pub(crate) unit: &'static str,
    /// How many of them.
    pub(crate) round: u64,
    /// Rounds of the shorter run.
    pub(crate) rounds: u64,
    /// Sets up, and answers what does one round.
    start: fn() -> Round,
}

/// Does one round. It panics when the work was not what it should be.
type Round = Box<dyn FnMut()>;

impl Case {
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = broker::cases();
        cases.extend(topics::cases());
        cases.extend(client::cases());
        cases
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|case| case.name == name)
    }

    /// Warms up and does so many rounds.
    pub(crate) fn run(&self, rounds: u64) {
        let mut round = (self.start)();
        for _ in 0..WARM_UP + rounds {
            round();
        }
    }
}

/// A case of messages.
fn message(name: &'static str, about: &'static str, round: u64, rounds: u64, start: fn() -> Round) -> Case {
    Case {
        name,
        about,
        unit: "message",
        round,
        rounds,
        start,
    }
}

/// A request frame.
fn request(id: u32, op: Op, qos: Qos, address: &str, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(address.len() + 1 + payload.len()).expect("short");
    let mut frame = Vec::from(RequestHeader::new(id, op, qos, len).encode());
    frame.extend_from_slice(address.as_bytes());
    frame.push(0);
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_does_its_work() {
        for case in Case::all() {
            case.run(2);
        }
    }

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut names: Vec<&str> = Case::all().iter().map(|case| case.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
