//! What must not reach a terminal: characters that do something there other than show themselves.
use std::borrow::Cow;

/// Control characters (escape sequences begin with one), and those that reorder the text around them.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text in one line with everything unsafe written out: `\n`, `\u{1b}`. A tab stays.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let must_go = |c| c != '\t' && is_unsafe(c);
    if !text.contains(must_go) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if must_go(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// What of a longer text is shown, in characters at each end.
const ENDS: usize = 60;

/// A text without its middle if it is long.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    let count = text.chars().count();
    // What stands for the middle should be shorter than the middle.
    if count <= 3 * ENDS {
        return Cow::Borrowed(text);
    }
    let front = text.chars().take(ENDS);
    let back = text.chars().skip(count - ENDS);
    Cow::Owned(front.chain(['…']).chain(back).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_ends_are_shown() {
        let text = format!("{}{}{}", "ä".repeat(60), "b".repeat(9_880), "c".repeat(60));
        assert_eq!(shortened(&text), format!("{}…{}", "ä".repeat(60), "c".repeat(60)));
        let text = "x".repeat(180);
        assert_eq!(shortened(&text), text);
    }

    #[test]
    fn nothing_that_moves_the_cursor_or_reorders_text_gets_through() {
        for (text, shown) in [
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("\r\x07\x08\x7f\0", "\\r\\u{7}\\u{8}\\u{7f}\\u{0}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}abc\u{2066}", "\\u{202e}abc\\u{2066}"),
            ("tab\tümläut 温度 🌡", "tab\tümläut 温度 🌡"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }
}
