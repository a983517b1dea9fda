//! The loads, and what a run of each yields.
mod ack;
mod beside;
mod catalog;
mod connect;
mod fanout;
mod flood;
mod group;
mod idle;
mod measure;
mod open;
mod pingpong;
mod rpc;
mod scaling;
mod slow;

use std::time::Duration;

use elbus_proto::Qos;

pub(crate) use ack::Acknowledgements;
pub(crate) use catalog::{Case, Set, all};
pub(crate) use group::Group;

use crate::{failure::Failure, wire::Target};

/// What a case does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Pairs of a sender and a receiver, beside clients that say nothing.
    Flood { shape: flood::Shape, idle: u32 },
    /// Four clients with so many operations on the way.
    Acknowledged { depth: u64, qos: Qos },
    /// Publications to so many subscribers of one topic.
    FanOut { subscribers: usize },
    /// Publications beside so many subscriptions that do not match.
    Beside(beside::Shape),
    /// So many pairs, one message there and back at a time.
    PingPong { pairs: u32 },
    /// One pair, so many messages a second.
    Open { rate: u32 },
    /// Four clients with so many calls of a method of the broker on the way.
    Rpc { depth: u64, method: rpc::Method },
    /// So many clients that say nothing.
    Idle { clients: u32 },
    /// A receiver that is slower than its sender.
    SlowReceiver,
    /// Clients that come and go.
    Connect,
}

impl Load {
    /// Runs it once.
    pub(crate) fn run(self, bench: &Bench) -> Result<Sample, Failure> {
        match self {
            Self::Flood { shape, idle } => flood::run(bench, shape, idle),
            Self::Acknowledged { depth, qos } => ack::run(bench, depth, qos),
            Self::FanOut { subscribers } => fanout::run(bench, subscribers),
            Self::Beside(shape) => beside::run(bench, shape),
            Self::PingPong { pairs } => pingpong::run(bench, pairs),
            Self::Open { rate } => open::run(bench, rate),
            Self::Rpc { depth, method } => rpc::run(bench, depth, method),
            Self::Idle { clients } => idle::run(bench, clients),
            Self::SlowReceiver => slow::run(bench),
            Self::Connect => connect::run(bench),
        }
    }

    /// What the headline figure counts.
    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::Flood { .. } => Unit::Messages,
            Self::Acknowledged { .. } => Unit::Operations,
            Self::FanOut { .. } | Self::Beside(_) => Unit::Deliveries,
            Self::PingPong { .. } => Unit::RoundTrips,
            Self::Open { .. } => Unit::Micros,
            Self::Rpc { .. } => Unit::Calls,
            Self::Idle { .. } => Unit::KibPerClient,
            Self::SlowReceiver => Unit::Seconds,
            Self::Connect => Unit::Connections,
        }
    }
}

/// What a case's headline figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Messages a second, counted at the receivers.
    Messages,
    /// Acknowledged operations a second.
    Operations,
    /// Copies of publications a second, counted at the subscribers.
    Deliveries,
    /// Messages there and back a second.
    RoundTrips,
    /// Connections opened, greeted and closed a second.
    Connections,
    /// Resident memory of the broker for each client.
    KibPerClient,
    /// Time until everything had arrived.
    Seconds,
    /// Answered calls a second.
    Calls,
    /// The time that half of the messages took at most, from when they were due.
    Micros,
}

impl Unit {
    /// As it stands behind a figure.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Messages => "msg/s",
            Self::Operations => "op/s",
            Self::Deliveries => "dlv/s",
            Self::RoundTrips => "trip/s",
            Self::Connections => "conn/s",
            Self::KibPerClient => "KiB/client",
            Self::Seconds => "s",
            Self::Calls => "call/s",
            Self::Micros => "µs",
        }
    }

    /// What the CPU time is divided by, in a word.
    pub(crate) const fn each(self) -> &'static str {
        match self {
            Self::Messages | Self::Micros | Self::Seconds => "message",
            Self::Operations => "operation",
            Self::Deliveries => "delivery",
            Self::RoundTrips => "round trip",
            Self::Connections => "connection",
            Self::KibPerClient => "client and second",
            Self::Calls => "call",
        }
    }

    /// Whether a larger figure is the better one.
    pub(crate) const fn more_is_better(self) -> bool {
        !matches!(self, Self::KibPerClient | Self::Seconds | Self::Micros)
    }
}

/// What a case runs against.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// Where it listens, and what it speaks.
    pub(crate) target: Target,
    /// The broker's process id.
    pub(crate) broker: u32,
    /// How long to measure.
    pub(crate) time: Duration,
}

/// The figures of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// In the case's [`Unit`].
    pub(crate) headline: f64,
    /// The broker's CPU time in ns: for each of what the headline counts, of `idle` for each client and second,
    /// of `slow-receiver` for each message.
    pub(crate) cpu_ns: Option<f64>,
    /// The generator's CPU time in ns, likewise.
    pub(crate) own_cpu_ns: Option<f64>,
    /// Half of the operations took at most this many µs.
    pub(crate) p50_us: Option<f64>,
    /// 99 of 100 operations took at most this many µs.
    pub(crate) p99_us: Option<f64>,
    /// 999 of 1,000 operations took at most this many µs.
    pub(crate) p999_us: Option<f64>,
    /// The longest took this many µs.
    pub(crate) max_us: Option<f64>,
    /// The broker's largest resident memory in KiB.
    pub(crate) peak_rss_kib: Option<u64>,
}
