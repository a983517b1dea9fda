//! What names a cursor on the wire.
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

/// Names a cursor: what a service answers, and a client asks with. On the wire it is the map `{u: 16 bytes}`, the bytes
/// being a random UUID. Whoever knows it may page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CursorId {
    u: Uuid,
}

impl CursorId {
    /// Cannot be guessed: a keyed hash (SipHash) of a counter, with keys from the operating system.
    pub(super) fn random() -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let count = COUNTER.fetch_add(1, Relaxed);
        let [high, low] = &*KEYS;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.hash_one(count).to_be_bytes());
        bytes[8..].copy_from_slice(&low.hash_one(count).to_be_bytes());
        // RFC 9562: version 4, variant 1.
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self { u: Uuid(bytes) }
    }

    /// What a client asks with for the next `n` records.
    pub(super) const fn bulk(self, n: u32) -> impl Serialize {
        #[derive(Serialize)]
        struct Bulk {
            u: Uuid,
            n: u32,
        }
        Bulk { u: self.u, n }
    }
}

/// The bytes of a UUID, as MessagePack bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Uuid([u8; 16]);

impl From<Uuid> for CursorId {
    fn from(u: Uuid) -> Self {
        Self { u }
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the 16 bytes of a UUID")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Uuid, E> {
        let bytes = bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(Uuid(bytes))
    }

    /// Some languages' libraries write bytes as an array of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Uuid, A::Error> {
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let missing = || A::Error::invalid_length(at, &self);
            *byte = numbers.next_element()?.ok_or_else(missing)?;
        }
        Ok(Uuid(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_map_with_16_bytes_and_read_from_numbers_as_well() {
        let id = CursorId::random();
        let bytes = rmp_serde::to_vec_named(&id).unwrap();
        assert_eq!(bytes[..5], *b"\x81\xa1u\xc4\x10");
        assert_eq!(rmp_serde::from_slice::<CursorId>(&bytes).unwrap(), id);
        let numbers = rmp_serde::to_vec_named(&std::collections::HashMap::from([("u", id.u.0)])).unwrap();
        assert_eq!(rmp_serde::from_slice::<CursorId>(&numbers).unwrap(), id);
    }

    #[test]
    fn no_two_are_alike() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| CursorId::random()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
