//! The command line.
mod benchmark;
mod broker;
mod rpc;

use std::{ffi::OsString, num::NonZeroU64, path::PathBuf, time::Duration};

use clap::{
    ArgAction, CommandFactory, Parser, Subcommand,
    error::{ContextValue, ErrorKind},
};
use elbus_client::{Address, Qos};

pub(crate) use benchmark::{Benchmark, Stage};
pub(crate) use broker::{Broker, Method, Which};
pub(crate) use rpc::{Call, Describe, Format, Request, Rpc};

use crate::{command::send::Destination, error::EXIT_CODES, output::safe, values};

/// Talks to the elbus message bus: messages, topics, calls, and the broker itself.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = after_help())]
pub(crate) struct Args {
    /// Where the bus is: /path, name.sock, unix:///path, host:port, tcp://host:port, tls://host:port. If left out: $ELBUS_ADDRESS,
    /// else where elbus-server of this user listens by default.
    #[arg(value_parser = values::address)]
    pub(crate) address: Option<Address>,

    /// Our name on the bus [default: cli.HOST.PID]. Behind `listen` it is --name alone, for -n is --count there.
    #[arg(short, long, value_parser = values::own_name)]
    name: Option<String>,

    #[command(flatten)]
    pub(crate) common: Common,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What may stand in front of the command and behind it.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Longest wait for the connection and for an answer: 2, 0.5, 300ms, 1m.
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = values::timeout)]
    #[arg(display_order = 100, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,

    /// Say nothing on the standard error but errors.
    #[arg(short, long, global = true, display_order = 101)]
    pub(crate) silent: bool,

    /// Say on the standard error what the connection does.
    #[arg(short, long, global = true, conflicts_with = "silent", display_order = 102)]
    pub(crate) verbose: bool,

    /// For tls:// addresses: the certificates of the authorities that the server's may be signed by, a PEM file.
    #[arg(long, global = true, value_name = "FILE", display_order = 103)]
    pub(crate) tls_ca: Option<PathBuf>,

    /// For a server that asks for one: our certificate, a PEM file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "tls_key",
        display_order = 104
    )]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of our certificate, a PEM file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "tls_cert",
        display_order = 105
    )]
    pub(crate) tls_key: Option<PathBuf>,

    /// Accepted because lines written for the command line of older brokers have it.
    #[arg(long, global = true, hide = true)]
    buf_size: Option<usize>,

    /// As `buf_size`.
    #[arg(long, global = true, hide = true)]
    queue_size: Option<usize>,
}

/// The name, where `-n` may be it.
#[derive(Debug, clap::Args)]
pub(crate) struct Naming {
    /// Our name on the bus [default: cli.HOST.PID].
    #[arg(short, long, global = true, value_parser = values::own_name, display_order = 99)]
    name: Option<String>,
}

impl Naming {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send to one client, or to every client that a mask matches.
    Send(Send),
    /// Publish to the subscribers of a topic.
    Publish(Publish),
    /// Print what arrives: messages to us, broadcasts, and publications of the topics asked for.
    Listen(Listen),
    /// Call methods of other clients, notify them, or see what a client is asked.
    #[command(subcommand)]
    Rpc(Rpc),
    /// Ask the broker itself: who is on the bus, what it carries.
    Broker(Broker),
    /// Measure the bus.
    Benchmark(Benchmark),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Send {
    /// A client's name, or a mask: `?` is any one part, a final `*` one or more.
    #[arg(value_parser = values::target)]
    pub(crate) target: Destination,

    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The topic: levels separated by `/`.
    #[arg(value_parser = values::topic)]
    pub(crate) topic: Destination,

    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// What is sent, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Sending {
    /// What to send; if left out, the standard input up to its end. Write `--` in front of one that begins with `-`.
    #[arg(allow_negative_numbers = true)]
    pub(crate) payload: Option<OsString>,

    /// Send each line of the standard input as a message of its own.
    #[arg(short, long, conflicts_with = "payload")]
    pub(crate) lines: bool,

    /// 0 or no; 1 or processed: acknowledged; 2 or realtime: flushed at once on the whole way; 3 or
    /// realtime-processed: both.
    #[arg(long, default_value = "1", value_parser = values::qos)]
    pub(crate) qos: Qos,

    #[command(flatten)]
    naming: Naming,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Listen {
    /// Subscribe to the topics that match; may be given several times. `+` is any one level, a final `#` one or more.
    #[arg(short, long = "topics", visible_alias = "topic", value_name = "FILTER", action = ArgAction::Append)]
    #[arg(value_parser = values::filter)]
    pub(crate) topics: Vec<String>,

    /// Leave out the topics that match, whatever is subscribed; may be given several times.
    #[arg(short = 'x', long, value_name = "FILTER", action = ArgAction::Append, value_parser = values::filter)]
    pub(crate) exclude: Vec<String>,

    /// End after so many frames.
    #[arg(short = 'n', long, value_parser = values::count, allow_negative_numbers = true)]
    pub(crate) count: Option<NonZeroU64>,

    /// End after so long: 10, 0.5, 300ms, 2m, 1h. With --count it is an error if fewer frames came.
    #[arg(long = "for", value_name = "DURATION", value_parser = values::period)]
    #[arg(allow_negative_numbers = true)]
    pub(crate) duration: Option<Duration>,

    /// One JSON object a line: kind, sender, topic, realtime, and payload or (not UTF-8) payload_base64.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) json: bool,

    /// The bytes of each payload and a newline.
    #[arg(long)]
    pub(crate) raw: bool,

    /// Our name on the bus [default: cli.HOST.PID].
    #[arg(long, value_parser = values::own_name)]
    name: Option<String>,

    /// Never there: who writes a filter here is told where it belongs.
    #[arg(hide = true, value_name = "FILTER", value_parser = values::stray_filter)]
    stray: Option<String>,
}

impl Listen {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Args {
    /// The name to register; the one behind the command counts more.
    pub(crate) fn name(&self) -> Option<&str> {
        let behind = match &self.command {
            Command::Send(send) => send.sending.naming.name(),
            Command::Publish(publish) => publish.sending.naming.name(),
            Command::Listen(listen) => listen.name(),
            Command::Rpc(rpc) => rpc.name(),
            Command::Broker(broker) => broker.naming.name(),
            Command::Benchmark(benchmark) => benchmark.naming.name(),
        };
        behind.or(self.name.as_deref())
    }

    /// The options given that change nothing.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        let buf_size = self.common.buf_size.map(|_| "--buf-size");
        let queue_size = self.common.queue_size.map(|_| "--queue-size");
        buf_size.into_iter().chain(queue_size)
    }
}

/// What is wrong with a command line, in which somebody may have put a whole file where a name belongs, or mistyped the
/// command, which then stands where an address may stand.
pub(crate) fn readable(mut error: clap::Error) -> clap::Error {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let mut command = Args::command();
    command.build();
    if !is_help
        && let Some(first) = first_word(&command, std::env::args_os())
        && command.find_subcommand(&first).is_none()
        && let Err(reason) = values::address(&first)
    {
        let reason = format!("{:?}: {reason}", safe::shortened(&first));
        return command.error(ErrorKind::InvalidValue, reason);
    }
    let given: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, safe::shortened(text).into_owned())),
            _ => None,
        })
        .collect();
    for (kind, text) in given {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

/// The first word of a command line that is neither an option nor the value of one.
fn first_word(command: &clap::Command, args: impl Iterator<Item = OsString>) -> Option<String> {
    let mut args = args.skip(1).map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let mut with_value = command
            .get_opts()
            .filter(|option| option.get_action().takes_values());
        if with_value.any(|option| is_called(option, &arg)) {
            args.next();
        } else if !arg.starts_with('-') {
            return Some(arg);
        }
    }
    None
}

/// Whether an argument is this option, without its value: `--name`, `-n`, or last of several in one, `-sn`.
fn is_called(option: &clap::Arg, arg: &str) -> bool {
    match arg.strip_prefix("--") {
        Some(long) => option.get_long() == Some(long),
        None => arg.starts_with('-') && arg.len() > 1 && arg.chars().last() == option.get_short(),
    }
}

fn after_help() -> String {
    format!(
        "\
Examples:
  elbus-cli listen -t 'log/#'                print what is published below log, until Ctrl-C
  elbus-cli publish log/hall 'door open'     publish a text
  elbus-cli send plant.pump < order.json     send a file to the client plant.pump
  elbus-cli send 'plant.*' --qos 0 stop      send to every client below plant
  elbus-cli publish --lines log/x < FILE     publish each line
  elbus-cli host:7777 listen --raw -n 1      the next message's payload, over TCP
  elbus-cli rpc call plant.pump start speed=1500
                                             call a method and print its result
  elbus-cli broker client.list               who is on the bus

{EXIT_CODES}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Args {
        Args::parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_address_may_be_left_out() {
        assert_eq!(parsed("elbus-cli listen").address, None);
        let address = parsed("elbus-cli /bus.sock listen").address;
        assert_eq!(address, Some(Address::Unix("/bus.sock".into())));
    }

    #[test]
    fn n_is_the_count_behind_listen_and_the_name_everywhere_else() {
        let args = parsed("elbus-cli -n my.name listen -n 5");
        let Command::Listen(listen) = &args.command else {
            panic!("{args:?}")
        };
        assert_eq!(listen.count, NonZeroU64::new(5));
        assert_eq!(args.name(), Some("my.name"));
        assert_eq!(parsed("elbus-cli send x y -n my.name").name(), Some("my.name"));
        assert_eq!(parsed("elbus-cli listen --name my.name").name(), Some("my.name"));
        assert_eq!(parsed("elbus-cli -n one publish -n two x y").name(), Some("two"));
    }

    #[test]
    fn lines_written_for_older_command_lines_are_understood() {
        let args =
            parsed("elbus /bus.sock --timeout 2 --queue-size 9 -s -n my.name listen --topics a/# -t b");
        assert_eq!(args.common.timeout, Duration::from_secs(2));
        assert_eq!(args.without_effect().collect::<Vec<_>>(), ["--queue-size"]);
        let Command::Listen(listen) = &args.command else {
            panic!("{args:?}")
        };
        assert_eq!(listen.topics, ["a/#", "b"]);
    }

    #[test]
    fn the_first_word_is_found_behind_options_and_their_values() {
        for (line, word) in [
            ("elbus-cli -n a.b --timeout 5 -s lisen -t x", Some("lisen")),
            ("elbus-cli --name=a.b /bus.sock listen", Some("/bus.sock")),
            ("elbus-cli -sn a.b --tls-ca x listen --bogus", Some("listen")),
            ("elbus-cli help sned", Some("help")),
            ("elbus-cli -v", None),
        ] {
            let words = line.split(' ').map(OsString::from);
            assert_eq!(first_word(&Args::command(), words).as_deref(), word, "{line}");
        }
    }

    #[test]
    fn a_negative_number_is_a_payload() {
        let Command::Publish(publish) = parsed("elbus-cli publish temperature -21.5").command else {
            panic!("another command")
        };
        assert_eq!(publish.sending.payload, Some("-21.5".into()));
    }
}
