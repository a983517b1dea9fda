//! The client over a socket: what a program that depends on `elbus-client` alone may rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;
mod verdicts;
