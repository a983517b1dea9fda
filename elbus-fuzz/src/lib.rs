//! What the fuzz targets do with their input.
//!
//! Each function takes any bytes, does with them what a stranger could do, and panics when something does not hold. A
//! coverage-guided fuzzer calls them (`fuzz/run`); `tests/targets.rs` calls them with the corpora in `fuzz/corpus` and
//! with what becomes of these by chance, on every toolchain.
//!
//! | target | bytes are | what holds |
//! | --- | --- | --- |
//! | [`greeting()`] | what a connection says first | the answers are those the protocol has for it; nothing is left over |
//! | [`session()`] | what several connections do, step by step | everyone hears whole frames of clients there are; nothing is left over |
//! | [`reader`] | what a broker says to our client | exactly the frames in front of the first bad one arrive, and everything ends |
//! | [`rpc_codec`] | payloads sent to a service and to a caller | the codec agrees with a simple one; service and caller work on |
//! | [`masks`] | names, masks, topics and filters | matching and covering agree with matchers too simple to be wrong |
//! | [`fifo`] | lines of a command FIFO | what is to be published is, in order, and nothing else |
//! | [`configuration`] | a configuration file | it is taken or refused, alike each time, with a line that there is |
//!
//! The broker lives on from one input to the next, so that what an input leaves behind is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "panicking is how something that does not hold is reported"
)]

// The server is a program and no library, so what reads its configuration file is included.
#[allow(dead_code, unused_imports, reason = "the server uses more of it")]
#[path = "../../elbus-server/src/args.rs"]
mod args;
mod bus;
#[allow(dead_code, unused_imports, reason = "the server uses more of it")]
#[path = "../../elbus-server/src/config_file/mod.rs"]
mod config_file;
mod fifo;
mod greeting;
mod masks;
mod reader;
mod rpc;
mod server;
mod session;

pub use fifo::fifo;
pub use greeting::greeting;
pub use masks::masks;
pub use reader::reader;
pub use rpc::rpc_codec;
pub use server::configuration;
pub use session::session;

/// A target: it panics when something does not hold.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("greeting", greeting),
    ("session", session),
    ("reader", reader),
    ("rpc_codec", rpc_codec),
    ("masks", masks),
    ("fifo", fifo),
    ("configuration", configuration),
];
