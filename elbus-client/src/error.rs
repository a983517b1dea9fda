//! Why an operation of a client failed.
use std::time::Duration;

use elbus_proto::{Code, MaskError, NameError, TopicError};

use crate::shown::Shown;

/// Why an operation of a client failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker refused the operation, or could not carry it out.
    #[error("the broker answered: {0}")]
    Refused(Code),
    /// The target or receiver is not a client's name.
    #[error("{} is not a client's name: {reason}", Shown(.name))]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// The mask of a broadcast is malformed.
    #[error("{} cannot be broadcast to: {reason}", Shown(.mask))]
    Mask {
        /// What was given.
        mask: String,
        /// What is wrong with it.
        reason: MaskError,
    },
    /// The topic or topic filter is malformed.
    #[error("{} cannot be used as a topic here: {reason}", Shown(.topic))]
    Topic {
        /// What was given.
        topic: String,
        /// What is wrong with it.
        reason: TopicError,
    },
    /// The frame would be larger than the broker takes.
    #[error("a frame of {len} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes in the frame: address and payload.
        len: usize,
        /// The broker's limit.
        limit: usize,
    },
    /// More filters than the client remembers to ask for again after a reconnect.
    #[error("more filters subscribed and excluded than the limit of {limit}")]
    TooManyFilters {
        /// The limit: `Options::filter_limit`.
        limit: usize,
    },
    /// So many confirmations are held whose verdict was not taken; nothing was sent. Await some, or drop them.
    #[error("{limit} confirmations are held: await some of them, or drop them")]
    TooManyConfirmations {
        /// The limit, which is fixed.
        limit: usize,
    },
    /// There is no connection to the broker now; nothing was sent. The client is trying to get it back.
    #[error("not connected to the broker")]
    NotConnected,
    /// There was no connection to the broker for as long as the operation was allowed to wait; nothing was sent.
    #[error("not connected to the broker for {limit:?}")]
    StillNotConnected {
        /// The limit: `Options::wait_while_disconnected`.
        limit: Duration,
    },
    /// The connection was lost before the broker answered: the operation may or may not have been carried out.
    #[error("the connection was lost before the broker answered")]
    ConnectionLost,
    /// The broker did not answer in time: the operation may or may not have been carried out.
    #[error("the broker did not answer within {limit:?}")]
    TimedOut {
        /// The limit: `Options::timeout`.
        limit: Duration,
    },
    /// The inbox is so full that the answer could not be read: the operation may or may not have been carried out.
    #[error("the answer was not read, because unread frames in the inbox take more than {limit} bytes")]
    InboxFull {
        /// The limit: `Options::inbox_hard_limit`.
        limit: usize,
    },
    /// The client is closed.
    #[error("the connection to the broker is closed")]
    Closed,
}

/// What is known about an operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was not carried out, or not completely: of several filters in one operation, the broker grants those that it
    /// can. Doing it again cannot do it twice.
    Refused,
    /// It may or may not have been carried out.
    Unknown,
}

impl Error {
    /// Whether the operation was certainly not carried out, or nobody knows.
    ///
    /// ```
    /// use elbus_client::{Code, Error, Outcome};
    ///
    /// assert_eq!(Error::Refused(Code::NotRegistered).outcome(), Outcome::Refused);
    /// assert_eq!(Error::ConnectionLost.outcome(), Outcome::Unknown);
    /// ```
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::ConnectionLost | Self::TimedOut { .. } | Self::InboxFull { .. } => Outcome::Unknown,
            Self::Refused(_)
            | Self::Name { .. }
            | Self::Mask { .. }
            | Self::Topic { .. }
            | Self::TooLarge { .. }
            | Self::TooManyFilters { .. }
            | Self::TooManyConfirmations { .. }
            | Self::NotConnected
            | Self::StillNotConnected { .. }
            | Self::Closed => Outcome::Refused,
        }
    }

    /// The wire code that says the same, for programs that pass it on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused(code) => *code,
            Self::Name { .. } | Self::Mask { .. } | Self::Topic { .. } | Self::TooLarge { .. } => Code::Data,
            Self::TooManyFilters { .. } | Self::TooManyConfirmations { .. } => Code::Busy,
            Self::TimedOut { .. } => Code::Timeout,
            Self::NotConnected
            | Self::StillNotConnected { .. }
            | Self::ConnectionLost
            | Self::InboxFull { .. }
            | Self::Closed => Code::Io,
        }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}
