//! What the tests of the workspace share: brokers to test, and raw sockets that speak the protocol byte by byte.
//!
//! Nothing here uses the code of our own client, so a mistake made on both sides does not cancel out. Every wait has
//! a limit ([`PATIENCE`]), and what goes wrong panics with what was expected: these are tools of tests.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on panics"
)]

mod authority;
mod broker;
mod random;
mod raw;

pub use authority::{Authority, Files, Validity};
pub use broker::{TestBroker, Transport};
pub use random::Random;
pub use raw::{Got, Raw, frame};

/// How long a test waits for something that must happen, on a loaded machine.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
