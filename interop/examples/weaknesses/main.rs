//! Which brokers hold what bytes on a socket can do to them: ours, and those of the published crates, each as a process of
//! its own with limited memory. Prints a table; a broker that fails in a case starts anew for the next.
//!
//! `cargo run --manifest-path interop/Cargo.toml --target-dir target/interop --example weaknesses`
#![allow(clippy::unwrap_used, reason = "what cannot go on panics")]

mod cases;
mod subject;
mod wire;

use std::process::ExitCode;

use cases::CASES;
use subject::{Kind, Subject};

/// Whether a broker holds, or what it did.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    if let Some(code) = subject::become_a_published_broker() {
        return code;
    }
    println!("| line | case | {} |", Kind::ALL.map(Kind::name).join(" | "));
    println!("| --- | --- |{}", " --- |".repeat(Kind::ALL.len()));
    let mut ours_failed = false;
    for (line, what, case) in CASES {
        let cells = Kind::ALL.map(|kind| {
            let outcome = case(&mut Subject::start(kind, case_files(line)));
            ours_failed |= kind == Kind::Ours && outcome.is_err();
            match outcome {
                Ok(()) => "holds".to_owned(),
                Err(why) => format!("**fails**: {why}"),
            }
        });
        println!("| {line} | {what} | {} |", cells.join(" | "));
    }
    if ours_failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// How many files a broker may have open.
fn case_files(line: u32) -> u32 {
    if line == cases::OUT_OF_FILES { 48 } else { 1024 }
}
