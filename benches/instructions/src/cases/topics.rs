//! Finding the subscribers of a topic that nobody remembers.
use std::{hint::black_box, sync::Arc};

use elbus_broker::{
    bench::fix_seeds,
    index::{Handle, TopicIndex},
};
use elbus_proto::{Topic, TopicFilter, TopicLimits};

use super::{Case, Round};

const TOPICS: u64 = 256;

pub(super) fn cases() -> Vec<Case> {
    let case = |name, about, start| Case {
        name,
        about,
        unit: "topic",
        round: TOPICS,
        rounds: 16,
        start,
    };
    vec![
        case("match-100", "a topic among 100 filters of mixed shapes", || {
            matches(100)
        }),
        case(
            "match-10000",
            "a topic among 10,000 filters of mixed shapes",
            || matches(10_000),
        ),
    ]
}

#[derive(Clone)]
struct Subscriber(Arc<u64>);

impl Handle for Subscriber {
    fn id(&self) -> u64 {
        *self.0
    }
}

fn matches(filters: u64) -> Round {
    fix_seeds();
    let mut index = TopicIndex::new();
    for n in 0..filters {
        let filter = filter(n);
        let filter = TopicFilter::parse(filter.as_bytes(), TopicLimits::default()).expect("well-formed");
        index.insert(filter, &Subscriber(Arc::new(n / 10)));
    }
    let topics: Vec<String> = (0..TOPICS).map(|n| topic(n * filters / TOPICS)).collect();
    let mut found = Vec::new();
    Box::new(move || {
        for topic in &topics {
            let topic =
                Topic::parse(black_box(topic).as_bytes(), TopicLimits::default()).expect("well-formed");
            found.clear();
            index.matches(topic, &mut found);
            assert!(!found.is_empty(), "each topic has a subscriber");
        }
    })
}

/// Filter `n`: half of them exact, the others with wildcards at the front, in the middle and at the end.
fn filter(n: u64) -> String {
    let line = n % 97;
    match n % 6 {
        0..=2 => format!("plant/line{line}/device{n}/state"),
        3 => format!("plant/line{line}/device{n}/#"),
        4 => format!("plant/+/device{n}/state"),
        _ => format!("+/line{line}/device{n}/state"),
    }
}

/// A topic that filter `n` matches.
fn topic(n: u64) -> String {
    format!("plant/line{}/device{n}/state", n % 97)
}
