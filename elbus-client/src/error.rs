//! Why an operation of a client failed.
use elbus_proto::{Code, MaskError, NameError, TopicError};

/// Why an operation of a client failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker refused the operation, or could not carry it out.
    #[error("the broker answered: {0}")]
    Refused(Code),
    /// The target or receiver is not a client's name.
    #[error("{name:?} is not a client's name: {reason}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// The mask of a broadcast is malformed.
    #[error("{mask:?} is not a name mask: {reason}")]
    Mask {
        /// What was given.
        mask: String,
        /// What is wrong with it.
        reason: MaskError,
    },
    /// The topic or topic filter is malformed.
    #[error("{topic:?} cannot be used as a topic here: {reason}")]
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
    /// The connection to the broker is closed.
    #[error("the connection to the broker is closed")]
    Closed,
}

impl Error {
    /// The wire code that says the same, for programs that pass it on.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused(code) => *code,
            Self::Name { .. } | Self::Mask { .. } | Self::Topic { .. } | Self::TooLarge { .. } => Code::Data,
            Self::Closed => Code::Io,
        }
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}
