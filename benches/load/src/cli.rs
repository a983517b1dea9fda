//! The command line.
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::{Parser, ValueEnum};

use crate::cases::Case;

/// What stands for the socket path in a broker's command.
pub(crate) const SOCKET: &str = "{socket}";

/// Load any broker of the elbus protocol, and compare several in one run.
///
/// The tool starts every broker itself, afresh for each case and round, on a socket in a private directory. Brokers
/// take turns (A, B, A, B, …). What is delivered is counted at the receivers, after checking that nothing was lost
/// and that each sender's order was kept. Progress goes to stderr, the table to stdout.
#[derive(Debug, Parser)]
#[command(name = "elbus-load", version, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// A broker: a name for the table and the command that starts it, with {socket} for the socket's path
    ///
    /// Words are split as a shell would (quotes and backslashes work), but no shell runs: the command's process must
    /// be the broker itself, or replace itself with it as env, nice and taskset do. The first broker is the base of
    /// the ratios.
    #[arg(long = "broker", value_name = "NAME=COMMAND", required = true, value_parser = BrokerSpec::parse)]
    pub(crate) brokers: Vec<BrokerSpec>,

    /// What to run; may be given several times [default: every case]
    #[arg(long = "case", value_name = "CASE", value_enum, hide_default_value = true)]
    chosen: Vec<Case>,

    /// How often each case is run against each broker; the table shows medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,

    /// How long one run is measured, in seconds, after a warm-up of a tenth of it
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,

    /// Also write every round's figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  One broker, everything:
    elbus-load --broker ours='target/release/elbus-server -B {socket} -w 2'

  Two brokers compared in two cases, five rounds of three seconds:
    elbus-load --broker ours='target/release/elbus-server -B {socket} -w 2' \\
               --broker elbus='elbusd -B {socket} -w 2' \\
               --case flood-100 --case pingpong --rounds 5 --seconds 3

  For a script:
    elbus-load --broker ours='…' --case connect --json connect.json

A broker that fails a case (loses a message, disconnects, stalls, dies) gets \"failed: reason\" in its row and the run
goes on; the exit status is 0 all the same. It is 2 for a wrong command line, 1 if the JSON file cannot be written.";

impl Args {
    /// The cases to run, in the order of the help and each once.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let all = Case::value_variants().iter().copied();
        all.filter(|case| self.chosen.is_empty() || self.chosen.contains(case))
            .collect()
    }

    /// How long one run is measured.
    pub(crate) fn time(&self) -> Duration {
        self.seconds
    }
}

/// A broker to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerSpec {
    /// What the table calls it.
    pub(crate) name: String,
    /// The words of its command; at least one, and at least one holds [`SOCKET`].
    words: Vec<String>,
}

impl BrokerSpec {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, command) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("expected NAME=COMMAND")?;
        let words = shlex::split(command).ok_or("a quote or a backslash is not closed")?;
        if words.is_empty() {
            return Err("the command is empty".into());
        }
        if !words.iter().any(|word| word.contains(SOCKET)) {
            return Err(format!("the command holds no {SOCKET}"));
        }
        Ok(Self {
            name: name.into(),
            words,
        })
    }

    /// The command with `socket` in the place of [`SOCKET`].
    pub(crate) fn command(&self, socket: &Path) -> Command {
        let socket = socket.to_string_lossy();
        let mut words = self.words.iter().map(|word| word.replace(SOCKET, &socket));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// The command as it would be typed, for the report.
    pub(crate) fn command_line(&self) -> String {
        self.words.join(" ")
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number")?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err("expected 0.1 to 3600".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_broker_needs_a_name_a_command_and_a_place_for_the_socket() {
        let spec = BrokerSpec::parse("x=run -B {socket} -o a=b").unwrap();
        assert_eq!(spec.name, "x");
        let command = spec.command(Path::new("/s"));
        assert_eq!(command.get_program(), "run");
        assert!(command.get_args().eq(["-B", "/s", "-o", "a=b"]));
        for wrong in ["run -B {socket}", "=run {socket}", "x=", "x=run"] {
            assert!(BrokerSpec::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn cases_run_once_and_in_the_order_of_the_help() {
        let line = "elbus-load --broker x={socket} --case idle --case flood-16 --case idle";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(args.cases(), [Case::Flood16, Case::Idle]);
    }
}
