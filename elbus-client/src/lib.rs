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
//! | [`Sending`] | one operation being built; `.await` it |
//! | [`Inbox`] | the stream of received [`Frame`]s |
//! | [`Error`] | why an operation failed |
//! | [`link`] | what lies between a client and a broker, for those who write another link |
//!
//! The socket link is the subject of a later release; today clients come from `elbus-broker`, in the same process.

mod address;
mod client;
#[cfg(feature = "ipc")]
pub mod default_address;
mod error;
mod frame;
mod inbox;
pub mod link;

pub use address::{Address, AddressError};
pub use client::{Client, Sending, Sent};
pub use elbus_proto::{Code, Qos, delivery::Kind};
pub use error::Error;
pub use frame::Frame;
pub use inbox::Inbox;
pub use link::Payload;
