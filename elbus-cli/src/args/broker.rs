//! `broker`: the broker's own methods.
use clap::Subcommand;

use super::Naming;
use crate::values;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Broker {
    #[command(subcommand)]
    pub(crate) method: Method,

    /// The broker's answer as JSON, in one line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) naming: Naming,
}

const EXAMPLES: &str = "\
Examples:
  elbus-cli broker client.list 'plant.*'                   who is on the bus below plant
  elbus-cli broker subscription.list --topic log/hall      who receives a topic
  elbus-cli broker client.disconnect plant.pump            cut a client off
  elbus-cli broker stats --json                            for scripts";

#[derive(Debug, Subcommand)]
pub(crate) enum Method {
    /// Whether the broker answers.
    #[command(name = "test")]
    Test,
    /// Who made the broker, and its version.
    #[command(name = "info")]
    Info,
    /// For how long it has been running, and what it has carried.
    #[command(name = "stats")]
    Stats,
    /// Who is on the bus, without secondaries.
    #[command(name = "client.list")]
    ClientList {
        /// Only clients that match: `?` is any one part, a final `*` one or more.
        #[arg(value_parser = values::mask)]
        mask: Option<String>,
    },
    /// One client; a secondary as well.
    #[command(name = "client.get")]
    ClientGet {
        /// The client's name.
        #[arg(value_parser = values::client_name)]
        client: String,
    },
    /// Cut a client off; it may come back. Those may who could end the broker: its own user and root, not over TCP.
    #[command(name = "client.disconnect")]
    ClientDisconnect {
        /// The client's name.
        #[arg(value_parser = values::client_name)]
        client: String,
    },
    /// Have the server read its configuration again; nothing changes if there is anything wrong with it.
    ///
    /// Only a server that was started with --config can. Those may ask for it who could end it: its own user and root,
    /// not over TCP.
    #[command(name = "reload")]
    Reload,
    /// What a client subscribes to, or who receives a topic.
    #[command(name = "subscription.list")]
    SubscriptionList(Which),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// What this client subscribes to and excludes.
    #[arg(long, value_name = "NAME", value_parser = values::client_name)]
    pub(crate) client: Option<String>,

    /// Who receives publications of this topic.
    #[arg(long, value_parser = values::topic_name)]
    pub(crate) topic: Option<String>,
}
