//! What is malformed costs only its sender.
//!
//! A table changes one field of a good frame at a time and says what is answered and whether the connection lives on;
//! valid streams are cut in every way; and what makes no sense at all harms nobody else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod garbage;
mod splits;
mod table;

use elbus_proto::Op;
use elbus_testkit::{Raw, TestBroker, Transport};

/// Two clients that have nothing to do with the one that misbehaves.
struct Bystanders {
    sender: Raw,
    receiver: Raw,
    exchanged: u32,
}

impl Bystanders {
    fn new(test: &TestBroker, transport: Transport) -> Self {
        Self {
            sender: test.client(transport, "bystander.sender"),
            receiver: test.client(transport, "bystander.receiver"),
            exchanged: 0,
        }
    }

    /// Expects that they are served, and that nothing else has reached the receiver.
    fn are_served(&mut self) {
        self.exchanged += 1;
        let payload = self.exchanged.to_le_bytes();
        let body = [b"bystander.receiver\0", &payload[..]].concat();
        assert_eq!(self.sender.ask(self.exchanged, Op::Message, &body), Ok(()));
        let received = self.receiver.message();
        assert_eq!(received, ("bystander.sender".to_owned(), payload.to_vec()));
    }
}
