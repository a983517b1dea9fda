//! Requests, replies and services over a client of the elbus message bus.
//!
//! So far this crate holds the types that every part of the RPC layer shares: the payload codec of the protocol.
//! Calls and services are the subject of a later release.

pub use elbus_proto::rpc::{Payload, RpcError, bus_error, code, decode};
