//! Calls and services: what a program that depends on `elbus-rpc` may rely on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod calls;
mod common;
mod cursors;
mod endings;
mod events;
mod forgeries;
mod handlers;
mod limits;
mod many;
mod services;
