//! What it costs to find the receivers, from ten subscriptions or names to a million.
//!
//! Prints what a million take in memory as well, as the resident set grows (Linux only).
use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use elbus_broker::index::{Handle, NameIndex, TopicIndex};
use elbus_proto::{ClientName, NameLimits, NameMask, Topic, TopicFilter, TopicLimits};

const SIZES: [u64; 3] = [10, 10_000, 1_000_000];

/// Subscriptions of one client.
const PER_CLIENT: u64 = 10;

/// Clients of one group.
const PER_GROUP: u64 = 10;

#[derive(Clone)]
struct Client(Arc<u64>);

impl Handle for Client {
    fn id(&self) -> u64 {
        *self.0
    }
}

fn clients(count: u64) -> Vec<Client> {
    (0..count.max(1)).map(|id| Client(Arc::new(id))).collect()
}

/// Numbers below `end` that jump about, so that caches see what a busy broker's would.
fn jumps(end: u64) -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) % end
    })
}

/// The filter of subscription `n`: five in eight exact, the others with wildcards at the front, middle and end.
fn filter(n: u64) -> String {
    let area = n % 97;
    match n % 8 {
        0..=3 => format!("plant/area{area}/device{n}/temperature"),
        4 => format!("plant/area{area}/device{n}/#"),
        5 => format!("plant/+/device{n}/state"),
        6 => format!("+/line{}/alarm", n % 10_000),
        _ => format!("user/{n}/inbox"),
    }
}

/// A topic that subscription `n` matches, and perhaps some others.
fn topic(n: u64) -> String {
    let filter = filter(n).replace('+', "plant");
    filter.replace('#', "pressure")
}

fn parsed_filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text.as_bytes(), TopicLimits::default()).expect("made to be valid")
}

fn parsed_topic(text: &str) -> Topic<'_> {
    Topic::parse(text.as_bytes(), TopicLimits::default()).expect("made to be valid")
}

/// The name of client `n` of `size`: the clients of a group came long after one another.
fn name(n: u64, size: u64) -> String {
    format!("group{}.client{n}", n % (size / PER_GROUP))
}

fn parsed_name(text: &str) -> ClientName<'_> {
    ClientName::parse(text.as_bytes(), NameLimits::default()).expect("made to be valid")
}

fn parsed_mask(text: &str) -> NameMask<'_> {
    NameMask::parse(text.as_bytes(), NameLimits::default()).expect("made to be valid")
}

/// Resident bytes of this process.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn subscriptions(size: u64, clients: &[Client]) -> TopicIndex<Client> {
    let mut index = TopicIndex::new();
    for n in 0..size {
        let client = &clients[(n / PER_CLIENT) as usize % clients.len()];
        index.insert(parsed_filter(&filter(n)), client);
    }
    index
}

fn registered(size: u64, clients: &[Client]) -> NameIndex<Client> {
    let mut index = NameIndex::new();
    for (n, client) in (0..size).zip(clients) {
        index.insert(parsed_name(&name(n, size)), client.clone());
    }
    index
}

/// Prints what a million take, handles apart. Runs before anything else and keeps both indexes until both are
/// weighed: memory that was used before would be used again and not show.
fn memory(_: &mut Criterion) {
    const SIZE: u64 = 1_000_000;
    let clients = clients(SIZE);
    let empty = resident();
    let topics = subscriptions(SIZE, &clients);
    let with_topics = resident();
    let names = registered(SIZE, &clients);
    let with_both = resident();
    if let (Some(empty), Some(with_topics), Some(with_both)) = (empty, with_topics, with_both) {
        let each = |before: u64, after: u64| after.saturating_sub(before) / SIZE;
        println!(
            "a subscription: {} bytes, {} nodes for {SIZE}",
            each(empty, with_topics),
            topics.nodes()
        );
        println!(
            "a name: {} bytes, {} nodes for {SIZE}",
            each(with_topics, with_both),
            names.nodes()
        );
    }
}

fn topics(c: &mut Criterion) {
    let mut group = c.benchmark_group("topics");
    for size in SIZES {
        let clients = clients(size / PER_CLIENT);
        let mut index = subscriptions(size, &clients);
        let texts: Vec<String> = jumps(size).take(4096).map(topic).collect();
        let mut found = Vec::new();

        let mut any = texts.iter().cycle();
        group.bench_function(BenchmarkId::new("match any topic", size), |b| {
            b.iter(|| {
                found.clear();
                if let Some(text) = any.next() {
                    index.matches(parsed_topic(text), &mut found);
                }
                found.len()
            });
        });
        group.bench_function(BenchmarkId::new("match one topic again", size), |b| {
            b.iter(|| {
                found.clear();
                index.matches(parsed_topic(black_box(&texts[0])), &mut found);
                found.len()
            });
        });
        group.bench_function(BenchmarkId::new("miss", size), |b| {
            b.iter(|| {
                found.clear();
                index.matches(parsed_topic(black_box("plant/area7/nobody/here")), &mut found);
                found.len()
            });
        });
        let filters: Vec<String> = jumps(size).take(4096).map(|n| filter(size + n)).collect();
        let mut any = filters.iter().cycle();
        group.bench_function(BenchmarkId::new("insert and remove", size), |b| {
            b.iter(|| {
                if let Some(text) = any.next() {
                    let (end, _) = index.insert(parsed_filter(text), &clients[0]);
                    index.remove_at(end, 0);
                }
            });
        });
    }
    group.finish();
}

/// One topic with many subscribers: what a hit costs when nothing else does.
fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan-out");
    let clients = clients(1000);
    for filters in [1, 3] {
        let mut index = TopicIndex::new();
        for filter in ["a/b", "a/+", "#"].into_iter().take(filters) {
            for client in &clients {
                index.insert(parsed_filter(filter), client);
            }
        }
        let mut found = Vec::new();
        group.throughput(Throughput::Elements(1000));
        group.bench_function(BenchmarkId::new("1000 subscribers, filters each", filters), |b| {
            b.iter(|| {
                found.clear();
                index.matches(parsed_topic(black_box("a/b")), &mut found);
                found.len()
            });
        });
    }
    group.finish();
}

fn names(c: &mut Criterion) {
    let mut group = c.benchmark_group("names");
    for size in SIZES {
        let clients = clients(size);
        let mut index = registered(size, &clients);
        let texts: Vec<String> = jumps(size).take(4096).map(|n| name(n, size)).collect();
        let mut any = texts.iter().cycle();
        group.bench_function(BenchmarkId::new("look any name up", size), |b| {
            b.iter(|| any.next().is_some_and(|text| index.get(text).is_some()));
        });
        group.bench_function(BenchmarkId::new("look one name up again", size), |b| {
            b.iter(|| index.get(black_box(&texts[0])).is_some());
        });
        let masks: Vec<String> = jumps(size / PER_GROUP)
            .take(4096)
            .map(|n| format!("group{n}.?"))
            .collect();
        let mut any = masks.iter().cycle();
        let mut found = Vec::new();
        group.bench_function(BenchmarkId::new("mask of a group of 10", size), |b| {
            b.iter(|| {
                found.clear();
                if let Some(text) = any.next() {
                    index.matches(parsed_mask(text), &mut found);
                }
                found.len()
            });
        });
        let newcomer = Client(Arc::new(size));
        group.bench_function(BenchmarkId::new("insert and remove", size), |b| {
            b.iter(|| {
                let name = parsed_name(black_box("group1.newcomer"));
                index.insert(name, newcomer.clone()) && index.remove(name, size).is_some()
            });
        });
        // A million handles take a tenth of a second: as many rounds for every sample, not ever more.
        group
            .sampling_mode(SamplingMode::Flat)
            .throughput(Throughput::Elements(size));
        group.bench_function(BenchmarkId::new("mask of everyone", size), |b| {
            b.iter(|| {
                found.clear();
                index.matches(parsed_mask("*"), &mut found);
                found.len()
            });
        });
        group
            .sampling_mode(SamplingMode::Auto)
            .throughput(Throughput::Elements(1));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = memory, topics, fan_out, names
}
criterion_main!(benches);
