//! The client of the elbus message bus.
