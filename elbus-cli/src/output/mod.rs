//! Frames on the standard output: for people, as JSON, or the bare payloads.
//!
//! | module | does |
//! | --- | --- |
//! | [`stdout`] | gathers what is printed, and notices when nobody reads it any more |
//! | [`people`] | a frame for people to read |
//! | [`payload`] | what a payload is, and how people read it |
//! | [`tree`] | JSON, and MessagePack as the like, in one line or indented |
//! | [`hex`] | bytes that are nothing else |
//! | [`json`] | a frame as one JSON object |
//! | [`safe`] | what must not reach a terminal |
mod hex;
mod json;
mod payload;
pub(crate) mod people;
mod safe;
mod stdout;
mod tree;

pub(crate) use stdout::{Output, Style};
