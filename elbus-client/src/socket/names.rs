//! Senders and topics that came before: each is allocated once, as long as not too many alternate. And how names are
//! compared.
use std::sync::Arc;

/// Names remembered; a power of two.
const SLOTS: usize = 64;

/// How often a name is handed out before it is allocated anew. One that lived for ever would have its counter
/// pulled to and fro between the thread that reads and those that drop frames.
const USES: u32 = 256;

/// A name's slot is found by a hash of its length and its ends. Whoever chooses names that collide only makes them
/// be allocated again.
#[derive(Debug)]
pub(super) struct Names {
    slots: Vec<Option<(Arc<str>, u32)>>,
    /// The slot of the last name: as a rule the next one is the same.
    last: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            slots: vec![None; SLOTS],
            last: 0,
        }
    }
}

impl Names {
    /// The name as shared text; `None` if it is not UTF-8.
    #[inline]
    pub(super) fn shared(&mut self, name: &[u8]) -> Option<Arc<str>> {
        if let Some(known) = self.known(self.last, name) {
            return Some(known);
        }
        self.last = slot_of(name);
        if let Some(known) = self.known(self.last, name) {
            return Some(known);
        }
        let name: Arc<str> = std::str::from_utf8(name).ok()?.into();
        self.slots[self.last] = Some((Arc::clone(&name), 1));
        Some(name)
    }

    #[inline]
    fn known(&mut self, slot: usize, name: &[u8]) -> Option<Arc<str>> {
        match &mut self.slots[slot] {
            Some((known, uses)) if is_same(known.as_bytes(), name) && *uses < USES => {
                *uses += 1;
                Some(Arc::clone(known))
            }
            _ => None,
        }
    }
}

/// As `==`. What glibc takes for it on x86-64 with AVX2 or later loads 32 bytes of a name that is shorter, too (masked, or
/// beyond its end), and such a load waits until what was just written there in smaller pieces is in the cache.
#[inline]
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let mut differs = 0;
    for (word, other_word) in words.iter().zip(other_words) {
        differs |= u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*other_word);
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) => differs |= u64::from_ne_bytes(*end) ^ u64::from_ne_bytes(*other_end),
        _ => {
            return rest
                .iter()
                .zip(other_rest)
                .all(|(byte, other_byte)| byte == other_byte);
        }
    }
    differs == 0
}

fn slot_of(name: &[u8]) -> usize {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let end = name.len().saturating_sub(8);
    let mixed = word(&name[..name.len().min(8)]) ^ word(&name[end..]).rotate_left(29) ^ name.len() as u64;
    // Fibonacci hashing: the upper bits of the product depend on all of the lower ones.
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_comes_again_is_shared() {
        let mut names = Names::default();
        let first = names.shared(b"plant.pump").unwrap();
        let again = names.shared(b"plant.pump").unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(names.shared(b"").as_deref(), Some(""));
        assert_eq!(names.shared(b"\xFF"), None);
    }

    #[test]
    fn names_are_the_same_only_if_every_byte_is() {
        let name: Vec<u8> = (0..40).collect();
        for len in 0..=name.len() {
            assert!(is_same(&name[..len], &name.clone()[..len]));
            assert_eq!(is_same(&name, &name[..len]), len == name.len());
            for at in 0..len {
                let mut other = name[..len].to_vec();
                other[at] ^= 0x80;
                assert!(!is_same(&name[..len], &other), "byte {at} of {len}");
            }
        }
    }
}
