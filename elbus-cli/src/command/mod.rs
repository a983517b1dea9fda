//! One command a file, or a directory.
pub(crate) mod benchmark;
pub(crate) mod broker;
pub(crate) mod listen;
mod pipeline;
pub(crate) mod rpc;
pub(crate) mod send;
