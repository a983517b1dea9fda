//! A fast local message bus.
