//! The elbus message bus from the shell.
//!
//! The commands `send`, `listen`, `publish` and `rpc` are the subject of a later release; this crate keeps their
//! place in the workspace.
