//! TLS: who is trusted, what goes wrong and is explained, and that nothing is lost on the way.
//!
//! That every operation works over TLS is shown by the conformance tests, which run over it as well.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;
mod delivery;
mod endings;
mod mismatches;
mod names;
mod reload;
mod trust;
