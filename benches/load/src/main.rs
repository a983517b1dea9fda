//! A load generator on raw sockets.
fn main() {}
