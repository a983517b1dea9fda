//! The delivery engine's rules, each shown on a running broker: through raw sockets, and by clients in its process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod delivery {
    pub(crate) mod common;

    mod broken;
    mod cached;
    mod choices;
    mod cycles;
    mod fair;
    mod fan_out;
    mod greeting;
    mod held;
    mod local;
    mod paced;
    mod shutdown;
    mod slow;
    mod timing;
}
