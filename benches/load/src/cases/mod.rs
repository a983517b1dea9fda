//! The loads, and what a run of each yields.
mod ack;
mod connect;
mod fanout;
mod flood;
mod idle;
mod measure;
mod pingpong;
mod slow;

use elbus_proto::Qos;
use std::{fmt, path::PathBuf, time::Duration};

use clap::ValueEnum;

use crate::failure::Failure;

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// 2 pairs, one-to-one, 100-byte payloads, QoS 0, at most 4,096 on the way a pair
    #[value(name = "flood-100")]
    Flood100,
    /// as flood-100 with 16-byte payloads
    #[value(name = "flood-16")]
    Flood16,
    /// as flood-100 with 1,024-byte payloads
    #[value(name = "flood-1k")]
    Flood1k,
    /// 1 pair, 16,384-byte payloads, at most 512 on the way
    #[value(name = "flood-16k")]
    Flood16k,
    /// 1 pair, 1,000,000-byte payloads, at most 8 on the way
    #[value(name = "flood-1m")]
    Flood1m,
    /// 4 pairs, 100-byte payloads, QoS 1, 64 not acknowledged yet a pair
    #[value(name = "ack-64")]
    Ack64,
    /// as ack-64 with QoS 3 (real-time)
    #[value(name = "ack-64-rt")]
    Ack64Realtime,
    /// as ack-64 with 1 not acknowledged yet; also time from send to acknowledgement
    #[value(name = "ack-1")]
    Ack1,
    /// 1 publisher, 50 subscribers of 1 topic, 100-byte payloads, at most 1,024 ahead of the slowest
    #[value(name = "fanout-50")]
    Fanout50,
    /// 1 pair, 100-byte payloads, QoS 2 (real-time), 1 on the way; also time there and back
    #[value(name = "pingpong")]
    PingPong,
    /// 1,000 silent clients for 5 s or longer: the broker's memory, and CPU a second, for each
    #[value(name = "idle")]
    Idle,
    /// 300,000 messages as fast as the broker takes them to a receiver of 4 KiB reads, 12 MB/s
    #[value(name = "slow-receiver")]
    SlowReceiver,
    /// 2 threads that connect, greet and disconnect
    #[value(name = "connect")]
    Connect,
}

impl Case {
    /// Runs the load once.
    pub(crate) fn run(self, bench: &Bench) -> Result<Sample, Failure> {
        let flood = |pairs, payload, window| {
            flood::run(
                bench,
                flood::Shape {
                    pairs,
                    payload,
                    window,
                },
            )
        };
        match self {
            Self::Flood100 => flood(2, 100, 4096),
            Self::Flood16 => flood(2, 16, 4096),
            Self::Flood1k => flood(2, 1024, 4096),
            Self::Flood16k => flood(1, 16_384, 512),
            Self::Flood1m => flood(1, 1_000_000, 8),
            Self::Ack64 => ack::run(bench, 64, Qos::Processed),
            Self::Ack64Realtime => ack::run(bench, 64, Qos::RealtimeProcessed),
            Self::Ack1 => ack::run(bench, 1, Qos::Processed),
            Self::Fanout50 => fanout::run(bench),
            Self::PingPong => pingpong::run(bench),
            Self::Idle => idle::run(bench),
            Self::SlowReceiver => slow::run(bench),
            Self::Connect => connect::run(bench),
        }
    }

    /// What the headline figure counts.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Flood100 | Self::Flood16 | Self::Flood1k | Self::Flood16k | Self::Flood1m => Unit::Messages,
            Self::Ack64 | Self::Ack64Realtime | Self::Ack1 => Unit::Operations,
            Self::Fanout50 => Unit::Deliveries,
            Self::PingPong => Unit::RoundTrips,
            Self::Idle => Unit::KibPerClient,
            Self::SlowReceiver => Unit::Seconds,
            Self::Connect => Unit::Connections,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
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
}

impl Unit {
    /// As it stands behind a figure.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Messages => "msg/s",
            Self::Operations => "op/s",
            Self::Deliveries => "dlv/s",
            Self::RoundTrips => "trip/s",
            Self::Connections => "conn/s",
            Self::KibPerClient => "KiB/client",
            Self::Seconds => "s",
        }
    }

    /// Whether a larger figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        !matches!(self, Self::KibPerClient | Self::Seconds)
    }
}

/// What a case runs against.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    /// The broker's socket.
    pub(crate) socket: PathBuf,
    /// The broker's process id.
    pub(crate) broker: u32,
    /// How long to measure.
    pub(crate) time: Duration,
}

/// The figures of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// The broker's largest resident memory in KiB.
    pub(crate) peak_rss_kib: Option<u64>,
}
