//! Why a command failed: what to say, and the exit code.
use std::{fs, io, num::NonZeroU64, os::unix::fs::FileTypeExt, sync::Arc};

use elbus_client::{
    Address, Code, ConnectError, Error,
    default_address::{self, DefaultAddressError},
};
use elbus_proto::BROKER_NAME;
use elbus_rpc::{CallError, Failure, StartError, code};
use tokio::signal::unix::SignalKind;

use crate::{
    command::send::Destination,
    output::{people, safe},
};

/// The exit codes, as the help tells them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something else went wrong, such as reading the standard input
  2  wrong arguments
  3  no connection: nothing listens at the address, or it is no broker
  4  the broker does not register us: the name is taken or not permitted
  5  no client of the target's name is on the bus
  6  the broker refused it, or could not deliver it
  7  not known: the connection was lost or no answer came in time
  8  listen: the time of --for was over before --count frames came
  9  the service answered a call with an error; the text tells its code
  10 benchmark: messages were lost, or came out of order
  130, 141, 143  ended by Ctrl-C, by a closed standard output, by SIGTERM";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{}", connecting(.0))]
    Connect(Arc<ConnectError>),
    #[error("{}", sending(.destination, .error))]
    Send { destination: Destination, error: Error },
    #[error("line {number}: {failure} ({})", others(*.number, *.acknowledged, *.behind))]
    Line {
        /// From 1.
        number: u64,
        failure: Box<CliError>,
        /// Whether the lines before it are known to have arrived.
        acknowledged: bool,
        /// Lines behind it that were sent without waiting for it.
        behind: u64,
    },
    #[error("{}", calling(.target, .method, .error))]
    Call {
        target: String,
        /// Empty: it was a notification.
        method: String,
        error: CallError,
    },
    #[error("the broker's answer to {method} is not understood: {reason}")]
    Answer { method: &'static str, reason: String },
    #[error("{0}")]
    Params(String),
    #[error("{stage}: {failure}")]
    Stage { stage: String, failure: Box<CliError> },
    #[error("{missing} of {expected} {what} are missing")]
    Lost {
        what: &'static str,
        missing: u64,
        expected: u64,
    },
    #[error("message {number} came where message {expected} was expected")]
    OutOfOrder { number: u64, expected: u64 },
    #[error("a reply is not what the call was about")]
    OtherReply,
    #[error("{0}")]
    Start(StartError),
    #[error("cannot subscribe: {0}")]
    Subscribe(Error),
    #[error("cannot leave the bus in order: {0}; what was sent last may or may not have been delivered")]
    Leave(Error),
    #[error("{came} of {wanted} frames came in time")]
    TimeOver { came: u64, wanted: NonZeroU64 },
    #[error("cannot read the standard input: {0}")]
    Input(io::Error),
    #[error(
        "the standard input holds more than {limit} bytes, the limit of a message; `send` and `publish` send each \
         line by itself with --lines"
    )]
    InputTooLarge { limit: usize },
    #[error("a line of more than {limit} bytes, the limit of a message")]
    LineTooLong { limit: usize },
    #[error("cannot write to the standard output: {0}")]
    Output(io::Error),
    #[error("the runtime cannot be started: {0}")]
    Runtime(io::Error),
    #[error("ended by signal {}", .0.as_raw_value())]
    Signal(SignalKind),
}

impl CliError {
    pub(crate) fn connect(error: ConnectError) -> Self {
        Self::Connect(Arc::new(error))
    }

    /// Of a notification, the method is empty.
    pub(crate) fn call(target: &str, method: &str, error: CallError) -> Self {
        Self::Call {
            target: target.to_owned(),
            method: method.to_owned(),
            error,
        }
    }

    /// Whether there is nothing to explain: whoever ended us knows.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Self::Signal(_)) || self.is_broken_pipe()
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(error) => match **error {
                ConnectError::Refused { .. } => 4,
                ConnectError::Address(_)
                | ConnectError::Name { .. }
                | ConnectError::Setting { .. }
                | ConnectError::DefaultAddress(DefaultAddressError::Variable(_))
                | ConnectError::TlsFile(_) => 2,
                _ => 3,
            },
            Self::Send { error, .. } | Self::Subscribe(error) | Self::Leave(error) => of_operation(error),
            Self::Call { target, error, .. } => of_call(target, error),
            Self::Line { failure, .. } | Self::Stage { failure, .. } => failure.exit_code(),
            Self::Params(_) => 2,
            Self::Lost { .. } | Self::OutOfOrder { .. } | Self::OtherReply => 10,
            Self::TimeOver { .. } => 8,
            // As a shell reports a program that ended by the signal itself.
            Self::Signal(signal) => 128 + signal.as_raw_value() as u8,
            Self::Output(_) if self.is_broken_pipe() => 128 + SignalKind::pipe().as_raw_value() as u8,
            Self::Input(_)
            | Self::Answer { .. }
            | Self::Start(_)
            | Self::InputTooLarge { .. }
            | Self::LineTooLong { .. }
            | Self::Output(_)
            | Self::Runtime(_) => 1,
        }
    }

    /// The signal by which the process is to end.
    pub(crate) const fn signal(&self) -> Option<SignalKind> {
        match self {
            Self::Signal(signal) => Some(*signal),
            _ => None,
        }
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn of_operation(error: &Error) -> u8 {
    match error {
        Error::Refused(Code::NotRegistered) => 5,
        Error::Refused(_) => 6,
        Error::Name { .. } | Error::Mask { .. } | Error::Topic { .. } => 2,
        Error::TooLarge { .. } | Error::TooManyFilters { .. } => 1,
        _ => 7,
    }
}

fn of_call(target: &str, error: &CallError) -> u8 {
    match error {
        CallError::Refused(code) => of_operation(&Error::Refused(*code)),
        CallError::Transport(error) => of_operation(error),
        CallError::Service(failure) if target == BROKER_NAME && failure.code() == code::NOT_FOUND => 5,
        CallError::Service(failure) if target == BROKER_NAME && failure.bus_code().is_some() => 6,
        CallError::Service(_) => 9,
        CallError::TimedOut { .. } | CallError::TargetLeft { .. } => 7,
        _ => 1,
    }
}

pub(crate) fn connecting(error: &ConnectError) -> String {
    match error {
        ConnectError::Unreachable { address, source } => {
            unreachable(address, source.kind()).unwrap_or_else(|| error.to_string())
        }
        ConnectError::TimedOut { .. } => {
            format!("{error}: is it a server of the bus? --timeout sets how long it may take")
        }
        ConnectError::Lost { .. } => format!("{error}: is it a server of the bus?"),
        ConnectError::Setting {
            setting: "tls_ca", ..
        } => "give --tls-ca FILE, the certificate of the authority that signed the server's".to_owned(),
        ConnectError::Refused { name, code } => match code {
            Code::Busy => format!(
                "the broker does not register {name:?}: the name is taken (choose another with --name, or none at \
                 all) or the bus is full"
            ),
            Code::Access => format!("the broker does not register {name:?}: this name is not permitted here"),
            Code::NotRegistered => format!(
                "the broker does not register {name:?}: what stands before the %% is a client that must be on the bus \
                 first, as its primary; start that, or choose a name without %%"
            ),
            _ => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// What to do where nobody can be reached; `None` if the system has said all there is to say.
fn unreachable(address: &Address, kind: io::ErrorKind) -> Option<String> {
    let shown = address.to_string();
    let shown = safe::shortened(&shown);
    Some(match kind {
        io::ErrorKind::ConnectionRefused if is_no_socket(address) => {
            format!("{shown} is there, but no socket: give the address of a bus")
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            // Over TCP it may be another machine's.
            let is_elsewhere = !default_address::default_address().is_ok_and(|default| default == *address);
            let there = match address {
                Address::Unix(_) if is_elsewhere => format!(" (-B {shown})"),
                _ => String::new(),
            };
            format!(
                "nothing listens at {shown}: start one with `elbus-server`{there}, or give another address"
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            "no access to {shown}: the socket is another user's (elbus-server has --socket-mode and --socket-group)"
        ),
        io::ErrorKind::InvalidInput if matches!(address, Address::Unix(_)) => {
            format!("{shown} is too long for the path of a socket")
        }
        _ => return None,
    })
}

/// Whether something else lies at the path.
fn is_no_socket(address: &Address) -> bool {
    let Address::Unix(path) = address else {
        return false;
    };
    fs::metadata(path).is_ok_and(|metadata| !metadata.file_type().is_socket())
}

fn sending(destination: &Destination, error: &Error) -> String {
    match error {
        Error::Refused(Code::NotRegistered) => match destination {
            Destination::Client(name) if name.contains('/') => {
                format!("no {destination} is on the bus; to a topic it is sent with `publish`")
            }
            _ => format!("no {destination} is on the bus"),
        },
        Error::Refused(Code::NotDelivered) => {
            format!("not delivered: the {destination} takes nothing")
        }
        Error::Refused(Code::Access) => format!("not permitted: sending to the {destination}"),
        Error::Refused(code) => format!("the broker refused to send to the {destination}: {code}"),
        Error::TimedOut { limit } => format!(
            "no answer from the broker within {limit:?} (--timeout): it may or may not have been delivered"
        ),
        Error::ConnectionLost | Error::NotConnected | Error::Closed => {
            "the connection to the broker was lost: what was not acknowledged may or may not have been delivered"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn calling(target: &str, method: &str, error: &CallError) -> String {
    let client = || Destination::Client(target.to_owned());
    match error {
        CallError::Service(failure) => answered(target, method, failure),
        CallError::Refused(code) => sending(&client(), &Error::Refused(*code)),
        CallError::Transport(Error::ConnectionLost | Error::NotConnected | Error::Closed) => {
            "the connection to the broker was lost: what was asked for may or may not have been done"
                .to_owned()
        }
        CallError::Transport(error) => sending(&client(), error),
        CallError::TimedOut { limit } => format!(
            "no reply from {target} within {limit:?} (--timeout): what was asked for may or may not have been done"
        ),
        CallError::TargetLeft { .. } => format!(
            "{target} left the bus before it replied: what was asked for may or may not have been done"
        ),
        _ => error.to_string(),
    }
}

/// What a service says reaches a terminal.
fn answered(target: &str, method: &str, failure: &Failure) -> String {
    let code = failure.code();
    let method = safe::shortened(method);
    if method == ".describe" && code == code::METHOD_NOT_FOUND {
        return if target == BROKER_NAME {
            "the methods of the broker are those of `elbus-cli broker --help`".to_owned()
        } else {
            format!("{target} does not describe itself; services made with elbus-rpc do")
        };
    }
    let text = people::reason(failure.reason());
    let name = match (failure.bus_code(), code) {
        // Of a connection it says something else.
        (Some(Code::Busy), _) => " (busy)".to_owned(),
        (Some(code), _) => format!(" ({code})"),
        (_, code::PARSE) => " (params that cannot be read)".to_owned(),
        (_, code::INVALID_REQUEST) => " (invalid request)".to_owned(),
        (_, code::METHOD_NOT_FOUND) => " (no such method)".to_owned(),
        (_, code::INVALID_PARAMS) => " (wrong params)".to_owned(),
        (_, code::INTERNAL) => " (internal)".to_owned(),
        (_, code::NOT_FOUND) => " (not found)".to_owned(),
        _ => String::new(),
    };
    let separator = if text.is_empty() { "" } else { ": " };
    format!("{target} answers {method} with error {code}{name}{separator}{text}")
}

/// What became of the lines around the one that failed.
fn others(number: u64, acknowledged: bool, behind: u64) -> String {
    let before = match (number, acknowledged) {
        (1, _) => "it is the first".to_owned(),
        (_, true) => "all before it were acknowledged".to_owned(),
        (_, false) => "those before it were sent without acknowledgement".to_owned(),
    };
    match behind {
        0 => before,
        behind => format!("{before}; {behind} behind it were sent as well"),
    }
}
