//! Messages that prove where they belong: each payload starts with its sender's number and a sequence number.
//!
//! ```text
//!  0              4        8             16
//! +--------------+--------+-------------+--------
//! | sender (u32) | "load" | number (u64)| zeros …
//! +--------------+--------+-------------+--------
//! ```
use elbus_proto::{Qos, delivery::Kind};

use crate::{
    dialect::{Dialect, Framed},
    failure::Failure,
};

/// The shortest payload that holds a stamp.
pub(crate) const STAMP_LEN: usize = 16;
const NUMBER_AT: usize = 8;
const MARK: [u8; 4] = *b"load";
/// Frames are sent in writes of up to this many bytes.
const BATCH_BYTES: usize = 64 << 10;

/// What one sender sends, and its receivers expect.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Tells the senders of a run apart.
    pub(crate) number: u32,
    /// The sender's name on the bus.
    pub(crate) sender: String,
    /// The targets or topics, equally long: its messages go to one after the other.
    pub(crate) addresses: Vec<String>,
    /// One-to-one or published.
    pub(crate) kind: Kind,
    /// Quality of service.
    pub(crate) qos: Qos,
    /// Payload length in bytes, at least [`STAMP_LEN`].
    pub(crate) payload: usize,
    /// What the broker speaks.
    pub(crate) dialect: Dialect,
}

impl Flow {
    fn payload_bytes(&self) -> Vec<u8> {
        let mut payload = vec![0; self.payload.max(STAMP_LEN)];
        payload[..4].copy_from_slice(&self.number.to_le_bytes());
        payload[4..NUMBER_AT].copy_from_slice(&MARK);
        payload
    }

    /// Bytes of one frame as it reaches a receiver.
    pub(crate) fn delivered_len(&self) -> usize {
        let Framed { bytes, .. } = self.dialect.delivered(self, 0, &self.payload_bytes());
        bytes.len()
    }
}

/// Frames of one flow, ready to be numbered and written at once.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    frame_len: usize,
    /// Where in a frame its number stands.
    number_at: usize,
    /// Whether a frame begins with its operation id.
    has_id: bool,
}

impl Batch {
    /// Up to `most` frames of `flow` a write, within 64 KiB. With several addresses, a multiple of them.
    pub(crate) fn new(flow: &Flow, most: u64) -> Self {
        let payload = flow.payload_bytes();
        let sent = |index| flow.dialect.sent(flow, index, &payload);
        let Framed { bytes, payload_at } = sent(0);
        let frame_len = bytes.len();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let addresses = flow.addresses.len();
        let frames = (BATCH_BYTES / frame_len).clamp(1, most.max(1));
        let frames = (frames - frames % addresses).max(addresses);
        Self {
            bytes: (0..frames)
                .flat_map(|frame| sent(frame % addresses).bytes)
                .collect(),
            frame_len,
            number_at: payload_at + NUMBER_AT,
            has_id: flow.dialect == Dialect::Elbus,
        }
    }

    /// Frames a write.
    pub(crate) fn capacity(&self) -> u64 {
        (self.bytes.len() / self.frame_len) as u64
    }

    /// The frames `first` to `first + count - 1`, at most [`Batch::capacity`]; their operation ids are the lower
    /// halves of their numbers.
    pub(crate) fn numbered(&mut self, first: u64, count: u64) -> &[u8] {
        let number_at = self.number_at;
        let len = self.frame_len * usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = &mut self.bytes[..len];
        for (number, frame) in (first..).zip(bytes.chunks_exact_mut(self.frame_len)) {
            if self.has_id {
                frame[..4].copy_from_slice(&operation_id(number).to_le_bytes());
            }
            frame[number_at..number_at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// The operation id of a numbered frame.
pub(crate) fn operation_id(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

/// Checks that every frame of a flow arrives once, whole and in order.
#[derive(Debug)]
pub(crate) struct Checker {
    /// Everything in front of the number, header included, for each address.
    prefixes: Vec<Vec<u8>>,
    dialect: Dialect,
    frame_len: usize,
    next: u64,
}

impl Checker {
    /// Expects `flow` from its number 0 on.
    pub(crate) fn new(flow: &Flow) -> Self {
        let prefixes = (0..flow.addresses.len()).map(|index| {
            let framed = flow.dialect.delivered(flow, index, &flow.payload_bytes());
            let mut bytes = framed.bytes;
            bytes.truncate(framed.payload_at + NUMBER_AT);
            bytes
        });
        Self {
            prefixes: prefixes.collect(),
            dialect: flow.dialect,
            frame_len: flow.delivered_len(),
            next: 0,
        }
    }

    /// How many have arrived.
    pub(crate) fn count(&self) -> u64 {
        self.next
    }

    /// Checks all whole frames at the front of `bytes` and says how many bytes they take.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut rest = bytes;
        loop {
            while let Some(number) = self.number_of(rest) {
                if number != self.next {
                    return Err(Failure::Sequence {
                        expected: self.next,
                        found: number,
                    });
                }
                self.next += 1;
                rest = &rest[self.frame_len..];
            }
            match self.dialect.other_frame(rest)? {
                0 => return Ok(bytes.len() - rest.len()),
                len => rest = &rest[len..],
            }
        }
    }

    /// The number of the flow's frame at the front of `bytes`; `None` for any other, and for a part of one.
    fn number_of(&self, bytes: &[u8]) -> Option<u64> {
        let due = match &self.prefixes[..] {
            [only] => only,
            several => &several[usize::try_from(self.next).ok()? % several.len()],
        };
        let behind = bytes.get(..self.frame_len)?.strip_prefix(&due[..])?;
        behind.first_chunk().map(|number| u64::from_le_bytes(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECTS: [Dialect; 4] = [Dialect::Elbus, Dialect::Nats, Dialect::Zmtp, Dialect::Relay];

    fn flow(dialect: Dialect, kind: Kind) -> Flow {
        Flow {
            number: 3,
            sender: "load.s3".into(),
            addresses: vec!["load/t".into(), "load/u".into()],
            kind,
            qos: Qos::No,
            payload: 20,
            dialect,
        }
    }

    /// What the broker makes of frames that a batch writes.
    fn delivered(flow: &Flow, first: u64, sent: &[u8], frames: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, frame) in (first as usize..).zip(sent.chunks_exact(sent.len() / frames)) {
            let end = frame.len() - if flow.dialect == Dialect::Nats { 2 } else { 0 };
            let payload = &frame[end - flow.payload..end];
            let index = number % flow.addresses.len();
            bytes.extend_from_slice(&flow.dialect.delivered(flow, index, payload).bytes);
        }
        bytes
    }

    #[test]
    fn what_a_batch_sends_is_what_a_checker_expects() {
        for dialect in DIALECTS {
            for kind in [Kind::Message, Kind::Publication] {
                let flow = flow(dialect, kind);
                let mut batch = Batch::new(&flow, 4);
                assert_eq!(batch.capacity(), 4);
                let mut bytes = delivered(&flow, 0, batch.numbered(0, 4), 4);
                assert_eq!(bytes.len(), 4 * flow.delivered_len());
                bytes.extend_from_slice(match dialect {
                    Dialect::Nats => b"PING\r\n",
                    Dialect::Zmtp => b"\x04\x04\x00abc",
                    _ => &[0; elbus_proto::delivery::HEADER_LEN],
                });
                bytes.extend_from_slice(&delivered(&flow, 4, batch.numbered(4, 2), 2));
                let cut = bytes.len() - 1;
                let mut checker = Checker::new(&flow);
                let used = checker.check(&bytes[..cut]).unwrap();
                assert_eq!(checker.count(), 5);
                assert_eq!(checker.check(&bytes[used..]).unwrap(), flow.delivered_len());
                assert_eq!(checker.count(), 6);
            }
        }
    }

    #[test]
    fn a_batch_for_several_addresses_holds_a_multiple_of_them() {
        let flow = flow(Dialect::Elbus, Kind::Publication);
        assert_eq!(Batch::new(&flow, 5).capacity(), 4);
        assert_eq!(Batch::new(&flow, 1).capacity(), 2);
    }

    #[test]
    fn a_gap_and_a_foreign_frame_are_failures() {
        for dialect in DIALECTS {
            let mut flow = flow(dialect, Kind::Message);
            flow.addresses.truncate(1);
            let mut batch = Batch::new(&flow, 1);
            let mut checker = Checker::new(&flow);
            let late = delivered(&flow, 1, batch.numbered(1, 1), 1);
            assert!(matches!(
                checker.check(&late),
                Err(Failure::Sequence {
                    expected: 0,
                    found: 1
                })
            ));
            let mut foreign = delivered(&flow, 0, batch.numbered(0, 1), 1);
            let number = flow.number.to_le_bytes();
            let at = foreign.windows(4).position(|bytes| bytes == number).unwrap();
            foreign[at] ^= 1;
            assert!(matches!(checker.check(&foreign), Err(Failure::Unexpected(_))));
        }
    }

    #[test]
    fn an_acknowledgement_and_a_complaint_are_failures() {
        let ack = elbus_proto::delivery::acknowledgement(0, Ok(()));
        let mut checker = Checker::new(&flow(Dialect::Elbus, Kind::Message));
        assert!(matches!(checker.check(&ack), Err(Failure::Unexpected(_))));
        let mut checker = Checker::new(&flow(Dialect::Nats, Kind::Message));
        let complaint = b"-ERR 'Slow Consumer'\r\n";
        assert!(matches!(checker.check(complaint), Err(Failure::Said(_))));
    }
}
