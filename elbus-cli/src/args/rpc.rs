//! `rpc`: calls and notifications, and a listener that sees them.
use std::ffi::OsString;

use clap::{Subcommand, ValueEnum};

use super::{Listen, Naming};
use crate::{params::Param, values};

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Rpc {
    /// Call a method and print its result.
    Call(Call),
    /// Call a method without wanting a reply.
    Call0(Request),
    /// Send a notification.
    Notify(Notify),
    /// Print what arrives, as `listen` does, with requests and notifications as such, and answer the requests.
    Listen(RpcListen),
    /// List the methods that a service offers.
    Describe(Describe),
}

const EXAMPLES: &str = "\
Examples:
  elbus-cli rpc describe calculator               the methods of a service, if it tells
  elbus-cli rpc call calculator add a=1 b=2       prints the result; exit code 9 if it is an error
  elbus-cli rpc call db query --stdin json < FILE --json
                                                  JSON in, JSON out
  elbus-cli rpc call0 plant.pump stop             wants no reply
  elbus-cli rpc notify plant.panel 'door open'    a notification, any bytes
  elbus-cli rpc listen --name plant.pump --reply '{\"ok\":true}'
                                                  see what a service is asked, and answer it

The options of `call` tell how params are written: elbus-cli rpc call --help";

#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) request: Request,

    /// The result as JSON, in one line.
    #[arg(long, conflicts_with = "raw")]
    pub(crate) json: bool,

    /// The bytes of the result, and nothing else.
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PARAMS)]
pub(crate) struct Request {
    /// The client's name.
    #[arg(value_parser = values::client_name)]
    pub(crate) target: String,

    /// The method's name.
    #[arg(value_parser = values::method)]
    pub(crate) method: String,

    /// `key=value`, `key:=JSON`, `:=JSON`, or `-` for the standard input; see below.
    #[arg(value_name = "PARAM", value_parser = Param::parse)]
    pub(crate) params: Vec<Param>,

    /// Read the params from the standard input: json is sent as MessagePack, raw as it is.
    #[arg(long, value_name = "FORMAT", conflicts_with = "params")]
    pub(crate) stdin: Option<Format>,

    #[command(flatten)]
    pub(crate) naming: Naming,
}

/// What the standard input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Raw,
}

const PARAMS: &str = "\
Params are a map, which is sent as MessagePack; none are an empty map:
  speed=1500  ratio=0.5  on=true   numbers, and true or false
  name=main                        anything else is a text
  limits.low=1  limits.high=9      a map in the map: {limits: {low: 1, high: 9}}
  list:='[1, 2]'  id:='\"007\"'      JSON, where that rule does not do
  :='[1, 2]'                       JSON, as all there is: params that are no map
  -                                the standard input, sent as it is; the same as --stdin raw";

#[derive(Debug, clap::Args)]
pub(crate) struct Notify {
    /// The client's name.
    #[arg(value_parser = values::client_name)]
    pub(crate) target: String,

    /// What to send; if left out, the standard input up to its end. Write `--` in front of one that begins with `-`.
    #[arg(allow_negative_numbers = true)]
    pub(crate) payload: Option<OsString>,

    #[command(flatten)]
    pub(crate) naming: Naming,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RpcListen {
    #[command(flatten)]
    pub(crate) listen: Listen,

    /// What requests are answered with.
    #[arg(long, value_name = "JSON", default_value = "null", value_parser = values::json)]
    pub(crate) reply: rmpv::Value,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    /// The client's name.
    #[arg(value_parser = values::client_name)]
    pub(crate) target: String,

    /// One JSON object.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) naming: Naming,
}

impl Rpc {
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Call(call) => call.request.naming.name(),
            Self::Call0(request) => request.naming.name(),
            Self::Notify(notify) => notify.naming.name(),
            Self::Listen(listening) => listening.listen.name(),
            Self::Describe(describe) => describe.naming.name(),
        }
    }
}
