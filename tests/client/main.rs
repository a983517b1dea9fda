//! The client over a socket: what a program that depends on `elbus-client` alone may rely on.
//!
//! Each case runs over a UNIX socket and over TCP, against a real broker or, where a broker has to misbehave, against
//! a [`fake`](common::Fake) one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod back_pressure;
mod cancellation;
mod common;
mod connecting;
mod fake_brokers;
mod in_flight;
mod inbox;
mod restarts;
mod secondaries;
mod verdicts;
