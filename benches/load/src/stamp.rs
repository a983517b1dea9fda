//! Messages that prove where they belong: each payload starts with its sender's number and a sequence number.
//!
//! ```text
//!  0              4        8             16
//! +--------------+--------+-------------+--------
//! | sender (u32) | "load" | number (u64)| zeros …
//! +--------------+--------+-------------+--------
//! ```
use elbus_proto::{
    Op, Qos,
    delivery::{self, Delivery, Kind},
};

use crate::{failure::Failure, wire::request};

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
    /// The target or the topic.
    pub(crate) address: String,
    /// One-to-one or published.
    pub(crate) kind: Kind,
    /// Quality of service.
    pub(crate) qos: Qos,
    /// Payload length in bytes, at least [`STAMP_LEN`].
    pub(crate) payload: usize,
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
        let topic = match self.kind {
            Kind::Publication => self.address.len() + 1,
            Kind::Message | Kind::Broadcast => 0,
        };
        delivery::HEADER_LEN + self.sender.len() + 1 + topic + self.payload
    }
}

/// Frames of one flow, ready to be numbered and written at once.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    frame_len: usize,
}

impl Batch {
    /// Up to `most` frames of `flow` a write, within 64 KiB.
    pub(crate) fn new(flow: &Flow, most: u64) -> Self {
        let op = match flow.kind {
            Kind::Publication => Op::Publish,
            Kind::Broadcast => Op::Broadcast,
            Kind::Message => Op::Message,
        };
        let frame = request(0, op, flow.qos, &flow.address, Some(&flow.payload_bytes()));
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let frames = (BATCH_BYTES / frame.len()).clamp(1, most.max(1));
        Self {
            bytes: frame.repeat(frames),
            frame_len: frame.len(),
        }
    }

    /// Frames a write.
    pub(crate) fn capacity(&self) -> u64 {
        (self.bytes.len() / self.frame_len) as u64
    }

    /// The frames `first` to `first + count - 1`, at most [`Batch::capacity`]; their operation ids are the lower
    /// halves of their numbers.
    pub(crate) fn numbered(&mut self, first: u64, count: u64) -> &[u8] {
        // The payload stands at the end, behind an address of any length.
        let number_at = self.number_at();
        let len = self.frame_len * usize::try_from(count).unwrap_or(usize::MAX);
        let bytes = &mut self.bytes[..len];
        for (number, frame) in (first..).zip(bytes.chunks_exact_mut(self.frame_len)) {
            frame[..4].copy_from_slice(&operation_id(number).to_le_bytes());
            frame[number_at..number_at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn number_at(&self) -> usize {
        let header = elbus_proto::request::HEADER_LEN;
        let separator = self.bytes[header..].iter().position(|&byte| byte == 0);
        header + separator.unwrap_or(0) + 1 + NUMBER_AT
    }
}

/// The operation id of a numbered frame.
pub(crate) fn operation_id(number: u64) -> u32 {
    (number & u64::from(u32::MAX)) as u32
}

/// Checks that every frame of a flow arrives once, whole and in order.
#[derive(Debug)]
pub(crate) struct Checker {
    /// Everything in front of the number, header included.
    prefix: Vec<u8>,
    frame_len: usize,
    next: u64,
}

impl Checker {
    /// Expects `flow` from its number 0 on.
    pub(crate) fn new(flow: &Flow) -> Self {
        let frame_len = flow.delivered_len();
        let body_len = u32::try_from(frame_len - delivery::HEADER_LEN).unwrap_or(u32::MAX);
        let mut prefix = Vec::from(delivery::header(flow.kind, body_len, flow.qos.is_realtime()));
        prefix.extend_from_slice(flow.sender.as_bytes());
        prefix.push(0);
        if flow.kind == Kind::Publication {
            prefix.extend_from_slice(flow.address.as_bytes());
            prefix.push(0);
        }
        prefix.extend_from_slice(&flow.payload_bytes()[..NUMBER_AT]);
        Self {
            prefix,
            frame_len,
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
            match other_frame(rest)? {
                0 => return Ok(bytes.len() - rest.len()),
                len => rest = &rest[len..],
            }
        }
    }

    /// The number of the flow's frame at the front of `bytes`; `None` for any other, and for a part of one.
    fn number_of(&self, bytes: &[u8]) -> Option<u64> {
        let behind = bytes.get(..self.frame_len)?.strip_prefix(&self.prefix[..])?;
        behind.first_chunk().map(|number| u64::from_le_bytes(*number))
    }
}

/// The length of a frame that belongs to no flow: a ping or an announcement of the broker; 0 when the frame is not
/// all there. Others are a failure.
pub(crate) fn other_frame(bytes: &[u8]) -> Result<usize, Failure> {
    match delivery::decode(bytes) {
        None => Ok(0),
        Some(Err(error)) => Err(Failure::Unreadable(error)),
        Some(Ok((Delivery::Ping, len))) => Ok(len),
        Some(Ok((Delivery::Frame { topic, .. }, len))) if topic.starts_with(b".broker/") => Ok(len),
        Some(Ok((Delivery::Acknowledgement { id, .. }, _))) => {
            Err(Failure::Unexpected(format!("acknowledgement of operation {id}")))
        }
        Some(Ok((Delivery::Frame { sender, payload, .. }, _))) => Err(Failure::Unexpected(format!(
            "frame of {} payload bytes from {:?}",
            payload.len(),
            String::from_utf8_lossy(sender)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(kind: Kind) -> Flow {
        Flow {
            number: 3,
            sender: "load.s3".into(),
            address: "load/t".into(),
            kind,
            qos: Qos::No,
            payload: 20,
        }
    }

    /// What the broker makes of the frames that a batch writes.
    fn delivered(flow: &Flow, requests: &[u8], frames: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in requests.chunks_exact(requests.len() / frames) {
            let address_and_payload = &frame[elbus_proto::request::HEADER_LEN..];
            let body = match flow.kind {
                Kind::Publication => address_and_payload,
                _ => &address_and_payload[flow.address.len() + 1..],
            };
            let len = u32::try_from(flow.sender.len() + 1 + body.len()).unwrap();
            bytes.extend_from_slice(&delivery::header(flow.kind, len, false));
            bytes.extend_from_slice(flow.sender.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(body);
        }
        bytes
    }

    #[test]
    fn what_a_batch_sends_is_what_a_checker_expects() {
        for kind in [Kind::Message, Kind::Publication] {
            let flow = flow(kind);
            let mut batch = Batch::new(&flow, 3);
            assert_eq!(batch.capacity(), 3);
            let mut bytes = delivered(&flow, batch.numbered(0, 3), 3);
            assert_eq!(bytes.len(), 3 * flow.delivered_len());
            bytes.extend_from_slice(&[0; delivery::HEADER_LEN]); // a ping
            bytes.extend_from_slice(&delivered(&flow, batch.numbered(3, 2), 2));
            let cut = bytes.len() - 1;
            let mut checker = Checker::new(&flow);
            let used = checker.check(&bytes[..cut]).unwrap();
            assert_eq!(checker.count(), 4);
            assert_eq!(checker.check(&bytes[used..]).unwrap(), flow.delivered_len());
            assert_eq!(checker.count(), 5);
        }
    }

    #[test]
    fn a_gap_a_foreign_frame_and_an_acknowledgement_are_failures() {
        let flow = flow(Kind::Message);
        let mut batch = Batch::new(&flow, 1);
        let mut checker = Checker::new(&flow);
        let late = delivered(&flow, batch.numbered(1, 1), 1);
        assert!(matches!(
            checker.check(&late),
            Err(Failure::Sequence {
                expected: 0,
                found: 1
            })
        ));
        let mut foreign = delivered(&flow, batch.numbered(0, 1), 1);
        foreign[delivery::HEADER_LEN] ^= 1;
        assert!(matches!(checker.check(&foreign), Err(Failure::Unexpected(_))));
        let ack = delivery::acknowledgement(0, Ok(()));
        assert!(matches!(checker.check(&ack), Err(Failure::Unexpected(_))));
    }
}
