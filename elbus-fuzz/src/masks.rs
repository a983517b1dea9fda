//! Names and masks, topics and filters, and the indexes over them.
use elbus_broker::index::{Handle, NameIndex, TopicIndex};
use elbus_proto::{ClientName, NameLimits, NameMask, Topic, TopicFilter, TopicLimits};

/// Texts of an input: as many as can be compared each with each.
const TEXTS: usize = 24;

/// Text that stands for any: no input has it by chance, and one that has it is not looked at.
const FRESH: &str = "text that nobody else has";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(u64);

impl Handle for Id {
    fn id(&self) -> u64 {
        self.0
    }
}

/// Texts, one a line.
pub fn masks(data: &[u8]) {
    let texts: Vec<&[u8]> = data.split(|byte| *byte == b'\n').take(TEXTS).collect();
    if texts.iter().any(|text| is_in(FRESH.as_bytes(), text)) {
        return;
    }
    names_and_masks(&texts);
    topics_and_filters(&texts);
}

fn is_in(part: &[u8], all: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

fn parsed<'a, T, E>(texts: &[&'a [u8]], parse: impl Fn(&'a [u8]) -> Result<T, E>) -> Vec<T> {
    texts.iter().filter_map(|text| parse(text).ok()).collect()
}

/// Whether a pattern of parts matches: what is too simple to be wrong. `rest` stands only at the end.
fn matches(pattern: &[&str], text: &[&str], any: &str, rest: &str) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([last], [_, ..]) if *last == rest => true,
        ([part, pattern @ ..], [own, text @ ..]) => {
            (*part == any || part == own) && matches(pattern, text, any, rest)
        }
        _ => false,
    }
}

/// What a pattern matches, with text that no other pattern has: a pattern that matches all of these matches whatever
/// this one does.
fn examples(pattern: &str, separator: char, any: &str, rest: &str) -> Vec<String> {
    let parts = |last: &[&str]| {
        let mut parts: Vec<&str> = pattern.split(separator).collect();
        if parts.last() == Some(&rest) {
            parts.pop();
            parts.extend_from_slice(last);
        }
        let parts: Vec<&str> = parts
            .into_iter()
            .map(|part| if part == any { FRESH } else { part })
            .collect();
        parts.join(&separator.to_string())
    };
    vec![parts(&[FRESH]), parts(&[FRESH, FRESH])]
}

fn names_and_masks(texts: &[&[u8]]) {
    let limits = NameLimits::default();
    let names = parsed(texts, |text| ClientName::parse(text, limits));
    let masks = parsed(texts, |text| NameMask::parse(text, limits));
    let naive = |mask: NameMask<'_>, name: &str| {
        let mask: Vec<&str> = mask.as_str().split('.').collect();
        matches(&mask, &name.split('.').collect::<Vec<_>>(), "?", "*")
    };
    let mut index = NameIndex::new();
    let mut there: Vec<(ClientName<'_>, Id)> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let is_new = there.iter().all(|(other, _)| other != name);
        let id = Id(n as u64);
        if is_new {
            there.push((*name, id));
            index.insert(*name, id);
        }
        assert_eq!(index.len(), there.len());
    }
    loop {
        for mask in &masks {
            let expected: Vec<Id> = there
                .iter()
                .filter(|(name, _)| naive(*mask, name.as_str()))
                .map(|(_, id)| *id)
                .collect();
            let mut found = Vec::new();
            index.matches(*mask, &mut found);
            found.sort();
            assert_eq!(found, expected, "who {mask:?} stands for");
            for (name, id) in &there {
                assert_eq!(
                    mask.matches(*name),
                    expected.contains(id),
                    "{mask:?} and {name:?}"
                );
            }
        }
        // With fewer and fewer of them, to the last.
        let Some((name, id)) = there.pop() else {
            break;
        };
        assert_eq!(index.remove(name, id.0), Some(id));
    }
    assert!(index.is_empty());
    for one in &masks {
        for other in &masks {
            let examples = examples(other.as_str(), '.', "?", "*");
            let covers = examples.iter().all(|name| naive(*one, name));
            assert_eq!(one.covers(*other), covers, "{one:?} and {other:?}");
        }
    }
}

fn topics_and_filters(texts: &[&[u8]]) {
    let limits = TopicLimits::default();
    let topics = parsed(texts, |text| Topic::parse(text, limits));
    let filters = parsed(texts, |text| TopicFilter::parse(text, limits));
    let naive = |filter: TopicFilter<'_>, topic: &str| {
        let filter: Vec<&str> = filter.as_str().split('/').collect();
        matches(&filter, &topic.split('/').collect::<Vec<_>>(), "+", "#")
    };
    let mut index = TopicIndex::new();
    let mut there: Vec<(TopicFilter<'_>, Id)> = Vec::new();
    for (n, filter) in filters.iter().enumerate() {
        // Several filters of one client, and several clients with one filter.
        for id in [Id(n as u64 % 3), Id(7)] {
            let is_new = !there.contains(&(*filter, id));
            assert_eq!(index.insert(*filter, &id).1, is_new);
            if is_new {
                there.push((*filter, id));
            }
        }
    }
    loop {
        assert_eq!(index.len(), there.len());
        for topic in &topics {
            let mut expected: Vec<Id> = there
                .iter()
                .filter(|(filter, _)| naive(*filter, topic.as_str()))
                .map(|(_, id)| *id)
                .collect();
            expected.sort();
            expected.dedup();
            let mut found = Vec::new();
            index.matches(*topic, &mut found);
            assert_eq!(found, expected, "who gets {topic:?}");
        }
        let Some((filter, id)) = there.pop() else {
            break;
        };
        assert!(index.remove(filter, id.0).is_some());
    }
    assert_eq!(index.nodes(), 0);
    for one in &filters {
        for topic in &topics {
            let expected = naive(*one, topic.as_str());
            assert_eq!(one.matches(*topic), expected, "{one:?} and {topic:?}");
        }
        for other in &filters {
            let examples = examples(other.as_str(), '/', "+", "#");
            let covers = examples.iter().all(|topic| naive(*one, topic));
            assert_eq!(one.covers(*other), covers, "{one:?} and {other:?}");
        }
    }
}
