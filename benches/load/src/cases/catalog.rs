//! Every case by name, and which of them belong together.
use std::{fmt, sync::LazyLock};

use elbus_proto::Qos;

use super::{Load, Unit, beside::Shape, flood, group::Group, rpc::Method, scaling};

/// Sets of cases: a case may be in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Set {
    /// What is run unless something else is asked for: three minutes for two brokers
    Usual,
    /// The comparison of docs/performance.md
    Compare,
    /// A part of it that takes three minutes for all brokers
    Quick,
    /// Cost against size: clients, subscriptions, fan-out, payload, topic depth
    Scaling,
}

/// A load with a name.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) load: Load,
    pub(crate) group: Group,
    /// What is scaled, of the cases of scaling.
    pub(crate) size: Option<f64>,
    sets: &'static [Set],
}

impl Case {
    pub(crate) fn unit(&self) -> Unit {
        self.load.unit()
    }

    pub(crate) fn is_in(&self, set: Set) -> bool {
        self.sets.contains(&set)
    }

    /// The case of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        all().iter().find(|case| case.name == name)
    }

    pub(super) fn sized(mut self, size: usize) -> Self {
        self.size = Some(size as f64);
        self
    }
}

impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Every case, in the order in which they are run.
pub(crate) fn all() -> &'static [Case] {
    static ALL: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let mut cases = usual();
        cases.extend(floods());
        cases.extend(latencies());
        cases.extend(publications());
        cases.extend(clients());
        cases.extend(scaling::cases());
        cases
    });
    &ALL
}

const USUAL: &[Set] = &[Set::Usual];
const COMPARE: &[Set] = &[Set::Compare];
const QUICK: &[Set] = &[Set::Compare, Set::Quick];

pub(super) fn case(
    name: impl Into<String>,
    about: impl Into<String>,
    group: Group,
    sets: &'static [Set],
    load: Load,
) -> Case {
    Case {
        name: name.into(),
        about: about.into(),
        load,
        group,
        size: None,
        sets,
    }
}

pub(super) fn flood(pairs: u32, payload: usize, window: u64) -> Load {
    let shape = flood::Shape {
        pairs,
        payload,
        window,
    };
    Load::Flood { shape, idle: 0 }
}

pub(super) const fn beside(others: usize, topics: usize, levels: usize) -> Load {
    Load::Beside(Shape {
        others,
        topics,
        levels,
    })
}

const fn acknowledged(depth: u64, qos: Qos) -> Load {
    Load::Acknowledged { depth, qos }
}

fn usual() -> Vec<Case> {
    let usual = |name, about, load| case(name, about, Group::Other, USUAL, load);
    vec![
        usual(
            "flood-100",
            "2 pairs, one-to-one, 100-byte payloads, QoS 0, at most 4,096 on the way a pair",
            flood(2, 100, 4096),
        ),
        usual(
            "flood-16",
            "as flood-100 with 16-byte payloads",
            flood(2, 16, 4096),
        ),
        usual(
            "flood-1k",
            "as flood-100 with 1,024-byte payloads",
            flood(2, 1024, 4096),
        ),
        usual(
            "flood-16k",
            "1 pair, 16,384-byte payloads, at most 512 on the way",
            flood(1, 16_384, 512),
        ),
        usual(
            "flood-1m",
            "1 pair, 1,000,000-byte payloads, at most 8 on the way",
            flood(1, 1_000_000, 8),
        ),
        case(
            "ack-64",
            "4 pairs, 100-byte payloads, QoS 1, 64 not acknowledged yet a pair",
            Group::Acknowledged,
            &[Set::Usual, Set::Compare, Set::Quick],
            acknowledged(64, Qos::Processed),
        ),
        usual(
            "ack-64-rt",
            "as ack-64 with QoS 3 (real-time)",
            acknowledged(64, Qos::RealtimeProcessed),
        ),
        case(
            "ack-1",
            "as ack-64 with 1 not acknowledged yet; also time from send to acknowledgement",
            Group::Acknowledged,
            &[Set::Usual, Set::Compare, Set::Quick],
            acknowledged(1, Qos::Processed),
        ),
        case(
            "fanout-50",
            "1 publisher, 50 subscribers of 1 topic, 100-byte payloads, at most 1,024 ahead of the slowest",
            Group::Publish,
            &[Set::Usual, Set::Compare, Set::Quick],
            Load::FanOut { subscribers: 50 },
        ),
        case(
            "pingpong",
            "1 pair, 100-byte payloads, QoS 2 (real-time), 1 on the way; also time there and back",
            Group::PingPong,
            &[Set::Usual, Set::Compare, Set::Quick],
            Load::PingPong { pairs: 1 },
        ),
        usual(
            "idle",
            "1,000 silent clients for 5 s or longer: the broker's memory, and CPU a second, for each",
            Load::Idle { clients: 1000 },
        ),
        usual(
            "slow-receiver",
            "300,000 messages as fast as the broker takes them to a receiver of 4 KiB reads, 12 MB/s",
            Load::SlowReceiver,
        ),
        case(
            "connect",
            "2 threads that connect, greet and disconnect",
            Group::Connections,
            &[Set::Usual, Set::Compare, Set::Quick],
            Load::Connect,
        ),
    ]
}

/// The sizes of floods: name, payload bytes, and what one pair may have on the way.
const SIZES: [(&str, usize, u64); 5] = [
    ("16", 16, 4096),
    ("100", 100, 4096),
    ("1k", 1024, 4096),
    ("16k", 16_384, 512),
    ("1m", 1_000_000, 8),
];

fn floods() -> Vec<Case> {
    let cases = SIZES.into_iter().flat_map(|(size, payload, window)| {
        [1, 2, 8].into_iter().map(move |pairs| {
            let sets = if pairs == 2 { QUICK } else { COMPARE };
            let (name, about) = (
                format!("flood-{size}-{pairs}p"),
                format!("{pairs} pairs, {payload}-byte payloads"),
            );
            case(name, about, Group::Flood, sets, flood(pairs, payload, window))
        })
    });
    cases.collect()
}

fn latencies() -> Vec<Case> {
    let open = |name, sets, rate| {
        let about = format!("1 pair, {rate} messages a second, QoS 2, timed from when each was due");
        case(name, about, Group::OpenLoop, sets, Load::Open { rate })
    };
    let rpc = |name, sets, depth, method, what| {
        let about = format!("4 clients, {depth} calls of the broker's own {what} on the way");
        case(name, about, Group::Rpc, sets, Load::Rpc { depth, method })
    };
    vec![
        case(
            "ack-16",
            "as ack-64 with 16 not acknowledged yet",
            Group::Acknowledged,
            COMPARE,
            acknowledged(16, Qos::Processed),
        ),
        case(
            "pingpong-8",
            "as pingpong with 8 pairs",
            Group::PingPong,
            QUICK,
            Load::PingPong { pairs: 8 },
        ),
        open("open-1k", COMPARE, 1000),
        open("open-10k", QUICK, 10_000),
        open("open-50k", COMPARE, 50_000),
        rpc("rpc-test", COMPARE, 1, Method::Test, "`test`"),
        rpc(
            "rpc-1",
            QUICK,
            1,
            Method::Benchmark,
            "`benchmark.test` with 100 bytes",
        ),
        rpc(
            "rpc-64",
            COMPARE,
            64,
            Method::Benchmark,
            "`benchmark.test` with 100 bytes",
        ),
    ]
}

fn publications() -> Vec<Case> {
    let fanout = |subscribers: usize| {
        let about = format!("as fanout-50 with {subscribers} subscribers");
        case(
            format!("fanout-{subscribers}"),
            about,
            Group::Publish,
            COMPARE,
            Load::FanOut { subscribers },
        )
    };
    let mut cases = vec![fanout(1), fanout(10), fanout(1000)];
    for (name, others, sets) in [
        ("100", 100, COMPARE),
        ("10k", 10_000, COMPARE),
        ("100k", 100_000, QUICK),
        ("1m", 1_000_000, COMPARE),
    ] {
        for (suffix, topics, what) in [("", 1, "1 topic"), ("-100t", 100, "100 topics in turn")] {
            let about = format!("publications to {what}, 1 subscriber, beside {others} other subscriptions");
            let (name, load) = (format!("beside-{name}{suffix}"), beside(others, topics, 4));
            cases.push(case(name, about, Group::Subscriptions, sets, load));
        }
    }
    cases
}

fn clients() -> Vec<Case> {
    let load = Load::Idle { clients: 10_000 };
    vec![case(
        "idle-10k",
        "as idle with 10,000 clients",
        Group::Connections,
        COMPARE,
        load,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut names: Vec<&str> = all().iter().map(|case| &case.name[..]).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn what_is_quick_is_a_part_of_the_comparison() {
        assert!(all().iter().any(|case| case.is_in(Set::Quick)));
        assert!(
            all()
                .iter()
                .all(|case| !case.is_in(Set::Quick) || case.is_in(Set::Compare))
        );
    }
}
