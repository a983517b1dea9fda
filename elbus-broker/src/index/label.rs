//! The text of one level or of a name, in 24 bytes when it is short.
//!
//! Most levels are a few letters long. A `Box<str>` would cost them a second allocation, 16 bytes to point to it
//! and, on each comparison, another cache line.
use std::fmt;

/// Longest text that lies in the label itself.
const INLINE: usize = 22;

pub(super) struct Label(Text);

enum Text {
    Inline { len: u8, bytes: [u8; INLINE] },
    Boxed(Box<str>),
}

impl Label {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Text::Boxed(text) => text.as_bytes(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match &self.0 {
            // Copied from a str, so this never comes out empty; off the hot paths, so checking again is cheap.
            Text::Inline { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Boxed(text) => text,
        }
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        let mut bytes = [0; INLINE];
        Self(match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text.as_bytes());
                Text::Inline { len, bytes }
            }
            _ => Text::Boxed(text.into()),
        })
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_come_back() {
        for len in 0..300 {
            let text = "ü".repeat(len / 2) + &"x".repeat(len % 2);
            let label = Label::from(text.as_str());
            assert_eq!((label.as_str(), label.as_bytes()), (&*text, text.as_bytes()));
            assert_eq!(matches!(label.0, Text::Inline { .. }), text.len() <= INLINE);
        }
        assert_eq!(size_of::<Label>(), 24);
    }
}
