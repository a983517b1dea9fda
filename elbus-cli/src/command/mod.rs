//! One command a file.
pub(crate) mod listen;
mod pipeline;
pub(crate) mod send;
