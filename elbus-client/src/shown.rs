//! What somebody gave, in the text of an error: however long it is, the text stays readable.
use std::fmt;

use crate::Address;

/// What of a longer text is shown, in characters at each end.
const ENDS: usize = 60;

/// A text in quotes as `{:?}` shows it, without its middle if it is long.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ends(self.0) {
            None => write!(f, "{:?}", self.0),
            Some(Ends { front, back, count }) => {
                let (front, back) = (front.escape_debug(), back.escape_debug());
                write!(f, "\"{front}…{back}\" ({count} characters)")
            }
        }
    }
}

/// An address without quotes, without its middle if it is long.
pub(crate) struct ShownAddress<'a>(pub(crate) &'a Address);

impl fmt::Display for ShownAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match ends(&text) {
            None => f.write_str(&text),
            Some(Ends { front, back, count }) => write!(f, "{front}…{back} ({count} characters)"),
        }
    }
}

/// What is shown of a long text.
struct Ends<'a> {
    front: &'a str,
    back: &'a str,
    /// Characters of the whole.
    count: usize,
}

fn ends(text: &str) -> Option<Ends<'_>> {
    let count = text.chars().count();
    // What stands for the middle should be shorter than the middle.
    (count > 3 * ENDS).then(|| Ends {
        front: &text[..at(text, ENDS)],
        back: &text[at(text, count - ENDS)..],
        count,
    })
}

/// The place of a character, in bytes.
fn at(text: &str, character: usize) -> usize {
    text.char_indices()
        .nth(character)
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shown_without_its_middle() {
        let text = format!("{}{}{}", "ä".repeat(60), "b".repeat(9_880), "\n".repeat(60));
        let shown = format!("\"{}…{}\" (10000 characters)", "ä".repeat(60), "\\n".repeat(60));
        assert_eq!(Shown(&text).to_string(), shown);
        let text = "x".repeat(180);
        assert_eq!(Shown(&text).to_string(), format!("{text:?}"));
    }
}
