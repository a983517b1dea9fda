//! The elbus message bus as a server.
fn main() {}
