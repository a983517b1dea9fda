//! The published Python clients, unmodified, on a real server.
//!
//! The programs in `tests/python` do the talking and check what they hear; here they are given a server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test program uses its part")]
mod support;

mod clients;
mod log;
mod our_rpc;
mod pace;
mod venv;

use std::time::Duration;

use support::Process;

/// How long a program may take on a loaded machine: it limits its own waits, this limits the work in between.
const PROGRAM: Duration = Duration::from_secs(600);

/// Starts one of the programs with the published clients.
fn start(program: &str, arguments: &[&str]) -> Process {
    Process::spawn(venv::python(program).args(arguments))
}

/// Waits for the good end of a program and answers what it said.
fn finish(program: Process) -> String {
    let (code, said, errors) = program.finish(PROGRAM);
    assert_eq!(code, Some(0), "{said}\n{errors}");
    said
}
