//! The server as a process: what it says, where it listens, what it refuses, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod arguments;
mod configuration;
mod daemon;
mod fifo;
mod full_disk;
mod introduction;
mod log;
mod no_memory;
mod pid_file;
mod reloading;
mod resources;
mod restarts;
mod signals;
mod sockets;
mod tls;
