//! What a payload is, and how people read it.
use super::{
    hex,
    message_pack::{self, Spelling},
    safe,
    tree::{self, Layout},
};

/// The longest JSON or MessagePack shown in one line, in bytes.
const IN_A_LINE: usize = 100;

/// How much of a payload is shown to people, in bytes: of a text, and of a hex dump.
const TEXT: usize = 64 * 1024;
const DUMPED: usize = 1024;

/// Bytes of MessagePack that are looked into for people.
const MESSAGE_PACK: usize = 1024 * 1024;

/// A payload as it is printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// What it is, where that is not plain.
    pub(super) what: Option<String>,
    /// In one line, or in several with an indentation.
    pub(super) lines: Lines,
    /// Bytes that are left out.
    pub(super) left_out: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lines {
    None,
    One(String),
    Several(Vec<String>),
}

impl Lines {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(line) => vec![line],
            Self::Several(lines) => lines,
        }
    }
}

/// JSON and MessagePack are shown as such, text as text, anything else in hexadecimal.
pub(super) fn shown(payload: &[u8]) -> Shown {
    if payload.is_empty() {
        return Shown {
            what: Some("empty".to_owned()),
            lines: Lines::None,
            left_out: 0,
        };
    }
    // As of a file: what has a zero byte in it is no text.
    match std::str::from_utf8(payload) {
        Ok(text) if !text.contains('\0') => match tree::json(text) {
            Some(json) => of_tree(json, None),
            None => of_text(text),
        },
        // A single byte that would be a small number is taken for what it is.
        _ if payload.len() == 1 => of_bytes(payload),
        _ => match message_pack(payload) {
            Some(text) => of_tree(&text, Some("MessagePack".to_owned())),
            None => of_bytes(payload),
        },
    }
}

/// Params and results are MessagePack before they are anything else; without saying so where it takes one line.
pub(super) fn value(payload: &[u8]) -> Shown {
    let Some(text) = message_pack(payload) else {
        return shown(payload);
    };
    let mut shown = of_tree(&text, None);
    if shown.what.is_some() {
        shown.what = Some("MessagePack".to_owned());
    }
    shown
}

fn message_pack(payload: &[u8]) -> Option<String> {
    let is_short = payload.len() <= MESSAGE_PACK;
    is_short.then(|| message_pack::text(payload, Spelling::People))?
}

fn of_tree(text: &str, what: Option<String>) -> Shown {
    let line = tree::laid_out(text, Layout::Line, IN_A_LINE + 1);
    if line.len() <= IN_A_LINE {
        return Shown {
            what,
            lines: Lines::One(line),
            left_out: 0,
        };
    }
    let indented = tree::laid_out(text, Layout::Indented, TEXT);
    let what = what.or_else(|| Some("JSON".to_owned()));
    Shown {
        what,
        lines: Lines::Several(indented.lines().map(str::to_owned).collect()),
        // The layout stops at the limit and no earlier.
        left_out: if indented.len() < TEXT {
            0
        } else {
            text.len().saturating_sub(TEXT).max(1)
        },
    }
}

fn of_text(text: &str) -> Shown {
    let mut end = text.len().min(TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let left_out = text.len() - end;
    // A newline at the end ends the line; it does not begin another one.
    let kept = &text[..end];
    let kept = kept.strip_suffix('\n').unwrap_or(kept);
    let lines = if kept.contains('\n') {
        Lines::Several(
            kept.split('\n')
                .map(|line| safe::escaped(line).into_owned())
                .collect(),
        )
    } else {
        Lines::One(safe::escaped(kept).into_owned())
    };
    Shown {
        what: None,
        lines,
        left_out,
    }
}

fn of_bytes(bytes: &[u8]) -> Shown {
    let kept = &bytes[..bytes.len().min(DUMPED)];
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    Shown {
        what: Some(format!("{} {unit}", bytes.len())),
        lines: Lines::Several(hex::dump(kept)),
        left_out: bytes.len() - kept.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(payload: &[u8]) -> (Option<String>, String) {
        match shown(payload) {
            Shown {
                what,
                lines: Lines::One(line),
                left_out: 0,
            } => (what, line),
            shown => panic!("{shown:?}"),
        }
    }

    #[test]
    fn a_payload_is_shown_as_what_it_is() {
        assert_eq!(one(b"21.5"), (None, "21.5".into()));
        assert_eq!(one(b"21.5\n"), (None, "21.5".into()));
        assert_eq!(one(b"a\rb"), (None, "a\\rb".into()));
        assert_eq!(one(b"{\"a\":1}"), (None, "{\"a\": 1}".into()));
        assert_eq!(
            one(b"\x81\xa1a\x01"),
            (Some("MessagePack".into()), "{\"a\": 1}".into())
        );
        assert_eq!(
            one(b"\x82\xa1a\x91\xc3\xa1b\xc4\x01\xff"),
            (
                Some("MessagePack".into()),
                "{\"a\": [true], \"b\": bin<ff>}".into()
            )
        );
        assert_eq!(shown(b"").what, Some("empty".into()));
        assert_eq!(shown(b"\xff").what, Some("1 byte".into()));
        assert_eq!(shown(b"\x15\0\0\0").what, Some("4 bytes".into()));
    }

    #[test]
    fn params_and_results_are_message_pack_first() {
        let line = |payload: &[u8]| match value(payload) {
            Shown {
                what: None,
                lines: Lines::One(line),
                left_out: 0,
            } => line,
            shown => panic!("{shown:?}"),
        };
        assert_eq!(line(b"\x03"), "3");
        assert_eq!(line(b"\xa2hi"), "\"hi\"");
        assert_eq!(line(b"hi"), "hi");
        let large = [&b"\x92\xd9\xc8"[..], &[b'x'; 200], b"\x01"].concat();
        assert_eq!(value(&large).what, Some("MessagePack".into()));
    }

    #[test]
    fn a_text_of_several_lines_keeps_them() {
        let lines = Lines::Several(vec!["a".into(), String::new(), "b\\u{1b}".into()]);
        assert_eq!(shown(b"a\n\nb\x1b\n").lines, lines);
    }

    #[test]
    fn a_large_json_is_indented() {
        let large = format!("[{:?},{:?}]", "a".repeat(60), "b".repeat(60));
        let Lines::Several(lines) = shown(large.as_bytes()).lines else {
            panic!("in one line")
        };
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0][..], &lines[3][..]), ("[", "]"));
    }

    #[test]
    fn of_a_huge_payload_the_beginning_is_shown_and_the_rest_counted() {
        assert_eq!(shown(&[0; DUMPED + 5]).left_out, 5);
        assert_eq!(shown("x".repeat(TEXT + 7).as_bytes()).left_out, 7);
        // Not in the middle of a character.
        assert_eq!(shown(format!("x{}", "ü".repeat(TEXT / 2)).as_bytes()).left_out, 2);
        assert!(shown(format!("[{}1]", "1,".repeat(TEXT)).as_bytes()).left_out > 0);
    }
}
