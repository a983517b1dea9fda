//! Counts the instructions that a message costs in the parts of broker and client that need no socket and no second
//! thread, and compares them with the figures kept in the repository.
//!
//! Wall time says little on a machine that does something else as well. Instructions executed on one thread are the
//! same each time: tables have fixed seeds, the environment is empty, and what starting up costs cancels out between
//! a run and one of twice as many rounds. They are not time (a cache miss counts nothing), so they guard against
//! regressions and do not replace `elbus-load`.
//!
//! | module | holds |
//! | --- | --- |
//! | `cases` | what is counted |
//! | `callgrind` | the runs under valgrind |
//! | `record` | the file in the repository, and the comparison with it |
mod callgrind;
mod cases;
mod record;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use callgrind::Callgrind;
use cases::Case;
use record::Record;

/// The figures kept in the repository.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../instructions.json");

/// Count the instructions that a message costs, and say what changed. Needs valgrind.
#[derive(Debug, Parser)]
#[command(name = "elbus-instructions", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count, and compare with the figures kept; fails if a case costs more than the threshold allows
    Check {
        #[command(flatten)]
        run: Run,
        /// How many per cent more than before a case may cost
        #[arg(long, default_value_t = 1.0)]
        threshold: f64,
    },
    /// Count, compare, and keep the new figures
    Save {
        #[command(flatten)]
        run: Run,
    },
    /// Only say what there is to count
    List,
    /// Run the rounds of one case: what is counted
    #[command(hide = true)]
    Rounds { case: String, rounds: u64 },
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Only these cases; may be given several times
    #[arg(long = "case", value_name = "CASE", value_parser = known)]
    cases: Vec<String>,
    /// Where the figures are kept
    #[arg(long, value_name = "FILE", default_value = KEPT, hide_default_value = true)]
    file: PathBuf,
    /// Also leave a profile of each case here, for callgrind_annotate
    #[arg(long, value_name = "DIRECTORY")]
    profiles: Option<PathBuf>,
    /// Count everything twice, and fail if the two differ
    #[arg(long)]
    twice: bool,
}

fn known(name: &str) -> Result<String, String> {
    match Case::named(name) {
        Some(_) => Ok(name.to_owned()),
        None => Err("no such case; `list` shows them".into()),
    }
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::List => {
            for case in Case::all() {
                println!("{:<24} {}", case.name, case.about);
            }
            Ok(true)
        }
        Command::Rounds { case, rounds } => {
            if let Some(case) = Case::named(&case) {
                case.run(rounds);
            }
            Ok(true)
        }
        Command::Check { run, threshold } => run.compared().map(|(_, new, old)| {
            print!("{}", new.compared_with(&old));
            let worse = new.over(&old, threshold);
            for line in &worse {
                eprintln!("{line}");
            }
            worse.is_empty()
        }),
        Command::Save { run } => run.compared().and_then(|(run, new, old)| {
            print!("{}", new.compared_with(&old));
            old.updated_with(new).write(&run.file).map(|()| true)
        }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}

impl Run {
    /// Counts, and reads what was kept.
    fn compared(self) -> Result<(Self, Record, Record), String> {
        let old = Record::read(&self.file)?;
        let callgrind = Callgrind::find(self.profiles.as_deref())?;
        let mut new = Record::empty(callgrind.version());
        let chosen = |case: &&Case| self.cases.is_empty() || self.cases.iter().any(|name| name == case.name);
        for case in Case::all().iter().filter(chosen) {
            eprint!("{}: ", case.name);
            let count = callgrind.count(case)?;
            if self.twice && callgrind.count(case)? != count {
                return Err(format!("{} does not repeat", case.name));
            }
            eprintln!("{:.2} instructions a {}", count.each(), case.unit);
            new.add(case, count);
        }
        Ok((self, new, old))
    }
}
