//! Why a call failed.
use std::time::Duration;

use elbus_client::{Code, Error, Outcome};

use crate::Failure;

/// Why a call, a notification or a request for records failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The service answered with an error of its own.
    #[error("the service answered: {0}")]
    Service(Failure),
    /// The bus refused the message: the target is not registered, access is denied, or it could not be delivered.
    #[error("the broker answered: {0}")]
    Refused(Code),
    /// The message could not be sent, or the connection was lost.
    #[error("{0}")]
    Transport(Error),
    /// There was no reply in time. The call may or may not have been carried out.
    #[error("no reply within {limit:?}")]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The target left the bus before it replied. The call may or may not have been carried out.
    #[error("{target:?} left the bus before it replied")]
    TargetLeft {
        /// Whom was called.
        target: String,
    },
    /// As many calls as allowed wait for their reply already; nothing was sent.
    #[error("{limit} calls wait for their reply, which is the limit")]
    TooManyCalls {
        /// The limit: `Options::calls_limit`.
        limit: usize,
    },
    /// A method's name that holds a NUL; nothing was sent.
    #[error("{method:?} is not a method's name: it holds a NUL")]
    Method {
        /// What was given.
        method: String,
    },
    /// The params cannot be written as MessagePack; nothing was sent.
    #[error("the params cannot be encoded: {reason}")]
    Encode {
        /// What is wrong with them.
        reason: String,
    },
    /// The result is not what was expected.
    #[error("the result cannot be decoded: {reason}")]
    Decode {
        /// What is wrong with it, with the name of the field.
        reason: String,
    },
}

impl CallError {
    /// Whether the call was certainly not carried out, or nobody knows. A service's own error counts as unknown: only
    /// the service knows how far it went. An error that says *no such method*, *wrong params* or *busy* does not.
    ///
    /// ```
    /// use elbus_client::{Code, Outcome};
    /// use elbus_rpc::CallError;
    ///
    /// assert_eq!(CallError::Refused(Code::NotRegistered).outcome(), Outcome::Refused);
    /// ```
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) | Self::TooManyCalls { .. } | Self::Method { .. } | Self::Encode { .. } => {
                Outcome::Refused
            }
            Self::Transport(error) => error.outcome(),
            Self::Service(failure) if failure.is_refusal() => Outcome::Refused,
            Self::Service(_) | Self::TimedOut { .. } | Self::TargetLeft { .. } | Self::Decode { .. } => {
                Outcome::Unknown
            }
        }
    }

    /// What the service said, if it was the service.
    ///
    /// ```
    /// use elbus_rpc::{CallError, Failure, code};
    ///
    /// let error = CallError::Service(Failure::not_found("no such pump"));
    /// assert_eq!(error.failure().map(Failure::code), Some(code::NOT_FOUND));
    /// ```
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Service(failure) => Some(failure),
            _ => None,
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(code) => Self::Refused(code),
            error => Self::Transport(error),
        }
    }
}

/// Why an RPC layer cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting that makes no sense.
    #[error("{setting} must be {expected}, not {value}")]
    Setting {
        /// Which one: the name of the method of `Options`.
        setting: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        value: String,
    },
    /// Two methods of one service have the same name.
    #[error("the service has two methods {name:?}")]
    DuplicateMethod {
        /// The name.
        name: String,
    },
    /// A method's name that cannot be called: empty, with a NUL, or with a leading dot, which is the layer's own.
    #[error("{name:?} cannot be a method's name: it is empty, or holds a NUL or a leading dot")]
    MethodName {
        /// The name.
        name: String,
    },
}
