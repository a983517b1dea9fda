//! The published Rust clients against our broker, and our client against the published brokers.
//!
//! The published crates are `elbus` 0.2.21 and its successor `busrt` 0.5.6, exactly as they are on crates.io. Every
//! client library is a [`Library`] behind one face, [`Party`]; every broker is a [`Broker`]. The [`cases`] are written
//! once and run by the test programs over all pairs of libraries and transports.
//!
//! # What the published clients do that one might not expect
//! - A call of the blocking RPC layer of `busrt` to a client that is not on the bus never ends, whatever its quality of
//!   service and whatever the broker, although the broker refuses the message. `call0` and `notify` learn of the
//!   refusal.
//! - A call of the asynchronous RPC layers to such a client ends at once if its message is acknowledged, and else never.
//! - A zero in a target is sent as it is: the message goes to the name before it, and the rest comes with the payload.
//! - The plain clients never ping by themselves, the blocking RPC layer neither; see below.
//!
//! # What the published brokers do that one might not expect
//! - That of `busrt` disconnects a client that has sent nothing for 1.25 times the broker's time-out: 6.25 s with the
//!   default of its daemon, 1.25 s with that of `ServerConfig::new`. Pings keep it. That of `elbus` does not mind silence.
//! - Both disconnect whoever sends a ping that wants an acknowledgement or is real-time.
//! - That of `elbus` disconnects whoever excludes or publishes for one receiver; it came before these.
//! - Embedded, both announce nobody's coming and going unless `init_default_core_rpc` was called.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "these are tools of tests: what cannot go on panics"
)]

mod broker;
mod bus;
pub mod cases;
mod libraries;
mod party;
mod rpc;
mod waiting;

pub use broker::{Broker, Transport, server_program};
pub use bus::{Bus, Place};
pub use libraries::Library;
pub use party::{Ask, Got, Party, Pending, Verdict};
pub use rpc::{Caller, Ears, Failure, Heard};
pub use waiting::{PATIENCE, eventually, wait};
