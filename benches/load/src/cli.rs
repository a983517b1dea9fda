//! The command line.
use std::{path::PathBuf, process::Command, time::Duration};

use clap::Parser;

use crate::{
    cases::{Case, Set, all},
    dialect::Dialect,
    stream::Endpoint,
};

/// What stands for the socket path in a broker's command.
pub(crate) const SOCKET: &str = "{socket}";

/// What stands for a port of the loopback interface, if that is where it listens.
pub(crate) const PORT: &str = "{port}";

/// Load any broker of the elbus protocol, and compare several in one run.
///
/// The tool starts every broker itself, afresh for each case and round, on a socket in a private directory. Brokers
/// take turns (A, B, A, B, …). What is delivered is counted at the receivers, after checking that nothing was lost
/// and that each sender's order was kept. Progress goes to stderr, the table to stdout.
#[derive(Debug, Parser)]
#[command(name = "elbus-load", version, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// A broker: a name for the table and the command that starts it, with {socket} for the socket's path or {port}
    /// for its TCP port
    ///
    /// Words are split as a shell would (quotes and backslashes work), but no shell runs: the command's process must
    /// be the broker itself, or replace itself with it as env, nice and taskset do. The first broker is the base of
    /// the ratios.
    #[arg(long = "broker", value_name = "NAME=COMMAND", required_unless_present_any = ["list", "from"], value_parser = parse_elbus)]
    pub(crate) brokers: Vec<BrokerSpec>,

    /// A nats-server, likewise; it comes behind the brokers
    #[arg(long, value_name = "NAME=COMMAND", value_parser = parse_nats)]
    nats: Vec<BrokerSpec>,

    /// A ZeroMQ proxy at {socket} (XPUB) and {socket}.in (XSUB), likewise
    #[arg(long, value_name = "NAME=COMMAND", value_parser = parse_zmq)]
    zmq: Vec<BrokerSpec>,

    /// Also a relay of this name, which passes bytes on and looks at nothing; it comes last
    #[arg(long, value_name = "NAME")]
    relay: Option<String>,

    /// What to run; may be given several times
    #[arg(long = "case", value_name = "CASE", value_parser = parse_case)]
    chosen: Vec<Case>,

    /// What to run where no case is given; may be given several times
    #[arg(long = "set", value_name = "SET", value_enum, default_value = "usual")]
    sets: Vec<Set>,

    /// Only say what the cases of the sets are
    #[arg(long)]
    pub(crate) list: bool,

    /// How often each case is run against each broker; the table shows medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,

    /// How long one run is measured, in seconds, after a warm-up of a tenth of it
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,

    /// Also write every round's figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also write tables of every group of cases to the generated part of this Markdown file, with plots beside it, in a
    /// directory of the file's name
    #[arg(long, value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,

    /// Write the document from the figures that --json once wrote, and run nothing
    #[arg(long, value_name = "FILE", requires = "document")]
    pub(crate) from: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  One broker, the usual cases:
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
    /// The cases to run, in the order of the list and each once.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let chosen = |case: &&Case| match self.chosen.is_empty() {
            true => self.sets.iter().any(|&set| case.is_in(set)),
            false => self.chosen.contains(case),
        };
        all().iter().filter(chosen).cloned().collect()
    }

    /// Everything that takes turns.
    pub(crate) fn brokers(&self) -> std::io::Result<Vec<BrokerSpec>> {
        let mut brokers = self.brokers.clone();
        brokers.extend(self.nats.iter().chain(&self.zmq).cloned());
        if let Some(name) = &self.relay {
            let program = std::env::current_exe()?.to_string_lossy().into_owned();
            brokers.push(BrokerSpec {
                name: name.clone(),
                words: vec![program, RELAY.into(), SOCKET.into()],
                dialect: Dialect::Relay,
            });
        }
        Ok(brokers)
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
    /// What it speaks.
    pub(crate) dialect: Dialect,
}

/// First argument of this program when it is to be a relay.
pub(crate) const RELAY: &str = "relay";

fn parse_elbus(text: &str) -> Result<BrokerSpec, String> {
    BrokerSpec::parse(text, Dialect::Elbus)
}

fn parse_nats(text: &str) -> Result<BrokerSpec, String> {
    BrokerSpec::parse(text, Dialect::Nats)
}

fn parse_zmq(text: &str) -> Result<BrokerSpec, String> {
    BrokerSpec::parse(text, Dialect::Zmtp)
}

fn parse_case(name: &str) -> Result<Case, String> {
    let case = Case::named(name).cloned();
    case.ok_or_else(|| "no such case; --list shows those of the sets".into())
}

impl BrokerSpec {
    fn parse(text: &str, dialect: Dialect) -> Result<Self, String> {
        let (name, command) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("expected NAME=COMMAND")?;
        let words = shlex::split(command).ok_or("a quote or a backslash is not closed")?;
        if words.is_empty() {
            return Err("the command is empty".into());
        }
        let holds = |place| words.iter().any(|word| word.contains(place));
        if holds(SOCKET) == holds(PORT) {
            return Err(format!("the command holds neither {SOCKET} nor {PORT}, or both"));
        }
        match dialect {
            Dialect::Nats if holds(SOCKET) => {
                return Err(format!("nats-server listens on TCP alone: {PORT}"));
            }
            Dialect::Zmtp if holds(PORT) => {
                return Err(format!("a proxy is driven over UNIX sockets: {SOCKET}"));
            }
            _ => {}
        }
        Ok(Self {
            name: name.into(),
            words,
            dialect,
        })
    }

    /// Whether it listens on TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        self.words.iter().any(|word| word.contains(PORT))
    }

    /// The command with where it listens in the place of [`SOCKET`] or [`PORT`].
    pub(crate) fn command(&self, endpoint: &Endpoint) -> Command {
        let (place, value) = match endpoint {
            Endpoint::Tcp(port) => (PORT, port.to_string()),
            path => (SOCKET, path.to_string()),
        };
        let mut words = self.words.iter().map(|word| word.replace(place, &value));
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
        let spec = parse_elbus("x=run -B {socket} -o a=b").unwrap();
        assert_eq!(spec.name, "x");
        let command = spec.command(&Endpoint::Unix("/s".into()));
        assert_eq!(command.get_program(), "run");
        assert!(command.get_args().eq(["-B", "/s", "-o", "a=b"]));
        for wrong in ["run -B {socket}", "=run {socket}", "x=", "x=run"] {
            assert!(parse_elbus(wrong).is_err(), "{wrong}");
        }
        assert!(parse_elbus("x=run {port}").unwrap().is_tcp());
        assert!(parse_nats("x=run {socket}").is_err());
    }

    #[test]
    fn cases_run_once_and_in_the_order_of_the_help() {
        let line = "elbus-load --broker x={socket} --case idle --case flood-16 --case idle";
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        let names: Vec<String> = args.cases().iter().map(Case::to_string).collect();
        assert_eq!(names, ["flood-16", "idle"]);
    }
}
