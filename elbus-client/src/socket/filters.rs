//! What a client has subscribed to and excluded, to ask for it again after a reconnect.
use std::collections::{BTreeMap, btree_map::Entry};

use elbus_proto::Op;

/// Bytes of filters in one frame; one filter may be longer.
const CHUNK: usize = 32 * 1024;

/// A filter that was asked for in a frame of its own: if it is refused, it is not asked for again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    op: Op,
    filter: String,
}

/// Filters in the order in which they were asked for: a broker with a quota then grants the same ones again.
#[derive(Debug, Default)]
pub(super) struct Filters {
    subscribed: BTreeMap<String, u64>,
    excluded: BTreeMap<String, u64>,
    asked: u64,
}

impl Filters {
    /// Whether so many filters fit as this operation would leave.
    pub(super) fn has_room(&self, op: Op, filters: &[&str], limit: usize) -> bool {
        let set = match op {
            Op::Subscribe => &self.subscribed,
            Op::Exclude => &self.excluded,
            _ => return true,
        };
        let held = self.subscribed.len() + self.excluded.len();
        if held + filters.len() <= limit {
            return true;
        }
        let new = filters.iter().filter(|filter| !set.contains_key(**filter));
        held + new.count() <= limit
    }

    /// Notes what an operation asks for; answers what to [forget](Self::forget) if it is refused. Of several filters
    /// in one frame nobody knows which one a refusal means: they are all asked for again.
    pub(super) fn note(&mut self, op: Op, filters: &[&str]) -> Option<Box<Asked>> {
        let mut added = None;
        for filter in filters {
            let set = match op {
                Op::Subscribe | Op::Unsubscribe => &mut self.subscribed,
                Op::Exclude | Op::Unexclude => &mut self.excluded,
                _ => return None,
            };
            if matches!(op, Op::Unsubscribe | Op::Unexclude) {
                set.remove(*filter);
            } else if let Entry::Vacant(vacant) = set.entry((*filter).to_owned()) {
                vacant.insert(self.asked);
                self.asked += 1;
                added = Some(*filter);
            }
        }
        let filter = added.filter(|_| filters.len() == 1)?.to_owned();
        Some(Box::new(Asked { op, filter }))
    }

    /// The broker refused it.
    pub(super) fn forget(&mut self, asked: &Asked) {
        match asked.op {
            Op::Subscribe => self.subscribed.remove(&asked.filter),
            _ => self.excluded.remove(&asked.filter),
        };
    }

    /// The bodies of the frames that ask for everything again: exclusions first, so that nothing slips through.
    pub(super) fn bodies(&self) -> Vec<(Op, String)> {
        let mut bodies = Vec::new();
        for (op, set) in [(Op::Exclude, &self.excluded), (Op::Subscribe, &self.subscribed)] {
            let mut filters: Vec<_> = set.iter().collect();
            filters.sort_unstable_by_key(|(_, asked)| **asked);
            let mut body = String::new();
            for (filter, _) in filters {
                if !body.is_empty() && body.len() + filter.len() >= CHUNK {
                    bodies.push((op, std::mem::take(&mut body)));
                }
                if !body.is_empty() {
                    body.push('\0');
                }
                body.push_str(filter);
            }
            if !body.is_empty() {
                bodies.push((op, body));
            }
        }
        bodies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_asked_for_again_in_the_order_in_which_they_were() {
        let mut filters = Filters::default();
        filters.note(Op::Subscribe, &["z", "a", "gone"]);
        filters.note(Op::Exclude, &["x/#"]);
        filters.note(Op::Unsubscribe, &["gone", "never there"]);
        filters.note(Op::Subscribe, &["a", "m"]);
        let expected = [
            (Op::Exclude, "x/#".to_owned()),
            (Op::Subscribe, "z\0a\0m".to_owned()),
        ];
        assert_eq!(filters.bodies(), expected);
    }

    #[test]
    fn many_filters_go_into_several_frames() {
        let mut filters = Filters::default();
        let names: Vec<String> = (0..10_000).map(|n| format!("topic/{n}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        filters.note(Op::Subscribe, &all);
        let bodies = filters.bodies();
        assert!(bodies.len() > 1 && bodies.iter().all(|(_, body)| body.len() <= CHUNK));
        let again: Vec<&str> = bodies.iter().flat_map(|(_, body)| body.split('\0')).collect();
        assert_eq!(again, all);
    }

    #[test]
    fn the_limit_is_granted_and_one_past_it_refused() {
        let mut filters = Filters::default();
        filters.note(Op::Subscribe, &["a"]);
        filters.note(Op::Exclude, &["a"]);
        assert!(filters.has_room(Op::Subscribe, &["a", "b"], 3));
        assert!(!filters.has_room(Op::Subscribe, &["b", "c"], 3));
        assert!(filters.has_room(Op::Unsubscribe, &["b", "c"], 0));
    }

    #[test]
    fn a_refused_filter_is_forgotten_unless_it_was_there_before() {
        let mut filters = Filters::default();
        let asked = filters.note(Op::Subscribe, &["a"]).unwrap();
        assert_eq!(filters.note(Op::Subscribe, &["a"]), None);
        filters.forget(&asked);
        assert_eq!(filters.bodies(), []);
    }
}
