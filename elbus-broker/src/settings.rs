//! The configuration as it is in force: some of it can change while the broker runs.
use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use elbus_proto::{ClientName, NameLimits, TopicLimits};
use parking_lot::RwLock;

use crate::{
    config::Config,
    slow::{SlowConsumer, SlowConsumers},
};

/// The configuration in force. Each value is read where it is needed, when it is needed: none guards another.
pub(crate) struct Settings {
    /// As the broker was made: of this, what cannot change is in force.
    made: Config,
    high_water: AtomicUsize,
    frame_limit: AtomicUsize,
    subscriptions: AtomicUsize,
    clients: AtomicUsize,
    greetings: AtomicUsize,
    queue_size: AtomicUsize,
    cached_routes: AtomicUsize,
    /// In nanoseconds, as the next ones.
    stall_timeout: AtomicU64,
    timeout: AtomicU64,
    buf_ttl: AtomicU64,
    force_register: AtomicBool,
    slow_consumers: RwLock<SlowConsumers>,
}

impl Settings {
    pub(crate) fn new(config: Config) -> Self {
        let settings = Self {
            made: config.clone(),
            high_water: AtomicUsize::new(0),
            frame_limit: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            greetings: AtomicUsize::new(0),
            queue_size: AtomicUsize::new(0),
            cached_routes: AtomicUsize::new(0),
            stall_timeout: AtomicU64::new(0),
            timeout: AtomicU64::new(0),
            buf_ttl: AtomicU64::new(0),
            force_register: AtomicBool::new(false),
            slow_consumers: RwLock::default(),
        };
        settings.change(&config);
        settings
    }

    /// Puts what can change in force, and answers the fields that are different and cannot.
    pub(crate) fn change(&self, config: &Config) -> Vec<&'static str> {
        // Every field is named, so that none is forgotten.
        let Config {
            high_water,
            stall_timeout,
            slow_consumers,
            timeout,
            frame_limit,
            names,
            topics,
            subscriptions,
            clients,
            greetings,
            // Of users and of all together: `Users` has them.
            user_clients: _,
            user_greetings: _,
            user_subscriptions: _,
            all_subscriptions: _,
            user_queued: _,
            all_queued: _,
            queue_size,
            cached_routes,
            read_size,
            keep_alive,
            fifo_line,
            buf_ttl,
            force_register,
        } = config;
        self.high_water.store(*high_water, Relaxed);
        self.frame_limit.store(*frame_limit, Relaxed);
        self.subscriptions.store(*subscriptions, Relaxed);
        self.clients.store(*clients, Relaxed);
        self.greetings.store(*greetings, Relaxed);
        self.queue_size.store(*queue_size, Relaxed);
        self.cached_routes.store(*cached_routes, Relaxed);
        self.stall_timeout.store(nanoseconds(*stall_timeout), Relaxed);
        self.timeout.store(nanoseconds(*timeout), Relaxed);
        self.buf_ttl.store(nanoseconds(*buf_ttl), Relaxed);
        self.force_register.store(*force_register, Relaxed);
        self.slow_consumers.write().clone_from(slow_consumers);
        let made = &self.made;
        let fixed = [
            ("names.bytes", names.bytes == made.names.bytes),
            ("names.parts", names.parts == made.names.parts),
            ("topics.bytes", topics.bytes == made.topics.bytes),
            ("topics.levels", topics.levels == made.topics.levels),
            ("read_size", *read_size == made.read_size),
            ("keep_alive", *keep_alive == made.keep_alive),
            ("fifo_line", *fifo_line == made.fifo_line),
        ];
        let different = fixed.into_iter().filter(|(_, same)| !same);
        different.map(|(field, _)| field).collect()
    }

    pub(crate) const fn names(&self) -> NameLimits {
        self.made.names
    }

    pub(crate) const fn topics(&self) -> TopicLimits {
        self.made.topics
    }

    pub(crate) const fn read_size(&self) -> usize {
        self.made.read_size
    }

    pub(crate) const fn keep_alive(&self) -> Duration {
        self.made.keep_alive
    }

    #[cfg(target_os = "linux")]
    pub(crate) const fn fifo_line(&self) -> usize {
        self.made.fifo_line
    }

    pub(crate) fn high_water(&self) -> usize {
        self.high_water.load(Relaxed)
    }

    #[inline]
    pub(crate) fn frame_limit(&self) -> usize {
        self.frame_limit.load(Relaxed)
    }

    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Relaxed)
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    pub(crate) fn greetings(&self) -> usize {
        self.greetings.load(Relaxed)
    }

    pub(crate) fn queue_size(&self) -> usize {
        self.queue_size.load(Relaxed)
    }

    #[inline]
    pub(crate) fn cached_routes(&self) -> usize {
        self.cached_routes.load(Relaxed)
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        Duration::from_nanos(self.stall_timeout.load(Relaxed))
    }

    #[inline]
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout.load(Relaxed))
    }

    #[inline]
    pub(crate) fn buf_ttl(&self) -> Duration {
        Duration::from_nanos(self.buf_ttl.load(Relaxed))
    }

    pub(crate) fn slow_consumer(&self, name: ClientName<'_>) -> SlowConsumer {
        self.slow_consumers.read().choice(name)
    }

    pub(crate) fn force_register(&self) -> bool {
        self.force_register.load(Relaxed)
    }
}

/// A checked time is at most a day.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
