//! The name index against a naive matcher, at its edges, and on a stack too small for recursion.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    thread,
};

use elbus_proto::NameLimits;
use proptest::prelude::*;

use super::*;

/// Lets a name have as many parts as a test wants.
const UNLIMITED: NameLimits = NameLimits {
    bytes: usize::MAX,
    parts: usize::MAX,
};

fn name(text: &str) -> ClientName<'_> {
    ClientName::parse(text.as_bytes(), UNLIMITED).unwrap()
}

fn mask(text: &str) -> NameMask<'_> {
    NameMask::parse(text.as_bytes(), UNLIMITED).unwrap()
}

fn matches(index: &NameIndex<u64>, pattern: &str) -> Vec<u64> {
    let mut found = Vec::new();
    index.matches(mask(pattern), &mut found);
    found
}

/// The rules once more, written to be obviously right and not to share code with the index or with the protocol.
fn naive(mask: &[&str], name: &[&str]) -> bool {
    match (mask, name) {
        ([], []) => true,
        (["*"], [_, ..]) => true,
        (["?", mask @ ..], [_, name @ ..]) => naive(mask, name),
        ([wanted, mask @ ..], [part, name @ ..]) => wanted == part && naive(mask, name),
        _ => false,
    }
}

#[test]
fn masks_reach_whom_the_protocol_says() {
    let mut index = NameIndex::new();
    let names = [
        ".broker",
        "a",
        "a.b",
        "a.b.c",
        "a.b%%1",
        "g1.test.client1",
        "g1.test.sub.client2",
        "a.",
        "a..c",
    ];
    for (id, text) in names.iter().enumerate() {
        assert!(index.insert(name(text), id as u64));
    }
    let cases = [
        ("?.test.*", [5, 6].as_slice()),
        ("a.*", &[2, 3, 4, 7, 8]),
        ("a.?", &[2, 4, 7]),
        ("a.?.c", &[3, 8]),
        ("*", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("?", &[1]),
        ("?.?", &[0, 2, 4, 7]),
        (".*", &[0]),
        ("a.b", &[2]),
        ("g1", &[]),
        ("g1.test.?.?.?", &[]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(matches(&index, pattern), expected, "{pattern}");
    }
}

#[test]
fn a_taken_name_stays_with_its_client() {
    let mut index = NameIndex::new();
    assert!(index.insert(name("a.b"), 1));
    assert!(!index.insert(name("a.b"), 2));
    assert_eq!(index.get("a.b"), Some(&1));
    assert_eq!(matches(&index, "*"), [1]);
    assert_eq!(index.remove(name("a.b"), 2), None);
    assert_eq!((index.len(), index.nodes()), (1, 2));
    assert_eq!(index.remove(name("a.b"), 1), Some(1));
    assert_eq!(index.remove(name("a.b"), 1), None);
    assert_eq!((index.len(), index.nodes()), (0, 0));
    assert!(index.insert(name("a.b"), 2));
}

#[test]
fn a_group_is_no_client() {
    let mut index = NameIndex::new();
    index.insert(name("a.b"), 1);
    assert_eq!(index.get("a"), None);
    assert_eq!(matches(&index, "a"), []);
    index.insert(name("a"), 2);
    assert_eq!(index.remove(name("a.b"), 1), Some(1));
    assert_eq!((index.get("a"), index.nodes()), (Some(&2), 1));
}

#[test]
fn what_was_found_before_is_merged_in() {
    let mut index = NameIndex::new();
    index.insert(name("a.b"), 1);
    index.insert(name("a.c"), 3);
    let mut found = vec![3, 2];
    index.matches(mask("a.?"), &mut found);
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn many_clients_come_out_sorted_whatever_order_they_came_in() {
    let mut index = NameIndex::new();
    for n in 0..5000_u64 {
        let id = n * 2_654_435_761 % 5003;
        assert!(index.insert(name(&format!("g{}.client{id}", id % 10)), id));
    }
    let found = matches(&index, "*");
    assert_eq!(found.len(), 5000);
    assert!(found.is_sorted());
    assert_eq!(matches(&index, "?.?"), found);
    assert!(matches(&index, "g3.*").iter().all(|id| id % 10 == 3));
    assert_eq!(index.iter().count(), 5000);
}

#[test]
fn names_and_handles_are_given_back() {
    let clients: Vec<Arc<u64>> = (0..5000).map(Arc::new).collect();
    let mut index = NameIndex::new();
    let text = |id: u64| format!("group{}.of.client{id}", id % 50);
    for client in &clients {
        assert!(index.insert(name(&text(**client)), client.clone()));
    }
    for client in &clients {
        assert!(index.remove(name(&text(**client)), **client).is_some());
    }
    assert!(clients.iter().all(|client| Arc::strong_count(client) == 1));
    assert_eq!((index.len(), index.nodes(), index.iter().count()), (0, 0, 0));
    assert!(index.entries.capacity() <= 4 * FEWEST_NAMES);
    assert!(index.parts.edge_capacity() <= 1000);
}

#[test]
fn very_deep_names_and_masks_need_no_stack() {
    let work = || {
        const PARTS: usize = 100_000;
        let mut index = NameIndex::new();
        let deep = vec!["a"; PARTS].join(".");
        let beside = format!("{}.b", vec!["a"; PARTS / 2].join("."));
        let shallow: Vec<String> = (1..=32).map(|n| vec!["b"; n].join(".")).collect();
        for (id, text) in (0..).zip([&deep, &beside].into_iter().chain(&shallow)) {
            assert!(index.insert(name(text), id));
        }
        assert_eq!(matches(&index, &vec!["?"; PARTS].join(".")), [0]);
        assert_eq!(
            matches(&index, &format!("{}.*", vec!["?"; PARTS - 1].join("."))),
            [0]
        );
        assert_eq!(matches(&index, "a.*"), [0, 1]);
        assert_eq!(matches(&index, "*").len(), 34);
        assert_eq!(index.remove(name(&beside), 1), Some(1));
        assert_eq!(index.get(&deep), Some(&0));
        // Dropped with the deepest name still in.
    };
    let small = thread::Builder::new().stack_size(64 * 1024);
    small.spawn(work).unwrap().join().unwrap();
}

/// Few parts, so that they meet: short ones, empty ones, a secondary, one too long to lie inline.
fn a_part() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "",
        "ü",
        "a%%1",
        "a part of more than twenty-two bytes",
    ])
}

/// What the rules refuse is made valid instead of rejected, here and below: a long run must not use up its
/// rejections.
fn not_empty(text: String) -> String {
    if text.is_empty() { "a".to_owned() } else { text }
}

fn a_name() -> impl Strategy<Value = String> {
    prop::collection::vec(a_part(), 1..5).prop_map(|parts| {
        let text = not_empty(parts.join("."));
        let is_name = ClientName::parse(text.as_bytes(), UNLIMITED).is_ok();
        if is_name { text } else { one_secondary_less(&text) }
    })
}

/// Takes out what makes a name or a mask wrong: two secondaries in one, or nothing on one side of the separator.
fn one_secondary_less(text: &str) -> String {
    text.replace("%%", "%")
}

fn a_mask() -> impl Strategy<Value = String> {
    let part = prop_oneof![2 => a_part(), 1 => Just("?")];
    (prop::collection::vec(part, 0..5), any::<bool>()).prop_map(|(mut parts, rest)| {
        if rest {
            parts.push("*");
        }
        let text = not_empty(parts.join("."));
        let is_mask = NameMask::parse(text.as_bytes(), UNLIMITED).is_ok();
        if is_mask { text } else { one_secondary_less(&text) }
    })
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String),
    Remove(String),
    RemoveAny(usize),
    Match(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => a_name().prop_map(Step::Insert),
        1 => a_name().prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::RemoveAny),
        3 => a_mask().prop_map(Step::Match),
    ];
    prop::collection::vec(step, 1..120)
}

type Model = BTreeMap<String, u64>;

fn apply(index: &mut NameIndex<u64>, model: &mut Model, id: u64, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Insert(text) => {
            let is_free = !model.contains_key(&text);
            prop_assert_eq!(index.insert(name(&text), id), is_free);
            model.entry(text).or_insert(id);
        }
        Step::Remove(text) => {
            let owner = model.remove(&text);
            prop_assert_eq!(index.remove(name(&text), owner.unwrap_or(id)), owner);
        }
        Step::RemoveAny(n) => {
            let Some((text, owner)) = model.iter().nth(n % model.len().max(1)) else {
                return Ok(());
            };
            prop_assert_eq!(index.remove(name(text), *owner), Some(*owner));
            let text = text.clone();
            model.remove(&text);
        }
        Step::Match(pattern) => {
            let parts: Vec<&str> = pattern.split('.').collect();
            let hits = model.iter().filter(|(text, _)| {
                let text: Vec<&str> = text.split('.').collect();
                naive(&parts, &text)
            });
            let expected: BTreeSet<u64> = hits.map(|(_, id)| *id).collect();
            prop_assert!(expected.iter().eq(&matches(index, &pattern)), "{}", pattern);
        }
    }
    Ok(())
}

/// Nodes that a set of names needs: one for each path that starts one of them.
fn paths(model: &Model) -> usize {
    let mut paths = BTreeSet::new();
    for text in model.keys() {
        let parts: Vec<&str> = text.split('.').collect();
        paths.extend((1..=parts.len()).map(|n| parts[..n].join(".")));
    }
    paths.len()
}

proptest! {
    #[test]
    fn any_sequence_of_changes_leaves_what_a_naive_index_holds(steps in steps()) {
        let mut index = NameIndex::new();
        let mut model = Model::new();
        for (id, step) in (0..).zip(steps) {
            apply(&mut index, &mut model, id, step)?;
            prop_assert_eq!((index.len(), index.nodes()), (model.len(), paths(&model)));
            for (text, id) in &model {
                prop_assert_eq!(index.get(text), Some(id));
            }
        }
        for (text, id) in &model {
            prop_assert_eq!(index.remove(name(text), *id), Some(*id));
        }
        prop_assert_eq!((index.len(), index.nodes(), index.iter().count()), (0, 0, 0));
    }

    #[test]
    fn the_index_the_protocol_and_a_naive_matcher_agree(pattern in a_mask(), text in a_name()) {
        let mut index = NameIndex::new();
        index.insert(name(&text), 1);
        let parts = (pattern.split('.').collect::<Vec<_>>(), text.split('.').collect::<Vec<_>>());
        let expected = naive(&parts.0, &parts.1);
        prop_assert_eq!(mask(&pattern).matches(name(&text)), expected);
        prop_assert_eq!(!matches(&index, &pattern).is_empty(), expected);
    }
}
