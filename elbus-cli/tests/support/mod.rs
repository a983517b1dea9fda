//! What the tests of the command line share: a bus to talk to, a service to call, a broker that misbehaves, and the program as a process.
mod broken;
mod bus;
mod calculator;
mod cli;

pub(crate) use broken::Broken;
pub(crate) use bus::Bus;
pub(crate) use calculator::{arithmetic, calculator};
pub(crate) use cli::{Cli, Ended, Running};
