//! The examples, run as programs against a broker: what they print is what their documents say.
//!
//! `cargo test` builds the examples as well; `cargo test --test examples` alone does not.
mod broker;
mod clients;
mod process;
