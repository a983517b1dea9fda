//! Bytes that are nothing else, as people read them.
use std::fmt::Write;

/// Bytes on a line.
const LINE: usize = 16;

/// ```text
/// 00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  |.PNG........IHDR|
/// ```
pub(super) fn dump(bytes: &[u8]) -> Vec<String> {
    bytes
        .chunks(LINE)
        .enumerate()
        .map(|(n, chunk)| line(n * LINE, chunk))
        .collect()
}

fn line(offset: usize, bytes: &[u8]) -> String {
    let mut line = format!("{offset:08x} ");
    for at in 0..LINE {
        if at % 8 == 0 {
            line.push(' ');
        }
        // Writing to a string does not fail.
        let _ = match bytes.get(at) {
            Some(byte) => write!(line, "{byte:02x} "),
            None => write!(line, "   "),
        };
    }
    line.push_str(" |");
    line.extend(bytes.iter().map(|&byte| {
        if byte.is_ascii_graphic() || byte == b' ' {
            char::from(byte)
        } else {
            '.'
        }
    }));
    line.push('|');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_offset_bytes_and_characters() {
        let dumped = dump(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR~\x7f");
        assert_eq!(
            dumped,
            [
                "00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  |.PNG........IHDR|",
                "00000010  7e 7f                                             |~.|",
            ]
        );
    }
}
