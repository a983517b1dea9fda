//! What each of the workers has, and the payloads that they send.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use elbus_client::{Client, Code, Error, Inbox};

use crate::{command::send::Destination, error::CliError};

/// One of the clients that work at the same time.
pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) inbox: Inbox,
    pub(super) share: Share,
}

/// What a worker has to do.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) operations: u64,
    pub(super) in_flight: usize,
    pub(super) payload_size: usize,
    /// Longest wait for something that should come.
    pub(super) patience: Duration,
    pub(super) done: Arc<AtomicU64>,
    pub(super) clock: Clock,
}

impl Share {
    /// One operation more is done.
    pub(super) fn note_done(&self) {
        self.done.fetch_add(1, Relaxed);
    }

    pub(super) fn payload(&self) -> Payload {
        Payload(vec![0xEE; self.payload_size])
    }
}

/// Nanoseconds since a stage began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub(super) Instant);

impl Clock {
    pub(super) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// A payload that says which one it is and when it was sent, as far as there is room.
///
/// ```text
/// number (u64)  time (u64, 0: not measured)  EE EE EE …
/// ```
pub(super) struct Payload(pub(super) Vec<u8>);

impl Payload {
    pub(super) fn stamp(&mut self, number: u64, time: u64) {
        for (at, stamp) in [(0, number), (8, time)] {
            if let Some(bytes) = self.0.get_mut(at..at + 8) {
                bytes.copy_from_slice(&stamp.to_le_bytes());
            }
        }
    }

    /// The number, and the time if it was measured; `None` where there is no room for it.
    pub(super) fn stamps(payload: &[u8]) -> (Option<u64>, Option<u64>) {
        let stamp = |at: usize| Some(u64::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        (stamp(0), stamp(8).filter(|&time| time > 0))
    }
}

/// The name of nobody.
pub(super) fn nobody(client: &Client) -> String {
    format!("{}.nobody", client.name())
}

/// That nobody is there has to be the broker's verdict, and shows that it was asked.
pub(super) fn by_nobody(target: &str, verdict: Result<(), Error>) -> Result<(), CliError> {
    match verdict {
        Ok(()) | Err(Error::Refused(Code::NotRegistered)) => Ok(()),
        Err(error) => Err(failed(target, error)),
    }
}

pub(super) fn failed(target: &str, error: Error) -> CliError {
    CliError::Send {
        destination: Destination::Client(target.to_owned()),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_of_any_size_carries_what_it_has_room_for() {
        for (size, expected) in [
            (0, (None, None)),
            (7, (None, None)),
            (8, (Some(3), None)),
            (15, (Some(3), None)),
            (16, (Some(3), Some(4))),
            (100, (Some(3), Some(4))),
        ] {
            let mut payload = Payload(vec![0xEE; size]);
            payload.stamp(3, 4);
            assert_eq!(payload.0.len(), size);
            assert_eq!(Payload::stamps(&payload.0), expected, "{size} bytes");
        }
        let mut payload = Payload(vec![0xEE; 16]);
        payload.stamp(3, 0);
        assert_eq!(Payload::stamps(&payload.0), (Some(3), None));
    }
}
