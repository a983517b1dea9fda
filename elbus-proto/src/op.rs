//! Operations and quality of service: the fifth byte of a request.

/// What a client asks of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Op {
    /// Nothing: keeps a connection busy, and asks for an acknowledgement if the QoS says so.
    Nop = 0x00,
    /// Publish to a topic.
    Publish = 0x01,
    /// Subscribe to topic filters.
    Subscribe = 0x02,
    /// Unsubscribe from topic filters.
    Unsubscribe = 0x03,
    /// Stop receiving publications that match the filters, whatever is subscribed (BUS/RT).
    Exclude = 0x04,
    /// Take exclusions back (BUS/RT).
    Unexclude = 0x05,
    /// Publish to those subscribers only that share a given primary name (BUS/RT).
    PublishFor = 0x06,
    /// Send to one client.
    Message = 0x12,
    /// Send to every client whose name matches a mask.
    Broadcast = 0x13,
}

impl Op {
    /// Reads an operation from its six bits; `None` for one that the protocol does not define.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x00 => Self::Nop,
            0x01 => Self::Publish,
            0x02 => Self::Subscribe,
            0x03 => Self::Unsubscribe,
            0x04 => Self::Exclude,
            0x05 => Self::Unexclude,
            0x06 => Self::PublishFor,
            0x12 => Self::Message,
            0x13 => Self::Broadcast,
            _ => return None,
        })
    }
}

/// Quality of service: whether the broker acknowledges, and whether every hop flushes at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Qos {
    /// Fire and forget.
    #[default]
    No = 0,
    /// The broker acknowledges.
    Processed = 1,
    /// Every hop flushes at once.
    Realtime = 2,
    /// Both.
    RealtimeProcessed = 3,
}

impl Qos {
    /// Reads the two lowest bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0 => Self::No,
            1 => Self::Processed,
            2 => Self::Realtime,
            _ => Self::RealtimeProcessed,
        }
    }

    /// Whether the broker acknowledges.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        self as u8 & 1 != 0
    }

    /// Whether every hop flushes at once.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        self as u8 & 2 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_back_from_their_bits() {
        let known: [u8; 9] = [0, 1, 2, 3, 4, 5, 6, 0x12, 0x13];
        for bits in 0..64 {
            match Op::from_bits(bits) {
                Some(op) => assert_eq!(op as u8, bits),
                None => assert!(!known.contains(&bits)),
            }
        }
    }

    #[test]
    fn qos_bits_say_acknowledged_and_real_time() {
        let said: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];
        for (bits, (acknowledged, realtime)) in said.into_iter().enumerate() {
            let qos = Qos::from_bits(bits as u8);
            assert_eq!(
                (qos.is_acknowledged(), qos.is_realtime()),
                (acknowledged, realtime)
            );
        }
    }
}
