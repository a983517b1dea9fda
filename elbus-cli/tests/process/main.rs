//! The command line as a process: what it sends and prints, what it says, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod benchmark;
mod broker;
mod calling;
mod connections;
mod document;
mod endings;
mod formats;
mod lines;
mod listening;
mod results;
mod rpc_listening;
mod sending;
mod terminal;
