//! What the tests of the server share: processes whose words are waited for, and the server as one of them.
mod process;
mod server;

pub(crate) use process::Process;
pub(crate) use server::{Refused, Server, command};

use std::{
    thread,
    time::{Duration, Instant},
};

use elbus_testkit::PATIENCE;

/// Waits until something is true that nobody announces.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
