//! Names, masks, topics and filters: what is one, and what matches what. Default limits.
use elbus_proto::{ClientName, NameLimits, NameMask, Topic, TopicFilter, TopicLimits};
use serde::Serialize;

use crate::Document;

#[derive(Serialize)]
struct Name {
    text: String,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secondary: Option<bool>,
}

#[derive(Serialize)]
struct Text {
    text: String,
    valid: bool,
}

#[derive(Serialize)]
struct MaskMatch {
    mask: &'static str,
    name: &'static str,
    matches: bool,
}

#[derive(Serialize)]
struct FilterMatch {
    filter: &'static str,
    topic: &'static str,
    matches: bool,
}

pub(crate) fn write(document: &mut Document) {
    document.list("names", &names());
    document.list("masks", &masks());
    document.list("mask_matches", &mask_matches());
    document.list("topics", &topics());
    document.list("filters", &filters());
    document.list("filter_matches", &filter_matches());
}

fn names() -> Vec<Name> {
    let limits = NameLimits::default();
    let plain = [
        "a",
        "a.b.c",
        "a..c",
        "werk.tür",
        "with space",
        ".broker",
        "a.b%%1",
    ];
    let refused = ["", "a\0b", "a\u{1b}[31m", "*", "a.?", "%%x", "x%%", "x%%y%%z"];
    let long = ["n".repeat(limits.bytes), "n".repeat(limits.bytes + 1)];
    let deep = [".".repeat(limits.parts - 1), ".".repeat(limits.parts)];
    let all = plain.into_iter().chain(refused).map(String::from);
    all.chain(long)
        .chain(deep)
        .map(|text| {
            let name = ClientName::parse(text.as_bytes(), limits).ok();
            Name {
                valid: name.is_some(),
                primary: name.map(|name| name.primary().to_owned()),
                secondary: name.map(ClientName::is_secondary),
                text,
            }
        })
        .collect()
}

fn masks() -> Vec<Text> {
    let masks = [
        "*", "?", "a.*", "a.?", "?.test.*", "a.b", "a.b%%1", "?.b%%1", "*.pub", "a*", "a?.b", "", "%%x",
        "a.*.b",
    ];
    let limits = NameLimits::default();
    masks
        .map(|text| Text {
            text: text.to_owned(),
            valid: NameMask::parse(text.as_bytes(), limits).is_ok(),
        })
        .into()
}

fn mask_matches() -> Vec<MaskMatch> {
    let pairs = [
        ("?.test.*", "g1.test.client1"),
        ("?.test.*", "g1.test.sub.client2"),
        ("?.test.*", "g1.test"),
        ("a.*", "a.b"),
        ("a.*", "a.b.c"),
        ("a.*", "a"),
        ("*", ".broker"),
        ("*", "a.b.c"),
        ("a.?", "a.b%%1"),
        ("a.?", "a.b.c"),
        ("a.b", "a.b"),
        ("a.b", "a.b%%1"),
    ];
    let limits = NameLimits::default();
    pairs
        .map(|(mask, name)| {
            let parsed = ClientName::parse(name.as_bytes(), limits).unwrap();
            let matches = NameMask::parse(mask.as_bytes(), limits).unwrap().matches(parsed);
            MaskMatch { mask, name, matches }
        })
        .into()
}

fn topics() -> Vec<Text> {
    let limits = TopicLimits::default();
    let texts = [
        "a",
        "a/b",
        "a/",
        "/",
        "türe/ä",
        "a+",
        ".broker/info",
        "",
        "a/+",
        "#",
        "a/#",
        "a\nb",
        "a\0b",
    ];
    let long = ["t".repeat(limits.bytes), "t".repeat(limits.bytes + 1)];
    let deep = ["/".repeat(limits.levels - 1), "/".repeat(limits.levels)];
    let all = texts.into_iter().map(String::from).chain(long).chain(deep);
    all.map(|text| Text {
        valid: Topic::parse(text.as_bytes(), limits).is_ok(),
        text,
    })
    .collect()
}

fn filters() -> Vec<Text> {
    let limits = TopicLimits::default();
    let texts = [
        "#", "+", "a/#", "a/+/c", "+/+", "a+", "", "#/a", "a/b#", "a/#/b", "a\nb",
    ];
    texts
        .map(|text| Text {
            text: text.to_owned(),
            valid: TopicFilter::parse(text.as_bytes(), limits).is_ok(),
        })
        .into()
}

fn filter_matches() -> Vec<FilterMatch> {
    let pairs = [
        ("a/#", "a/b"),
        ("a/#", "a/b/c"),
        ("a/#", "a/"),
        ("a/#", "a"),
        ("#", "a"),
        ("#", ".broker/info"),
        ("+", "a"),
        ("+/b", "/b"),
        ("+", "a/b"),
        ("a/+/c", "a//c"),
        ("a/+/c", "a/b/c"),
        ("a/+/c", "a/c"),
        ("a+", "a+"),
        ("a+", "ab"),
        ("a/b", "a/b"),
        ("a/b", "a/b/c"),
    ];
    let limits = TopicLimits::default();
    pairs
        .map(|(filter, topic)| {
            let parsed = Topic::parse(topic.as_bytes(), limits).unwrap();
            let matches = TopicFilter::parse(filter.as_bytes(), limits)
                .unwrap()
                .matches(parsed);
            FilterMatch {
                filter,
                topic,
                matches,
            }
        })
        .into()
}
