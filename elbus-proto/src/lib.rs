//! The wire of the elbus message bus, without I/O.
//!
//! Everything a program needs to speak the protocol byte by byte, and nothing else: no sockets, no allocation, no
//! dependency. Encoders return small arrays to put in front of a payload; decoders look at a slice once and hand
//! back parts of it. A slice that ends too early is not an error: decoders answer `None`, and the caller comes back
//! with more bytes.
//!
//! | module | holds |
//! | --- | --- |
//! | [`greeting`] | what the two sides say before the first frame |
//! | [`request`] | frames from a client to the broker |
//! | [`delivery`] | frames from the broker to a client |
//! | [`rpc`] | the payload of a one-to-one message that is a call, a reply or a notification |
//! | [`Op`], [`Qos`], [`Code`] | operation, quality of service and error codes |
//! | [`ClientName`], [`NameMask`] | names on the bus, and masks that stand for several of them |
//! | [`Topic`], [`TopicFilter`] | topics, and filters that subscribe to several of them |
//!
//! All integers on the wire are little-endian.
//!
//! ```
//! use elbus_proto::{Op, Qos, request::RequestHeader};
//!
//! let header = RequestHeader::new(7, Op::Message, Qos::Processed, 5);
//! let bytes = header.encode();
//! assert_eq!(RequestHeader::decode(&bytes), Some(header));
//! assert_eq!(RequestHeader::decode(&bytes[..8]), None); // not all there yet
//! ```
#![no_std]
#![forbid(unsafe_code)]

mod code;
pub mod delivery;
pub mod greeting;
mod name;
mod op;
pub mod request;
pub mod rpc;
mod text;
mod topic;

pub use code::{Code, OK};
pub use name::{ClientName, MaskError, MaskPart, NameError, NameLimits, NameMask, SECONDARY_SEPARATOR};
pub use op::{Op, Qos};
pub use topic::{FilterLevel, Topic, TopicError, TopicFilter, TopicLimits};

/// The name of the broker's own client.
pub const BROKER_NAME: &str = ".broker";
/// The first level of the topics on which only the broker publishes.
pub const BROKER_TOPIC_ROOT: &str = ".broker";
/// Where the broker announces clients that come and go.
pub const BROKER_INFO_TOPIC: &str = ".broker/info";
/// Where the broker announces what every client should know; every client is subscribed to it from the start.
pub const BROKER_WARN_TOPIC: &str = ".broker/warn";
