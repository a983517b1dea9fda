//! The outbox against wires that are full, broken or slow.
//!
//! `machine` goes through its states one by one; `choices` through what becomes of publications for receivers that do
//! not keep up. `models` has loom try every interleaving of appenders, flushes and
//! the writer task: `RUSTFLAGS="--cfg elbus_loom" cargo test -p elbus-broker --lib --release outbox`.
#[cfg(not(elbus_loom))]
mod choices;
#[cfg(not(elbus_loom))]
mod machine;
#[cfg(elbus_loom)]
mod models;

use super::*;

/// Appends one frame and ends the run.
fn append(outbox: &Outbox, frame: &[u8]) -> Touch {
    let mut state = outbox.lock();
    state.append([frame, b"", b""], 1);
    state.settle(None, false)
}
