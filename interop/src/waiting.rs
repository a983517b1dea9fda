//! Waits, each of them with a limit.
use std::{
    sync::{OnceLock, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

/// How long a test waits for something that must happen, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The runtime of all asynchronous clients.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

/// Runs a future of an asynchronous client to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    wait_for(PATIENCE, future).expect("the future did not end in time")
}

/// Runs a future of an asynchronous client, but only for so long.
pub(crate) fn wait_for<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    runtime()
        .block_on(async { tokio::time::timeout(limit, future).await })
        .ok()
}

/// Runs what blocks and knows no limit of its own.
pub(crate) fn wait_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    // The thread is left behind if it hangs, and the test fails.
    thread::spawn(move || done.send(work()));
    result
        .recv_timeout(PATIENCE)
        .expect("the call did not end in time")
}

/// Waits until something is true that nobody announces.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
