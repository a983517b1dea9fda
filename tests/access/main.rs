//! Access control: what is admitted and what is denied, over every link, and what happens when the rules change.
//!
//! That a right covers exactly what it should is a property of filters and masks (`elbus-proto/tests/properties.rs`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod changes;
mod common;
mod connecting;
#[cfg(target_os = "linux")]
mod fifo;
#[path = "../conformance/link.rs"]
#[allow(dead_code, reason = "written for the conformance suite, which uses all of it")]
mod link;
mod methods;
mod operations;
