//! Searches through short texts that nearly always find nothing: every byte is looked at, without a branch for each, which
//! compilers make vector instructions of.

/// Whether any byte is so.
#[inline]
pub(crate) fn has(bytes: &[u8], is: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, &byte| found | is(byte))
}

/// The number of parts between separators.
#[inline]
pub(crate) fn parts(bytes: &[u8], separator: u8) -> usize {
    1 + bytes.iter().filter(|&&byte| byte == separator).count()
}

/// The first control character, or one of the `others`, which are ASCII.
#[inline]
pub(crate) fn forbidden(text: &str, others: impl Fn(char) -> bool) -> Option<char> {
    // There are control characters beyond ASCII too.
    let is_suspect = |byte: u8| !(0x20..0x7F).contains(&byte) || others(char::from(byte));
    if !has(text.as_bytes(), is_suspect) {
        return None;
    }
    text.chars().find(|&c| c.is_control() || others(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_found_wherever_they_stand_and_beyond_ascii() {
        let forbidden = |text| forbidden(text, |c| c == '*');
        assert_eq!(forbidden("plant.hall.pump.number.one"), None);
        assert_eq!(forbidden("größe.µ.日本"), None);
        assert_eq!(forbidden("größe.*"), Some('*'));
        assert_eq!(forbidden("plant.hall.pump.number.one\u{7F}"), Some('\u{7F}'));
        assert_eq!(forbidden("\u{85}plant"), Some('\u{85}'));
        assert_eq!(forbidden("a\n*"), Some('\n'));
    }
}
