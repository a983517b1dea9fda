//! What every client may rely on, however it is linked to the broker.
//!
//! Each case is written once, against [`link::Party`], and runs over every link: a raw UNIX socket, a raw TCP socket,
//! the client library over either, and a client in the broker's process. Cases in which one client sends to another run over every pair of links.
//! What only exists on a socket (the greeting, pings, the order of acknowledgements) runs over both kinds of socket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod accounts;
mod acknowledgements;
mod announcements;
mod departures;
mod fifo;
mod greeting;
mod link;
mod messages;
mod methods;
mod names;
mod secondaries;
mod sizes;
mod takeovers;
mod topics;
