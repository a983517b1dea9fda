//! Every limit, exactly: the last that is granted, the first that is refused, and everything returned at the end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod configuration;
mod frames;
mod names;
mod quotas;
mod times;
mod users;
