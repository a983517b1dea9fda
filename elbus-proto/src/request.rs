//! Frames from a client to the broker.
//!
//! ```text
//!  0           4        5           9
//! +-----------+--------+-----------+----------
//! | id (u32)  | QQoooooo | len (u32) | body …      Q: QoS (2 bits), o: operation (6 bits)
//! +-----------+--------+-----------+----------
//! ```
//!
//! | operation | body |
//! | --- | --- |
//! | nop | – |
//! | publish | topic `00` payload |
//! | subscribe, unsubscribe, exclude, unexclude | filters separated by `00`, without a trailing one |
//! | publish for | topic `00` receiver `00` payload |
//! | message | target `00` payload |
//! | broadcast | mask `00` payload |
//!
//! A header whose byte 4 is 0 is a ping: nine bytes and no body, whatever the other bytes hold.
use crate::{Op, Qos};

/// Length of a request's header in bytes.
pub const HEADER_LEN: usize = 9;

/// A ping: a header without a body, which is not answered.
pub const PING: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// The nine bytes in front of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Chosen by the client, echoed in the acknowledgement.
    pub id: u32,
    /// Length of the body in bytes; 0 for a ping, whatever its bytes say.
    pub body_len: u32,
    /// Quality of service.
    pub qos: Qos,
    op_bits: u8,
}

impl RequestHeader {
    /// A header for an operation with a body of `body_len` bytes.
    #[must_use]
    pub const fn new(id: u32, op: Op, qos: Qos, body_len: u32) -> Self {
        Self {
            id,
            body_len,
            qos,
            op_bits: op as u8,
        }
    }

    /// The header as it travels.
    #[must_use]
    pub const fn encode(&self) -> [u8; HEADER_LEN] {
        let id = self.id.to_le_bytes();
        let len = self.body_len.to_le_bytes();
        let flags = self.op_bits | (self.qos as u8) << 6;
        [id[0], id[1], id[2], id[3], flags, len[0], len[1], len[2], len[3]]
    }

    /// Reads a header from the front of `bytes`; `None` when fewer than [`HEADER_LEN`] are there.
    #[must_use]
    #[inline]
    pub const fn decode(bytes: &[u8]) -> Option<Self> {
        let Some((head, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return None;
        };
        let [i0, i1, i2, i3, flags, l0, l1, l2, l3] = *head;
        Some(Self {
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            body_len: if flags == 0 {
                0
            } else {
                u32::from_le_bytes([l0, l1, l2, l3])
            },
            qos: Qos::from_bits(flags >> 6),
            op_bits: flags & 0x3F,
        })
    }

    /// The operation; `None` for one that the protocol does not define.
    #[must_use]
    #[inline]
    pub const fn op(&self) -> Option<Op> {
        Op::from_bits(self.op_bits)
    }

    /// The six operation bits as they came, for reports about an operation that is not defined.
    #[must_use]
    pub const fn op_bits(&self) -> u8 {
        self.op_bits
    }

    /// Whether this is a ping: no operation, nothing to acknowledge, no body.
    #[must_use]
    #[inline]
    pub const fn is_ping(&self) -> bool {
        self.op_bits == 0 && matches!(self.qos, Qos::No)
    }

    /// Length of the whole frame in bytes.
    #[must_use]
    #[inline]
    pub const fn frame_len(&self) -> u64 {
        HEADER_LEN as u64 + self.body_len as u64
    }
}

/// Splits the body of a publish, message or broadcast into its address (topic, target or mask) and its payload;
/// `None` when the separator is missing.
#[must_use]
#[inline]
pub fn addressed(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = first_zero(body)?;
    let (address, rest) = body.split_at(end);
    rest.split_first().map(|(_, payload)| (address, payload))
}

/// Splits the body of a publish-for into topic, receiver and payload; `None` when a separator is missing.
#[must_use]
pub fn addressed_for(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (topic, rest) = addressed(body)?;
    let (receiver, payload) = addressed(rest)?;
    Some((topic, receiver, payload))
}

/// The filters in the body of a subscribe, unsubscribe, exclude or unexclude; an empty body holds none.
pub fn filters(body: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let whole = if body.is_empty() { None } else { Some(body) };
    whole.into_iter().flat_map(|body| body.split(|&byte| byte == 0))
}

/// Where the first zero byte stands. Eight bytes at a time, because every frame has a name or topic to find the end of.
#[inline]
fn first_zero(bytes: &[u8]) -> Option<usize> {
    const LOWEST_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The highest bits of zero bytes; above the first one a byte may be marked that is none.
        let zeros = word.wrapping_sub(LOWEST_BITS) & !word & HIGHEST_BITS;
        if zeros != 0 {
            return Some(8 * n + zeros.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|&byte| byte == 0)?;
    Some(8 * words.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_laid_out_as_documented() {
        let header = RequestHeader::new(0x0403_0201, Op::Message, Qos::Processed, 0x0807_0605);
        assert_eq!(header.encode(), [1, 2, 3, 4, 0x52, 5, 6, 7, 8]);
        assert_eq!(RequestHeader::decode(&header.encode()), Some(header));
    }

    #[test]
    fn a_ping_has_no_body_whatever_its_other_bytes_hold() {
        let header = RequestHeader::decode(&[9, 9, 9, 9, 0, 0xFF, 0xFF, 0xFF, 0xFF]).unwrap();
        assert!(header.is_ping());
        assert_eq!(header.frame_len(), HEADER_LEN as u64);
    }

    #[test]
    fn a_nop_that_asks_is_no_ping() {
        let header = RequestHeader::new(1, Op::Nop, Qos::Processed, 0);
        assert!(!header.is_ping());
        assert_eq!(header.op(), Some(Op::Nop));
    }

    #[test]
    fn eight_bytes_are_not_a_header_yet() {
        assert_eq!(RequestHeader::decode(&[1; 8]), None);
    }

    #[test]
    fn payloads_may_be_empty_and_may_hold_zeros() {
        assert_eq!(addressed(b"a\0"), Some((&b"a"[..], &b""[..])));
        assert_eq!(addressed(b"a\0\0b\0"), Some((&b"a"[..], &b"\0b\0"[..])));
        assert_eq!(addressed(b"a"), None);
        assert_eq!(addressed_for(b"t\0r\0p"), Some((&b"t"[..], &b"r"[..], &b"p"[..])));
        assert_eq!(addressed_for(b"t\0r"), None);
    }

    #[test]
    fn an_empty_body_holds_no_filters() {
        assert_eq!(filters(b"").count(), 0);
        assert!(filters(b"a\0b").eq([&b"a"[..], b"b"]));
        assert!(filters(b"a\0").eq([&b"a"[..], b""]));
    }

    #[test]
    fn the_first_zero_is_found_wherever_it_stands() {
        for len in 0..40 {
            // Bytes whose neighbours are mistaken for zeros by a careless search.
            for fill in [0x01, 0x7F, 0x80, 0x81, 0xFF] {
                let mut bytes = [fill; 40];
                assert_eq!(first_zero(&bytes[..len]), None);
                for at in 0..len {
                    bytes[at] = 0;
                    bytes[39] = 0;
                    assert_eq!(first_zero(&bytes[..len]), Some(at), "{len} {at} {fill}");
                    bytes[at] = fill;
                }
            }
        }
    }
}
