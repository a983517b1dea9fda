//! The embeddable broker of the elbus message bus.
//!
//! [`Broker`] routes messages, broadcasts and publications between clients in the same process
//! ([`Broker::client`]) and clients that connect over UNIX sockets or TCP ([`Broker::listen`]), or TLS (feature `tls`,
//! `Broker::listen_tls`). Its settings and
//! limits are a [`Config`].
//!
//! How it works is told in `docs/architecture.md` of the project; the module map is:
//!
//! | module | does |
//! | --- | --- |
//! | `broker`, `config`, `settings`, `stats` | the handle, its configuration, what of it is in force, its counters |
//! | [`access`] | who may do what |
//! | `listener`, `socket`, `keep_alive` | where connections come in, what they are, and whether their other side still is |
//! | `session` | the life of a connection: greeting, reading and routing, being held back, goodbye |
//! | `local` | the link of a client in this process |
//! | `registry`, `subscriptions`, [`index`] | who is on the bus, and who receives what |
//! | `route`, `deliver` | finding receivers, and placing frames with them |
//! | `outbox`, `writer`, `stall`, `slow`, `mailbox` | where frames wait, who writes them, who is dead, and what becomes of frames for who is slow |
//! | `users`, `account` | what clients use together, by UNIX user and all in all, and the limits of that |
//! | `hash` | the hash of all tables |
//! | `announce`, `methods` | what the broker says of its own accord, and when it is asked |

pub mod access;
mod account;
mod announce;
mod broker;
mod config;
mod core;
mod deliver;
mod hash;
pub mod index;
mod keep_alive;
mod listener;
mod local;
mod mailbox;
mod methods;
mod outbox;
mod peer;
mod registry;
mod route;
mod session;
mod settings;
mod slow;
mod socket;
mod stall;
mod stats;
mod subscriptions;
mod sync;
mod users;
mod writer;

pub use broker::{Broker, RegisterError};
pub use config::{Config, ConfigError};
#[cfg(feature = "tls")]
pub use elbus_client::tls::TlsFileError;
pub use elbus_client::{Address, AddressError};
pub use elbus_proto::{NameLimits, TopicLimits};
#[cfg(feature = "tls")]
pub use listener::tls::TlsOptions;
pub use listener::{ListenError, SocketOptions};
pub use methods::reload::{ReloadRequest, ReloadRequests};
#[cfg(feature = "bench")]
#[doc(hidden)]
pub use session::bench;
pub use slow::{SlowConsumer, SlowConsumerError, SlowConsumers};
pub use stats::{ClientInfo, ClientKind, Stats, Usage, Use};
