//! What the server is to do: the command line, and the configuration file that it names.
use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches, parser::ValueSource};
use elbus_broker::{Broker, Config, SlowConsumer, access::AccessRules};

use crate::{
    args::Args,
    config_file::{ConfigFile, flag_error},
    overlap,
};

/// What the server is to do.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) args: Args,
    pub(crate) rules: AccessRules,
    /// How clients that do not keep up are treated, by name mask.
    slow: Vec<(String, SlowConsumer)>,
}

impl Setup {
    /// Reads the command line, which is known to be good by itself, and the file; flags win over its keys.
    pub(crate) fn load() -> Result<Self, String> {
        Self::of(std::env::args_os().collect())
    }

    fn of(line: Vec<OsString>) -> Result<Self, String> {
        let (args, given) = parse(&line)?;
        let Some(path) = &args.config else {
            return Ok(Self {
                args,
                rules: AccessRules::default(),
                slow: Vec::new(),
            });
        };
        let file = ConfigFile::read(path).map_err(|error| error.to_string())?;
        let is_given = |id: &String| given.value_source(id) == Some(ValueSource::CommandLine);
        let from_file = file.words.into_iter().filter(|(id, _)| !is_given(id));
        let from_file = from_file.flat_map(|(_, words)| words).map(OsString::from);
        let mut line = line.into_iter();
        let program = line.next();
        let whole: Vec<_> = program.into_iter().chain(from_file).chain(line).collect();
        let (args, _) = parse(&whole)?;
        Ok(Self {
            args,
            rules: file.rules,
            slow: file.slow,
        })
    }

    /// The broker's configuration.
    pub(crate) fn config(&self) -> Config {
        let mut config = self.args.config();
        for (mask, choice) in &self.slow {
            config.slow_consumers = config.slow_consumers.but(mask, *choice);
        }
        config
    }

    /// The broker that this makes, so far without listeners. What arguments cannot say one by one is refused here, before
    /// anything is started.
    pub(crate) fn broker(&self) -> Result<Broker, String> {
        self.check_addresses()?;
        let broker = Broker::new(self.config()).map_err(|error| self.args.explain(&error))?;
        broker.set_access(self.rules.clone());
        Ok(broker)
    }

    /// Whether the files that it names, beside the configuration itself, can be used.
    pub(crate) fn check_files(&self) -> Result<(), String> {
        let checked = self.args.tls_options().map_or(Ok(()), |tls| tls.check());
        checked.map_err(|error| error.to_string())
    }

    fn check_addresses(&self) -> Result<(), String> {
        overlap::check(&self.args.addresses()).map_err(|overlap| overlap.to_string())?;
        self.args.check_tls()
    }
}

fn parse(line: &[OsString]) -> Result<(Args, ArgMatches), String> {
    let matches = Args::command()
        .try_get_matches_from(line)
        .map_err(|error| flag_error(&error))?;
    let args = Args::from_arg_matches(&matches).map_err(|error| flag_error(&error))?;
    Ok((args, matches))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/elbus.example.toml");

    fn setup(words: &[&str]) -> Setup {
        Setup::of(words.iter().map(OsString::from).collect()).unwrap()
    }

    fn example(more: &[&str]) -> Setup {
        setup(&[&["elbus-server", "--config", EXAMPLE], more].concat())
    }

    #[test]
    fn the_example_is_loaded_and_its_limits_are_the_defaults() {
        let setup = example(&[]);
        assert_eq!(setup.args.config(), Config::default());
        assert_eq!(setup.args.addresses().len(), 3);
        assert_eq!(setup.args.fifos().count(), 1);
        assert_eq!(setup.args.pid_file.as_deref(), Some(Path::new("/run/elbus.pid")));
        assert!(setup.broker().is_ok());
        assert!(!setup.rules.is_open());
    }

    #[test]
    fn the_example_has_every_key_and_says_something_about_each() {
        let text = std::fs::read_to_string(EXAMPLE).unwrap();
        let command = Args::command();
        let not_in_a_file = BTreeSet::from(["config", "check-config", "in-background", "help", "version"]);
        let flags = command.get_arguments().filter_map(clap::Arg::get_long);
        let keys: BTreeSet<_> = flags.filter(|flag| !not_in_a_file.contains(flag)).collect();
        let lines: Vec<_> = text.lines().collect();
        for key in &keys {
            let at = lines
                .iter()
                .position(|line| line.starts_with(&format!("{key} = ")));
            let at = at.unwrap_or_else(|| panic!("the example has no {key}"));
            assert!(lines[at - 1].starts_with("# "), "nothing is said about {key}");
        }
        for key in [
            "name",
            "from",
            "send",
            "broadcast",
            "publish",
            "subscribe",
            "manage",
        ] {
            assert!(
                lines.iter().any(|line| line.starts_with(&format!("{key} = "))),
                "{key}"
            );
        }
        assert!(lines.contains(&"[[access]]") && lines.contains(&"[[reserved]]"));
    }

    #[test]
    fn flags_win_over_the_file() {
        let setup = example(&["-t", "7", "--bind", "/tmp/x.sock", "--clients=9"]);
        let config = setup.args.config();
        assert_eq!((config.timeout.as_secs(), config.clients), (7, 9));
        assert_eq!(config.greetings, Config::default().greetings);
        assert_eq!(setup.args.addresses().len(), 1);
        // A flag that may be given several times wins as a whole.
        assert_eq!(setup.args.fifos().count(), 0);
    }
}
