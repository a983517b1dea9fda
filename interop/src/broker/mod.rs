//! The brokers: ours and the published ones.
mod published;
mod server;

use std::{fmt, time::Duration};

pub use self::server::program as server_program;
use self::{
    published::{Origin, Published},
    server::Server,
};
use crate::PATIENCE;

/// What the daemons of both published crates have for a time-out by default.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(5);

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A UNIX socket.
    Unix,
    /// TCP over the loopback interface.
    Tcp,
}

impl Transport {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Unix, Self::Tcp];
}

/// A broker that listens at a UNIX socket and at a TCP port.
pub struct Broker(Kind);

enum Kind {
    Ours(Server),
    Published(Published),
}

impl Broker {
    /// Ours.
    #[must_use]
    pub fn ours() -> Self {
        Self(Kind::Ours(Server::start()))
    }

    /// That of `elbus`.
    #[must_use]
    pub fn elbus() -> Self {
        Self(Kind::Published(Published::start(Origin::Elbus, PATIENCE)))
    }

    /// That of `busrt`.
    #[must_use]
    pub fn busrt() -> Self {
        Self(Kind::Published(Published::start(Origin::Busrt, PATIENCE)))
    }

    /// That of `elbus` with the time-out of its daemon.
    #[must_use]
    pub fn elbusd() -> Self {
        Self(Kind::Published(Published::start(Origin::Elbus, DAEMON_TIMEOUT)))
    }

    /// That of `busrt` with the time-out of its daemon.
    #[must_use]
    pub fn busrtd() -> Self {
        Self(Kind::Published(Published::start(Origin::Busrt, DAEMON_TIMEOUT)))
    }

    /// Where it listens, in the words of the published libraries: a path, or host and port.
    #[must_use]
    pub fn address(&self, transport: Transport) -> &str {
        match (&self.0, transport) {
            (Kind::Ours(server), Transport::Unix) => &server.unix,
            (Kind::Ours(server), Transport::Tcp) => &server.tcp,
            (Kind::Published(broker), Transport::Unix) => &broker.unix,
            (Kind::Published(broker), Transport::Tcp) => &broker.tcp,
        }
    }

    /// Ends it; only ours says goodbye.
    pub fn end(&mut self) {
        match &mut self.0 {
            Kind::Ours(server) => server.end(),
            Kind::Published(broker) => broker.end(),
        }
    }

    /// Starts it again, where it listened before.
    pub fn restart(&mut self) {
        match &mut self.0 {
            Kind::Ours(server) => server.restart(),
            Kind::Published(broker) => broker.restart(),
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Ours(_) => f.write_str("our broker"),
            Kind::Published(broker) => write!(f, "the broker of {:?}", broker.origin),
        }
    }
}
