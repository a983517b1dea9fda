//! Why there is no connection to a broker.
use std::{io, time::Duration};

use elbus_proto::{Code, NameError, greeting::GreetingError};

#[cfg(feature = "ipc")]
use crate::default_address::DefaultAddressError;
#[cfg(feature = "tls")]
use crate::tls::{TlsError, TlsFileError};
use crate::{
    Address, AddressError,
    shown::{Shown, ShownAddress},
};

/// Why there is no connection to a broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// What was given as an address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No address was given, and there is no default one.
    #[cfg(feature = "ipc")]
    #[error(transparent)]
    DefaultAddress(#[from] DefaultAddressError),
    /// A setting has a value that makes no sense.
    #[error("{setting} must be {expected}, not {value}")]
    Setting {
        /// The method of `Options`.
        setting: &'static str,
        /// What it may be.
        expected: String,
        /// What it was.
        value: String,
    },
    /// Not a client's name.
    #[error("{} cannot be registered: {reason}", Shown(.name))]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// Nothing listens at the address, or the system does not let this program connect.
    #[error("no connection to {}: {source}", ShownAddress(.address))]
    Unreachable {
        /// Where the broker should be.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// A connection over TLS could not be secured.
    #[cfg(feature = "tls")]
    #[error("no TLS connection to {address}: {reason}")]
    Tls {
        /// Where the broker should be.
        address: Address,
        /// Why, and what to do.
        reason: TlsError,
    },
    /// A file of certificates or a key cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    TlsFile(#[from] TlsFileError),
    /// This program was built without TLS.
    #[error("no connection to {address}: this program was built without TLS; the feature `tls` adds it")]
    NoTls {
        /// Where the broker should be.
        address: Address,
    },
    /// The broker speaks TLS there, and nothing else.
    #[error("the broker speaks TLS at this address: write tls://{address}")]
    TlsOnly {
        /// Where the broker is.
        address: Address,
    },
    /// The connection was lost during the greeting.
    #[error("{address} ended the connection during the greeting: {source}")]
    Lost {
        /// Where the broker should be.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever listens at the address did not connect and greet in time.
    #[error("{address} did not connect and greet within {limit:?}")]
    TimedOut {
        /// Where the broker should be.
        address: Address,
        /// The limit: `Options::timeout`.
        limit: Duration,
    },
    /// Whoever listens at the address does not speak this protocol.
    #[error("{address} is not a broker this client can talk to: {reason}")]
    Greeting {
        /// Where the broker should be.
        address: Address,
        /// What is wrong with its greeting.
        reason: GreetingError,
    },
    /// The broker does not register the client.
    #[error("the broker does not register {name:?}: {code}")]
    Refused {
        /// The client's name.
        name: String,
        /// Why.
        code: Code,
    },
    /// The client is closed: it has no secondaries any more.
    #[error("the client is closed")]
    Closed,
}

impl ConnectError {
    /// Whether it may go better the next time: a broker that is not there yet, or one that still holds the old
    /// connection of this name or misses the primary of this secondary; a certificate, which may be renewed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::TimedOut { .. } => true,
            #[cfg(feature = "tls")]
            Self::Tls { .. } | Self::TlsFile(_) => true,
            Self::Refused { code, .. } => matches!(code, Code::Busy | Code::NotRegistered),
            _ => false,
        }
    }
}
