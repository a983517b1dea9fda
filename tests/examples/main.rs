//! The examples, run as programs against a broker: what they print is what their documents say.
//!
//! `cargo test` builds the examples as well; `cargo test --test examples` alone does not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod broker;
mod clients;
mod process;
mod rpc;
