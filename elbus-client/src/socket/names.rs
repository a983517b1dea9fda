//! Senders and topics that came before: each is allocated once, as long as not too many alternate.
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
            Some((known, uses)) if known.as_bytes() == name && *uses < USES => {
                *uses += 1;
                Some(Arc::clone(known))
            }
            _ => None,
        }
    }
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
}
