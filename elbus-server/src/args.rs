//! The command line.
use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::Parser;
use elbus_broker::{
    Address, AddressError, Config, ConfigError, SlowConsumer, SlowConsumers, SocketOptions, TlsOptions,
};

/// Runs the elbus message bus.
///
/// Without arguments it listens at $ELBUS_ADDRESS, else at a socket in a private directory of the user
/// ($XDG_RUNTIME_DIR/elbus, else /tmp/elbus-UID), and prints where.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Read settings and access rules from this TOML file: keys are the long flags, which win over it. SIGHUP reads
    /// it again.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,

    /// Check the configuration and end: exit code 0 if it is good, 2 if not.
    #[arg(long, requires = "config")]
    pub(crate) check_config: bool,

    /// Where to listen; may be given several times: /path, name.sock, unix:///path, host:port, tcp://host:port,
    /// tls://host:port, and fifo:/path for a command FIFO beside them (Linux).
    #[arg(short = 'B', long, value_name = "ADDRESS")]
    bind: Vec<Bind>,

    /// Write the process id to this file; it is removed at the end.
    #[arg(short = 'P', long, value_name = "PATH")]
    pub(crate) pid_file: Option<PathBuf>,

    /// Run in the background; the log goes to syslog. Returns when the bus is up.
    #[arg(short = 'D', long)]
    pub(crate) daemon: bool,

    /// Set by -D for the process in the background.
    #[arg(long, hide = true)]
    pub(crate) in_background: bool,

    /// Worker threads [default: the number of cores].
    #[arg(short, long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<u16>,

    /// Let idle cores sleep also while messages come in quick succession. Without it the server keeps them awake then,
    /// for half the latency and more power, in virtual machines (idle driver haltpoll) of up to eight cores, if it may
    /// write to /dev/cpu_dma_latency, as root may.
    #[arg(long)]
    pub(crate) let_cores_sleep: bool,

    /// Seconds for a greeting, an unfinished frame, and the drain of a connection.
    #[arg(short, long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)] // for an error that says what is expected
    timeout: Duration,

    /// Seconds that a receiver may take nothing, its outbox full, before it is disconnected.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)] // for an error that says what is expected
    stall_timeout: Duration,

    /// What becomes of frames for a client that does not keep up: hold (those who send to it wait), disconnect,
    /// drop-oldest or drop-newest (publications alone). The configuration file can say it by name.
    #[arg(long, value_name = "CHOICE", default_value_t = SlowConsumer::Hold)]
    slow_consumer: SlowConsumer,

    /// Seconds within which a TCP client whose machine or network is gone is disconnected; 0 leaves it to the system.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    #[arg(allow_negative_numbers = true)] // for an error that says what is expected
    keep_alive: Duration,

    /// Longest line of a command FIFO in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = whole::<usize>)]
    fifo_line: usize,

    /// Bytes read from a socket at once; one such buffer a worker.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = whole::<usize>)]
    buf_size: usize,

    /// Microseconds that frames which are not real-time may be held up to gather more.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = whole::<u64>)]
    buf_ttl: u64,

    /// Frames that wait for a client in this process before its senders are held back.
    #[arg(long, value_name = "FRAMES", default_value_t = 8_192, value_parser = whole::<usize>)]
    queue_size: usize,

    /// Bytes that wait for a connection before its senders are held back.
    #[arg(long, value_name = "BYTES", default_value_t = 8 * 1024 * 1024, value_parser = whole::<usize>)]
    high_water: usize,

    /// Largest body of a frame in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024 * 1024, value_parser = whole::<usize>)]
    frame_limit: usize,

    /// Longest client name in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 255, value_parser = whole::<usize>)]
    name_length: usize,

    /// Most parts of a client name.
    #[arg(long, value_name = "PARTS", default_value_t = 16, value_parser = whole::<usize>)]
    name_parts: usize,

    /// Longest topic in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = whole::<usize>)]
    topic_length: usize,

    /// Most levels of a topic.
    #[arg(long, value_name = "LEVELS", default_value_t = 32, value_parser = whole::<usize>)]
    topic_levels: usize,

    /// Filters that one client may subscribe to and exclude.
    #[arg(long, value_name = "FILTERS", default_value_t = 65_536, value_parser = whole::<usize>)]
    subscriptions: usize,

    /// Clients on the bus.
    #[arg(long, value_name = "CLIENTS", default_value_t = 65_536, value_parser = whole::<usize>)]
    clients: usize,

    /// Connections that have not finished their greeting.
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 1_024, value_parser = whole::<usize>)]
    greetings: usize,

    /// Clients of one UNIX user.
    #[arg(long, value_name = "CLIENTS", default_value_t = 65_536, value_parser = whole::<usize>)]
    user_clients: usize,

    /// Connections of one UNIX user that have not finished their greeting.
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 768, value_parser = whole::<usize>)]
    user_greetings: usize,

    /// Filters of all clients of one UNIX user.
    #[arg(long, value_name = "FILTERS", default_value_t = 3 << 22, value_parser = whole::<usize>)]
    user_subscriptions: usize,

    /// Filters of all clients.
    #[arg(long, value_name = "FILTERS", default_value_t = 1 << 24, value_parser = whole::<usize>)]
    all_subscriptions: usize,

    /// Bytes that wait for all connections of one UNIX user.
    #[arg(long, value_name = "BYTES", default_value_t = 3 << 28, value_parser = whole::<usize>)]
    user_queued: usize,

    /// Bytes that wait for all connections.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, value_parser = whole::<usize>)]
    all_queued: usize,

    /// Topics and masks whose receivers a connection remembers.
    #[arg(long, value_name = "ROUTES", default_value_t = 1_024, value_parser = whole::<usize>)]
    cached_routes: usize,

    /// Let a connection take a registered name over from the connection that has it.
    #[arg(long)]
    force_register: bool,

    /// Permission bits of UNIX sockets and FIFOs, in octal.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    socket_mode: u32,

    /// Owner of UNIX sockets and FIFOs: a user's name or number [default: whoever runs the server].
    #[arg(long, value_name = "USER", value_parser = user)]
    socket_owner: Option<u32>,

    /// Group of UNIX sockets and FIFOs: a group's name or number.
    #[arg(long, value_name = "GROUP", value_parser = group)]
    socket_group: Option<u32>,

    /// The server's certificate for tls:// addresses, a PEM file, and behind it those between it and the authority. SIGHUP
    /// has the files of certificates read again.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate, a PEM file.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Ask clients at tls:// addresses for a certificate that is signed by an authority in this PEM file. A client's name
    /// must then be one that its certificate is for, or lie under one: plant admits plant.pump.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,

    /// Let clients with a certificate take any name.
    #[arg(long)]
    tls_any_name: bool,

    /// Log more: every client that comes and goes.
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Log to syslog instead of the standard error.
    #[arg(long)]
    pub(crate) log_syslog: bool,
}

const AFTER_HELP: &str = "\
Examples:
  elbus-server                                   at the default address
  elbus-server -B /run/bus.sock -B 0.0.0.0:7777  a UNIX socket and TCP
  elbus-server -D -P /run/elbus.pid              in the background
  elbus-server -B tls://0.0.0.0:7778 --tls-cert server.pem --tls-key server.key

Ctrl-C or SIGTERM: what has arrived is delivered, then the server ends with exit code 0. A second signal \
ends it at once. SIGHUP does the same, or nothing if the server was started under nohup; with a configuration file \
or a certificate it has those read again instead. Exit code 1: it could not run, 2: wrong arguments.";

/// Something to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bind {
    Address(Address),
    Fifo(PathBuf),
}

/// Why nothing can be listened at.
#[derive(Debug, thiserror::Error)]
enum BindError {
    #[error("a command FIFO needs a path: fifo:/run/elbus.fifo")]
    NoPath,
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        match text.strip_prefix("fifo:") {
            Some("") => Err(BindError::NoPath),
            Some(path) => Ok(Self::Fifo(path.into())),
            None => Ok(Self::Address(text.parse()?)),
        }
    }
}

impl Args {
    /// The addresses to listen at; empty for the default address.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let addresses = self.bind.iter().filter_map(|bind| match bind {
            Bind::Address(address) => Some(address.clone()),
            Bind::Fifo(_) => None,
        });
        addresses.collect()
    }

    /// The command FIFOs to read.
    pub(crate) fn fifos(&self) -> impl Iterator<Item = &Path> {
        self.bind.iter().filter_map(|bind| match bind {
            Bind::Address(_) => None,
            Bind::Fifo(path) => Some(path.as_path()),
        })
    }

    /// The broker's configuration.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.high_water = self.high_water;
        config.stall_timeout = self.stall_timeout;
        config.slow_consumers = SlowConsumers::all(self.slow_consumer);
        config.timeout = self.timeout;
        config.keep_alive = self.keep_alive;
        config.frame_limit = self.frame_limit;
        config.names.bytes = self.name_length;
        config.names.parts = self.name_parts;
        config.topics.bytes = self.topic_length;
        config.topics.levels = self.topic_levels;
        config.subscriptions = self.subscriptions;
        config.clients = self.clients;
        config.greetings = self.greetings;
        config.user_clients = self.user_clients;
        config.user_greetings = self.user_greetings;
        config.user_subscriptions = self.user_subscriptions;
        config.all_subscriptions = self.all_subscriptions;
        config.user_queued = self.user_queued;
        config.all_queued = self.all_queued;
        config.queue_size = self.queue_size;
        config.cached_routes = self.cached_routes;
        config.fifo_line = self.fifo_line;
        config.read_size = self.buf_size;
        config.buf_ttl = Duration::from_micros(self.buf_ttl);
        config.force_register = self.force_register;
        config
    }

    /// How the files of UNIX sockets and FIFOs are made.
    pub(crate) fn socket_options(&self) -> SocketOptions {
        let mut options = SocketOptions::default();
        options.mode = self.socket_mode;
        options.owner = self.socket_owner;
        options.group = self.socket_group;
        options
    }

    /// How connections to TLS addresses are secured, if there are any.
    pub(crate) fn tls_options(&self) -> Option<TlsOptions> {
        let mut options = TlsOptions::new(self.tls_cert.as_ref()?, self.tls_key.as_ref()?);
        options.client_ca.clone_from(&self.tls_client_ca);
        options.any_name = self.tls_any_name;
        Some(options)
    }

    /// Checks that what is said about TLS goes together.
    pub(crate) fn check_tls(&self) -> Result<(), String> {
        let address = self
            .addresses()
            .into_iter()
            .find(|address| matches!(address, Address::Tls(_)));
        let missing = match (address, &self.tls_cert, &self.tls_key) {
            (Some(address), None, _) | (Some(address), _, None) => {
                format!("-B {address} needs --tls-cert and --tls-key")
            }
            (None, Some(_), None) => "--tls-cert needs --tls-key".to_owned(),
            (None, None, Some(_)) => "--tls-key needs --tls-cert".to_owned(),
            (None, None, None) if self.tls_client_ca.is_some() => {
                "--tls-client-ca needs --tls-cert and --tls-key".to_owned()
            }
            (None, Some(_), Some(_)) => {
                "--tls-cert is of use with a tls:// address only: give one with -B".to_owned()
            }
            _ if self.tls_any_name && self.tls_client_ca.is_none() => {
                "--tls-any-name needs --tls-client-ca".to_owned()
            }
            _ => return Ok(()),
        };
        Err(missing)
    }

    /// The flag, without its dashes, for a field of the broker's configuration.
    pub(crate) fn flag(field: &str) -> String {
        match field {
            "read_size" => "buf-size".to_owned(),
            "names.bytes" => "name-length".to_owned(),
            "names.parts" => "name-parts".to_owned(),
            "topics.bytes" => "topic-length".to_owned(),
            "topics.levels" => "topic-levels".to_owned(),
            field => field.replace('_', "-"),
        }
    }

    /// Of what is only looked at when the server starts, the flags that are different in `started`.
    pub(crate) fn different_at_start(&self, started: &Self) -> impl Iterator<Item = &'static str> {
        let same = [
            ("bind", self.bind == started.bind),
            ("pid-file", self.pid_file == started.pid_file),
            ("daemon", self.daemon == started.daemon),
            ("workers", self.workers == started.workers),
            ("let-cores-sleep", self.let_cores_sleep == started.let_cores_sleep),
            ("socket-mode", self.socket_mode == started.socket_mode),
            ("socket-owner", self.socket_owner == started.socket_owner),
            ("socket-group", self.socket_group == started.socket_group),
            ("log-syslog", self.log_syslog == started.log_syslog),
            ("tls-cert", self.tls_cert == started.tls_cert),
            ("tls-key", self.tls_key == started.tls_key),
            ("tls-client-ca", self.tls_client_ca == started.tls_client_ca),
            ("tls-any-name", self.tls_any_name == started.tls_any_name),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(flag, _)| flag)
    }

    /// Says what is wrong with a value in the words and units of the command line.
    pub(crate) fn explain(&self, error: &ConfigError) -> String {
        let flag = Self::flag(error.field);
        let value = match error.field {
            "timeout" => format!("{} seconds", self.timeout.as_secs_f64()),
            "stall_timeout" => format!("{} seconds", self.stall_timeout.as_secs_f64()),
            "keep_alive" => format!("{} seconds", self.keep_alive.as_secs_f64()),
            "buf_ttl" => format!("{} microseconds", self.buf_ttl),
            _ => error.value.clone(),
        };
        format!("--{flag} must be {}, not {value}", error.expected)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
    match seconds {
        Some(Ok(seconds)) => Ok(seconds),
        _ => Err("expected a number of seconds, such as 5 or 0.5".to_owned()),
    }
}

fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "expected a whole number in plain digits, such as 65536".to_owned())
}

fn workers(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(workers @ 1..=1024) => Ok(workers),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected permission bits in octal, such as 660".to_owned()),
    }
}

/// The number of a user who is given by name or number.
pub(crate) fn user(text: &str) -> Result<u32, String> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    match nix::unistd::User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("no such user".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The number of a group that is given by name or number.
pub(crate) fn group(text: &str) -> Result<u32, String> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    match nix::unistd::Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("no such group".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_flags_default_to_the_defaults_of_the_broker() {
        let args = Args::parse_from(["elbus-server"]);
        assert_eq!(args.config(), Config::default());
        assert_eq!(args.socket_options(), SocketOptions::default());
    }
}
