//! The topic index against a naive matcher, at its edges, and on a stack too small for recursion.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
};

use elbus_proto::TopicLimits;
use proptest::prelude::*;

use super::*;

/// Lets a filter be as deep as a test wants.
const UNLIMITED: TopicLimits = TopicLimits {
    bytes: usize::MAX,
    levels: usize::MAX,
};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text.as_bytes(), UNLIMITED).unwrap()
}

fn topic(text: &str) -> Topic<'_> {
    Topic::parse(text.as_bytes(), UNLIMITED).unwrap()
}

fn matches(index: &TopicIndex<u64>, subject: &str) -> Vec<u64> {
    let mut found = Vec::new();
    index.matches(topic(subject), &mut found);
    found
}

/// The rules once more, written to be obviously right and not to share code with the index or with the protocol.
fn naive(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        ([], []) => true,
        (["#"], [_, ..]) => true,
        (["+", filter @ ..], [_, topic @ ..]) => naive(filter, topic),
        ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && naive(filter, topic),
        _ => false,
    }
}

#[test]
fn wildcards_match_as_the_protocol_says() {
    let cases = [
        (
            "a/#",
            ["a/b", "a/b/c", "a/"].as_slice(),
            ["a", "b/a", "/a"].as_slice(),
        ),
        ("#", &["a", "a/b", "/", ".broker/info"], &[]),
        ("+", &["a", "x y"], &["a/b", "/"]),
        ("+/+", &["/", "a/", "/a"], &["a", "a/b/c"]),
        ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/c/d"]),
        ("+/#", &["a/b", "/", "a/b/c"], &["a"]),
        ("a+", &["a+"], &["ab", "a"]),
        ("/", &["/"], &["//", "a"]),
    ];
    for (pattern, hits, misses) in cases {
        let mut index = TopicIndex::new();
        index.insert(filter(pattern), &1);
        for subject in hits {
            assert_eq!(matches(&index, subject), [1], "{pattern} {subject}");
        }
        for subject in misses {
            assert!(matches(&index, subject).is_empty(), "{pattern} {subject}");
        }
    }
}

#[test]
fn a_client_with_several_matching_filters_is_found_once() {
    let mut index = TopicIndex::new();
    for text in ["a/b", "a/+", "+/b", "#", "a/#", "+/+"] {
        assert!(index.insert(filter(text), &2).1);
        assert!(!index.insert(filter(text), &2).1, "{text} again");
    }
    index.insert(filter("a/b"), &1);
    index.insert(filter("#"), &3);
    assert_eq!(matches(&index, "a/b"), [1, 2, 3]);
    assert_eq!(index.len(), 8);
}

#[test]
fn what_was_found_before_is_merged_in() {
    let mut index = TopicIndex::new();
    index.insert(filter("a"), &1);
    index.insert(filter("a"), &3);
    let mut found = vec![3, 2];
    index.matches(topic("a"), &mut found);
    assert_eq!(found, [1, 2, 3]);
}

#[test]
fn a_filter_is_known_from_where_it_ends() {
    let mut index = TopicIndex::new();
    let long = "x".repeat(500);
    for (text, first) in [
        ("a/b/c", Some("a")),
        ("a", Some("a")),
        ("/", Some("")),
        ("//b", Some("")),
        ("+/b", None),
        ("#", None),
        ("ü/+/#", Some("ü")),
        (&long, Some(&*long)),
    ] {
        let (id, _) = index.insert(filter(text), &1);
        assert_eq!(index.filter(id), text);
        assert_eq!(index.first_level(id), first);
    }
}

#[test]
fn removing_what_is_not_there_changes_nothing() {
    let mut index = TopicIndex::new();
    let (id, _) = index.insert(filter("a/b/c"), &1);
    for absent in ["a", "a/b", "a/b/c/d", "a/b/#", "+/b/c"] {
        assert_eq!(index.remove(filter(absent), 1), None, "{absent}");
    }
    assert_eq!(index.remove(filter("a/b/c"), 2), None);
    assert!(!index.remove_at(id, 2));
    assert_eq!((index.len(), index.nodes()), (1, 3));
    assert_eq!(index.remove(filter("a/b/c"), 1), Some(id));
    assert!(!index.remove_at(id, 1));
    assert_eq!((index.len(), index.nodes()), (0, 0));
    assert_eq!(index.filter(id), "");
}

#[test]
fn wildcards_that_left_match_no_more() {
    let mut index = TopicIndex::new();
    for text in ["a/+", "a/#", "a/b", "a/+/c"] {
        index.insert(filter(text), &1);
    }
    index.remove(filter("a/+"), 1);
    index.remove(filter("a/#"), 1);
    assert_eq!(matches(&index, "a/x"), []);
    assert_eq!(matches(&index, "a/x/c"), [1], "the + still leads on");
    index.remove(filter("a/+/c"), 1);
    assert_eq!(matches(&index, "a/x/c"), []);
    // A node with the id of one that left must not be taken for its wildcard.
    for text in ["a/y", "a/z", "a/y/c"] {
        index.insert(filter(text), &2);
    }
    assert_eq!(matches(&index, "a/x/c"), []);
    assert_eq!(matches(&index, "a/b"), [1]);
}

/// Every level of the topic forks, and nothing is found: the dearest topic that filters can be laid out for.
#[test]
fn a_topic_that_forks_at_every_level_is_walked_to_the_end() {
    let mut index = TopicIndex::new();
    const DEPTH: usize = 12;
    for bits in 0..1_u64 << DEPTH {
        let levels: Vec<&str> = (0..DEPTH).map(|n| ["a", "+"][(bits >> n & 1) as usize]).collect();
        index.insert(filter(&levels.join("/")), &bits);
    }
    assert_eq!(matches(&index, &["a"; DEPTH].join("/")).len(), 1 << DEPTH);
    assert_eq!(matches(&index, &["a"; DEPTH + 1].join("/")), []);
    assert_eq!(matches(&index, &["b"; DEPTH].join("/")), [(1 << DEPTH) - 1]);
}

#[test]
fn very_deep_filters_need_no_stack() {
    let work = || {
        const DEPTH: usize = 100_000;
        let mut index = TopicIndex::new();
        let exact = vec!["a"; DEPTH].join("/");
        let any = vec!["+"; DEPTH].join("/");
        let forking = vec!["a/+"; DEPTH / 2].join("/");
        let rest = format!("{exact}/#");
        let shallow: Vec<String> = (1..=32).map(|n| vec!["b"; n].join("/")).collect();
        for text in [&exact, &any, &forking, &rest].into_iter().chain(&shallow) {
            index.insert(filter(text), &1);
        }
        let (id, _) = index.insert(filter(&exact), &2);
        assert_eq!(index.filter(id), exact);
        assert_eq!(index.first_level(id), Some("a"));
        assert_eq!(matches(&index, &exact), [1, 2]);
        assert_eq!(matches(&index, &format!("{exact}/a")), [1]);
        assert_eq!(matches(&index, &shallow[31]), [1]);
        assert_eq!(index.remove(filter(&forking), 1).map(|_| ()), Some(()));
        for text in [&exact, &rest] {
            assert!(index.remove(filter(text), 1).is_some());
        }
        assert!(index.remove_at(id, 2));
        assert_eq!(index.nodes(), DEPTH + 32);
        // Dropped with the deepest filter still in.
    };
    let small = thread::Builder::new().stack_size(64 * 1024);
    small.spawn(work).unwrap().join().unwrap();
}

#[test]
fn no_handle_stays_behind() {
    let clients: Vec<Arc<u64>> = (0..1000).map(Arc::new).collect();
    let mut index = TopicIndex::new();
    let mut ends = Vec::new();
    for client in &clients {
        let text = format!("{}/+/{}/#", **client % 7, **client % 13);
        ends.push(index.insert(filter(&text), client).0);
    }
    assert!(clients.iter().all(|client| Arc::strong_count(client) == 2));
    for (client, end) in clients.iter().zip(ends) {
        assert!(index.remove_at(end, **client));
    }
    assert!(clients.iter().all(|client| Arc::strong_count(client) == 1));
    assert_eq!((index.len(), index.nodes()), (0, 0));
}

/// Few levels, so that they meet: short ones, empty ones, one that looks like a wildcard, one too long to lie inline.
fn a_level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b",
        "",
        "ü",
        "+a",
        "a level of more than twenty-two bytes",
    ])
}

/// Empty texts are made valid instead of rejected, here and below: a long run must not use up its rejections.
fn not_empty(text: String) -> String {
    if text.is_empty() { "a".to_owned() } else { text }
}

fn a_filter() -> impl Strategy<Value = String> {
    let level = prop_oneof![3 => a_level(), 1 => Just("+")];
    (prop::collection::vec(level, 0..5), any::<bool>()).prop_map(|(mut levels, rest)| {
        if rest {
            levels.push("#");
        }
        not_empty(levels.join("/"))
    })
}

fn a_topic() -> impl Strategy<Value = String> {
    prop::collection::vec(a_level(), 1..6).prop_map(|levels| not_empty(levels.join("/")))
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String, u64),
    Remove(String, u64),
    RemoveAt(usize),
    Match(String),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (a_filter(), 0..6_u64).prop_map(|(filter, id)| Step::Insert(filter, id)),
        2 => (a_filter(), 0..6_u64).prop_map(|(filter, id)| Step::Remove(filter, id)),
        2 => any::<usize>().prop_map(Step::RemoveAt),
        3 => a_topic().prop_map(Step::Match),
    ];
    prop::collection::vec(step, 1..120)
}

/// Nodes that a set of filters needs: one for each path that starts one of them.
fn paths(filters: impl Iterator<Item = String>) -> usize {
    let mut paths = BTreeSet::new();
    for filter in filters {
        let levels: Vec<&str> = filter.split('/').collect();
        paths.extend((1..=levels.len()).map(|n| levels[..n].join("/")));
    }
    paths.len()
}

/// What the index should hold: for each subscription the end of its filter.
type Model = HashMap<(String, u64), FilterId>;

fn check(index: &TopicIndex<u64>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(index.len(), model.len());
    prop_assert_eq!(
        index.nodes(),
        paths(model.keys().map(|(filter, _)| filter.clone()))
    );
    for ((filter, _), end) in model {
        prop_assert_eq!(&index.filter(*end), filter);
    }
    Ok(())
}

fn apply(index: &mut TopicIndex<u64>, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Insert(text, id) => {
            let (end, is_new) = index.insert(filter(&text), &id);
            prop_assert_eq!(is_new, model.insert((text, id), end).is_none());
        }
        Step::Remove(text, id) => {
            let end = model.remove(&(text.clone(), id));
            prop_assert_eq!(index.remove(filter(&text), id), end);
        }
        Step::RemoveAt(n) => {
            let Some(key) = model.keys().nth(n % model.len().max(1)).cloned() else {
                return Ok(());
            };
            if let Some(end) = model.remove(&key) {
                prop_assert!(index.remove_at(end, key.1));
            }
        }
        Step::Match(text) => {
            let levels: Vec<&str> = text.split('/').collect();
            let hits = model.keys().filter(|(filter, _)| {
                let filter: Vec<&str> = filter.split('/').collect();
                naive(&filter, &levels)
            });
            let expected: BTreeSet<u64> = hits.map(|(_, id)| *id).collect();
            prop_assert!(expected.iter().eq(&matches(index, &text)), "{}", text);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_sequence_of_changes_leaves_what_a_naive_index_holds(steps in steps()) {
        let mut index = TopicIndex::new();
        let mut model = Model::new();
        for step in steps {
            apply(&mut index, &mut model, step)?;
            check(&index, &model)?;
        }
        for ((_, id), end) in model {
            prop_assert!(index.remove_at(end, id));
        }
        prop_assert_eq!((index.len(), index.nodes()), (0, 0));
    }

    #[test]
    fn the_index_the_protocol_and_a_naive_matcher_agree(pattern in a_filter(), subject in a_topic()) {
        let mut index = TopicIndex::new();
        index.insert(filter(&pattern), &1);
        let levels = (pattern.split('/').collect::<Vec<_>>(), subject.split('/').collect::<Vec<_>>());
        let expected = naive(&levels.0, &levels.1);
        prop_assert_eq!(filter(&pattern).matches(topic(&subject)), expected);
        prop_assert_eq!(!matches(&index, &subject).is_empty(), expected);
    }
}
