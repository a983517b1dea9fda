//! The client of the elbus message bus.
//!
//! A [`Client`] sends; its [`Inbox`] receives. They are separate so that neither ever waits for the other: clone the
//! client into as many tasks as you like and read the inbox in one of them. A client is the same type whether its
//! link is a socket or a broker in the same process (`Broker::client` of `elbus-broker`), so whatever is written for
//! a `Client` works on both.
//!
//! | item | is |
//! | --- | --- |
//! | [`Client`] | a cheap clone that sends, publishes and subscribes |
//! | [`Options`] | how and where to connect, and every limit |
//! | [`Sending`] | one operation being built; `.await` it, or `.confirm()` it to have many in flight |
//! | [`Inbox`] | the stream of received [`Frame`]s |
//! | [`Events`] | what happens to the connection |
//! | [`Error`], [`ConnectError`] | why an operation failed; why there is no connection |
//! | [`link`] | what lies between a client and a broker, for those who write another link |
//!
//! A client on a socket (feature `ipc`, the default) gathers what is sent and writes it when the sending task yields;
//! it comes back after the connection was lost, with everything it had subscribed to. It runs on tokio. Feature `tls` adds
//! connections over TLS.

mod address;
mod client;
mod connect_error;
#[cfg(feature = "ipc")]
pub mod default_address;
mod error;
mod event;
mod frame;
mod inbox;
#[doc(hidden)]
pub mod keep_alive;
pub mod link;
#[cfg(feature = "ipc")]
mod options;
mod portion;
#[cfg(feature = "readiness")]
#[doc(hidden)]
pub mod readiness;
mod sending;
mod shown;
#[cfg(feature = "ipc")]
mod socket;
#[cfg(feature = "tls")]
#[doc(hidden)]
pub mod tls;

pub use address::{Address, AddressError};
pub use client::{Client, Closing};
pub use connect_error::ConnectError;
pub use elbus_proto::{Code, Qos, delivery::Kind};
pub use error::{Error, Outcome};
pub use event::{Disconnect, Event, Events};
pub use frame::Frame;
pub use inbox::Inbox;
pub use link::Payload;
#[cfg(feature = "ipc")]
pub use options::Options;
pub use sending::{Confirmation, Confirming, Sending, Sent};
#[cfg(feature = "bench")]
#[doc(hidden)]
pub use socket::bench;
#[cfg(feature = "tls")]
pub use tls::{TlsError, TlsFileError};
