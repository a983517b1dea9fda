//! Every setting and limit of a broker, with its default.
use std::{ops::RangeInclusive, time::Duration};

use elbus_client::keep_alive;
use elbus_proto::{NameLimits, TopicLimits};

use crate::slow::SlowConsumers;

/// The settings and limits of a broker.
///
/// Start from the default and change fields; [`Broker::new`](crate::Broker::new) refuses values that make no sense
/// and says which.
///
/// ```
/// use elbus_broker::{Broker, Config, ConfigError};
///
/// let mut config = Config::default();
/// config.high_water = 1024 * 1024;
/// let broker = Broker::new(config)?;
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Queued bytes at which a connection's outbox is full and those who feed it are held back. Default: 8 MiB.
    pub high_water: usize,
    /// How long a receiver may take nothing while it is over its high-water mark before it is disconnected;
    /// over TCP, where less of its progress shows, half as long again. Default: 500 ms.
    pub stall_timeout: Duration,
    /// What becomes of frames for a client on a socket that is over its high-water mark. Default: those who send to it wait.
    pub slow_consumers: SlowConsumers,
    /// Bounds a greeting, an unfinished frame (64 KiB of a large one), the drain of a connection, and how long a
    /// client in this process waits to send. Default: 5 s.
    pub timeout: Duration,
    /// Within this time a TCP client whose machine or network is gone is disconnected, and one that takes nothing although
    /// something waits in the system's buffers for it; never one that is only silent. 0 leaves it to the system, which
    /// takes minutes to hours. Default: 30 s.
    pub keep_alive: Duration,
    /// Largest body of a frame in bytes: address, separators and payload. Default: 64 MiB.
    pub frame_limit: usize,
    /// How long and deep names and masks may be. Default: 255 bytes, 16 parts.
    pub names: NameLimits,
    /// How long and deep topics and filters may be. Default: 1,024 bytes, 32 levels.
    pub topics: TopicLimits,
    /// Filters one client may subscribe to and exclude, together. Default: 65,536.
    pub subscriptions: usize,
    /// Clients registered at once, secondaries and those in this process included. Default: 65,536.
    pub clients: usize,
    /// Connections that have not finished their greeting. Default: 1,024.
    pub greetings: usize,
    /// Clients of one UNIX user, secondaries included. Default: 65,536.
    pub user_clients: usize,
    /// Connections of one UNIX user that have not finished their greeting. Default: 768, so that others get in beside one
    /// who does not finish any.
    pub user_greetings: usize,
    /// Filters of all clients of one UNIX user. Default: 12,582,912, so that others get some beside one who takes all.
    pub user_subscriptions: usize,
    /// Filters of all clients. Default: 16,777,216.
    pub all_subscriptions: usize,
    /// Bytes queued for all connections of one UNIX user, counted as of all. Default: 768 MiB.
    pub user_queued: usize,
    /// Bytes queued for all connections. The first 128 KiB of each do not count. Default: 1 GiB.
    pub all_queued: usize,
    /// Frames that wait for a client in this process before those who feed it are held back. Default: 8,192.
    pub queue_size: usize,
    /// Targets, topics and masks whose receivers a connection remembers, of each kind; and 64 times as many receivers.
    /// Default: 1,024.
    pub cached_routes: usize,
    /// Bytes read from a socket at once; one such buffer a worker thread. Default: 64 KiB.
    pub read_size: usize,
    /// Longest line of a command FIFO in bytes. Default: 64 KiB.
    pub fifo_line: usize,
    /// How long frames that are not real-time may be held up to gather more. Default: 0, not at all.
    pub buf_ttl: Duration,
    /// Whether a connection that registers a taken name takes it over from the connection that has it. A client in
    /// this process never loses its name so. Default: no.
    pub force_register: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            high_water: 8 * 1024 * 1024,
            stall_timeout: Duration::from_millis(500),
            slow_consumers: SlowConsumers::default(),
            timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(30),
            frame_limit: 64 * 1024 * 1024,
            names: NameLimits::default(),
            topics: TopicLimits::default(),
            subscriptions: 65_536,
            clients: 65_536,
            greetings: 1_024,
            user_clients: 65_536,
            user_greetings: 768,
            user_subscriptions: 3 << 22,
            all_subscriptions: 1 << 24,
            user_queued: 3 << 28,
            all_queued: 1 << 30,
            queue_size: 8_192,
            cached_routes: 1_024,
            read_size: 64 * 1024,
            fifo_line: 64 * 1024,
            buf_ttl: Duration::ZERO,
            force_register: false,
        }
    }
}

/// A setting with a value that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {expected}, not {value}")]
pub struct ConfigError {
    /// The field of [`Config`].
    pub field: &'static str,
    /// What it may be.
    pub expected: &'static str,
    /// What it was.
    pub value: String,
}

/// A delivery's length is a u32 on the wire and holds a name and a topic beside the payload.
const LARGEST_FRAME: usize = 1 << 31;

/// A field, its value, what it may be, and that in words.
type Bound = (&'static str, usize, RangeInclusive<usize>, &'static str);

fn within<const N: usize>(bounds: [Bound; N]) -> Result<(), ConfigError> {
    for (field, value, range, expected) in bounds {
        if !range.contains(&value) {
            return Err(ConfigError {
                field,
                expected,
                value: value.to_string(),
            });
        }
    }
    Ok(())
}

impl Config {
    /// Checks every field.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let bounds = [
            ("high_water", self.high_water, 1..=1 << 31, "from 1 byte to 2 GiB"),
            (
                "frame_limit",
                self.frame_limit,
                1..=LARGEST_FRAME,
                "from 1 byte to 2 GiB",
            ),
            ("names.bytes", self.names.bytes, 1..=65_535, "from 1 to 65,535"),
            ("names.parts", self.names.parts, 1..=65_535, "from 1 to 65,535"),
            (
                "topics.bytes",
                self.topics.bytes,
                1..=1 << 20,
                "from 1 to 1,048,576",
            ),
            (
                "topics.levels",
                self.topics.levels,
                1..=1 << 20,
                "from 1 to 1,048,576",
            ),
            (
                "subscriptions",
                self.subscriptions,
                0..=1 << 30,
                "at most 1,073,741,824",
            ),
            ("clients", self.clients, 1..=1 << 30, "from 1 to 1,073,741,824"),
            ("greetings", self.greetings, 1..=1 << 20, "from 1 to 1,048,576"),
            (
                "queue_size",
                self.queue_size,
                1..=1 << 30,
                "from 1 to 1,073,741,824",
            ),
            (
                "cached_routes",
                self.cached_routes,
                1..=1 << 20,
                "from 1 to 1,048,576",
            ),
            ("fifo_line", self.fifo_line, 1..=1 << 26, "from 1 byte to 64 MiB"),
            (
                "read_size",
                self.read_size,
                512..=1 << 24,
                "from 512 bytes to 16 MiB",
            ),
        ];
        within(bounds)?;
        within(self.shared_bounds())?;
        if let Err((mask, error)) = self.slow_consumers.check(self.names) {
            return Err(ConfigError {
                field: "slow_consumers",
                expected: "for name masks",
                value: format!("{mask:?}: {error}"),
            });
        }
        self.check_times()
    }

    /// Of what clients use together.
    const fn shared_bounds(&self) -> [Bound; 6] {
        const ALL: usize = isize::MAX as usize;
        const HALF: &str = "at most half of what the system can address";
        const MANY: &str = "at most 1,073,741,824";
        [
            (
                "user_clients",
                self.user_clients,
                1..=1 << 30,
                "from 1 to 1,073,741,824",
            ),
            (
                "user_greetings",
                self.user_greetings,
                1..=1 << 20,
                "from 1 to 1,048,576",
            ),
            ("user_subscriptions", self.user_subscriptions, 0..=1 << 30, MANY),
            ("all_subscriptions", self.all_subscriptions, 0..=1 << 30, MANY),
            ("user_queued", self.user_queued, 0..=ALL, HALF),
            ("all_queued", self.all_queued, 0..=ALL, HALF),
        ]
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let times = [("stall_timeout", self.stall_timeout), ("timeout", self.timeout)];
        for (field, value) in times {
            if value < Duration::from_millis(1) || value > Duration::from_secs(86_400) {
                let expected = "from 1 ms to 1 day";
                return Err(ConfigError {
                    field,
                    expected,
                    value: format!("{value:?}"),
                });
            }
        }
        let keep_alive = keep_alive::SHORTEST..=keep_alive::LONGEST;
        if !self.keep_alive.is_zero() && !keep_alive.contains(&self.keep_alive) {
            return Err(ConfigError {
                field: "keep_alive",
                expected: "0 or from 3 s to 12 hours",
                value: format!("{:?}", self.keep_alive),
            });
        }
        if self.buf_ttl > Duration::from_secs(1) {
            let value = format!("{:?}", self.buf_ttl);
            return Err(ConfigError {
                field: "buf_ttl",
                expected: "at most 1 s",
                value,
            });
        }
        Ok(())
    }
}
