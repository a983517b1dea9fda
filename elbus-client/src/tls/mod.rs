//! What both sides of a TLS connection need: certificates from files, a relay to an ordinary socket, and errors that
//! say what to do.
//!
//! Broker and client read and write sockets directly, from whichever thread has something to write. A TLS connection is
//! no file descriptor, so a task of its own relays it to a pair of connected sockets ([`Relay`]): what it costs is
//! paid by TLS connections alone.
mod error;
mod files;
mod relay;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub use error::TlsError;
pub use files::{TlsFileError, authorities, certificates, key, mismatch};
pub use relay::{Relay, Relayed};

/// The cryptography in use, whatever other parts of the process use.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
