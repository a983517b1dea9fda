//! Fields of a log line of which nobody can forge a part.
//!
//! Clients choose their names, and a name may hold anything but control characters: spaces, `=`, and characters that
//! change the direction of text. A value that is more than one plain word is therefore quoted, and escaped like a
//! string of Rust, which leaves no character that is invisible or moves others.
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, format::Writer},
};

/// Formats `name=value`, the value quoted unless it is a plain word.
pub(crate) struct Unambiguous;

impl<'writer> FormatFields<'writer> for Unambiguous {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line {
            writer,
            is_empty: true,
            outcome: Ok(()),
        };
        fields.record(&mut line);
        line.outcome
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    outcome: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: &str) -> fmt::Result {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.write_char(' ')?;
        }
        match field.name() {
            // What happened, in words of the program's own.
            "message" => self.writer.write_str(value),
            name if is_plain(value) => write!(self.writer, "{name}={value}"),
            name => write!(self.writer, "{name}={value:?}"),
        }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.outcome.is_ok() {
            self.outcome = self.write(field, value);
        }
    }
}

/// Whether a value is a word that cannot be taken for anything else.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'='))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_plain_words_stand_without_quotes() {
        for plain in ["plant.pump%%2", "[::1]:7777", "5s", "Left"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "a b", "a=b", "a\"b", "a\\b", "a\nb", "a\u{202e}b", "pümp"] {
            assert!(!is_plain(other), "{other:?}");
        }
    }

    #[test]
    fn quoted_values_hold_no_character_that_changes_the_direction_of_text() {
        let controls = ['\u{61c}', '\u{200e}', '\u{200f}'];
        let embeddings = '\u{202a}'..='\u{202e}';
        let isolates = '\u{2066}'..='\u{2069}';
        for c in controls.into_iter().chain(embeddings).chain(isolates) {
            assert!(format!("{:?}", c.to_string()).is_ascii(), "{:x}", u32::from(c));
        }
    }
}
