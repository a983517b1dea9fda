//! What is printed: frames, results and tables, for people, as JSON, or as the bare bytes.
//!
//! | module | does |
//! | --- | --- |
//! | [`stdout`] | gathers what is printed, and notices when nobody reads it any more |
//! | [`seen`] | what a frame is: a call and a notification, too |
//! | [`people`] | a frame, or a result, for people to read |
//! | [`table`] | rows and columns |
//! | [`payload`] | what a payload is, and how people read it |
//! | [`tree`] | JSON and the like, in one line or indented |
//! | [`message_pack`] | MessagePack as JSON and the like |
//! | [`hex`] | bytes that are nothing else |
//! | [`json`] | a frame as one JSON object, a result as a JSON value |
//! | [`safe`] | what must not reach a terminal |
mod hex;
mod json;
mod message_pack;
mod payload;
pub(crate) mod people;
pub(crate) mod safe;
mod seen;
mod stdout;
pub(crate) mod table;
mod tree;

pub(crate) use seen::Seen;
pub(crate) use stdout::{Output, Style};
