//! Why a run has no figures.
use std::{fmt, io, process::ExitStatus};

use elbus_proto::{Code, delivery::DeliveryError, greeting::GreetingError};

/// Why a broker failed a case; the sentence stands in the table.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The broker's command, or the directory for its socket, did not work.
    Start(io::Error),
    /// The broker did not greet a client in time; what it saw last.
    NotReady(Option<Box<Failure>>),
    /// The broker ended by itself; the last line it wrote to stderr.
    Exited(ExitStatus, String),
    /// A socket operation failed.
    Io(&'static str, io::Error),
    /// The broker greeted with something else.
    Greeting(GreetingError),
    /// The broker refused a name or an operation.
    Refused(&'static str, Code),
    /// The broker closed a connection; how many messages that side had received or sent.
    Closed(&'static str, u64),
    /// Bytes from the broker cannot be read.
    Unreadable(DeliveryError),
    /// A frame that nobody sent.
    Unexpected(String),
    /// A message is missing, doubled or out of order.
    Sequence {
        /// The number that was due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A time limit passed while waiting for this.
    TimedOut(&'static str),
    /// The system does not grant what the case needs.
    Resources(String),
    /// The broker has nothing of the kind: no failure of its own.
    NotOffered(&'static str),
    /// What the broker said when it refused.
    Said(String),
    /// Another thread of the run failed and said why.
    Aborted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cannot start: {error}"),
            Self::NotReady(None) => f.write_str("never greeted a client"),
            Self::NotReady(Some(last)) => write!(f, "never greeted a client: {last}"),
            Self::Exited(status, line) if line.is_empty() => write!(f, "broker ended ({status})"),
            Self::Exited(status, line) => write!(f, "broker ended ({status}): {line}"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Greeting(error) => error.fmt(f),
            Self::Refused(what, code) => write!(f, "{what} refused: {code}"),
            Self::Closed(side, count) => write!(f, "{side} disconnected after {count} messages"),
            Self::Unreadable(error) => error.fmt(f),
            Self::Unexpected(what) => write!(f, "unexpected {what}"),
            Self::Sequence { expected, found } if found > expected => {
                write!(
                    f,
                    "lost or reordered: number {found} came when {expected} was due"
                )
            }
            Self::Sequence { expected, found } => {
                write!(
                    f,
                    "doubled or reordered: number {found} came when {expected} was due"
                )
            }
            Self::TimedOut(what) => write!(f, "timed out waiting for {what}"),
            Self::Resources(what) => f.write_str(what),
            Self::NotOffered(why) => f.write_str(why),
            Self::Said(line) => write!(f, "the broker said {line}"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}
