//! A frame for people to read, and a result.
//!
//! ```text
//! temperature/hall from plant.sensor: 21.5
//! message from plant.pump: MessagePack {"state": "running"}
//! call start from plant.panel: {"speed": 1500}
//! img/door from plant.camera: 2048 bytes
//!   00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  |.PNG........IHDR|
//! ```
use colored::Colorize;
use elbus_client::Frame;

use super::{
    payload::{self, Lines, Shown},
    safe,
    seen::Seen,
};

/// The longest text that is one line of an error, in bytes.
const LINE: usize = 4096;

/// The frame with the newline that ends it.
pub(super) fn shown(frame: &Frame, seen: &Seen<'_>) -> String {
    let Shown {
        what,
        lines,
        left_out,
    } = match seen {
        Seen::Call { params, .. } => payload::value(params),
        Seen::Frame | Seen::Notification(_) => payload::shown(seen.payload(frame)),
    };
    let mut out = head(frame, seen);
    if let Some(what) = what {
        out.push_str(&format!(" {}", what.dimmed()));
    }
    match lines {
        Lines::None => {}
        Lines::One(line) => {
            out.push(' ');
            out.push_str(&line);
        }
        Lines::Several(lines) => {
            for line in lines {
                out.push_str("\n  ");
                out.push_str(&line);
            }
        }
    }
    if left_out > 0 {
        out.push_str("\n  ");
        out.push_str(&rest(left_out));
    }
    out.push('\n');
    out
}

/// A result; nothing if there is none.
pub(super) fn result(bytes: &[u8]) -> String {
    let Shown { lines, left_out, .. } = payload::value(bytes);
    let mut lines = lines.into_vec();
    if left_out > 0 {
        lines.push(rest(left_out));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What a service says of an error: nearly always a text.
pub(crate) fn reason(bytes: &[u8]) -> String {
    if bytes.len() <= LINE
        && let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\0')
    {
        return safe::escaped(text).into_owned();
    }
    let Shown { lines, left_out, .. } = payload::shown(bytes);
    if let (Lines::One(line), 0) = (&lines, left_out) {
        return line.clone();
    }
    let mut lines = lines.into_vec();
    if left_out > 0 {
        lines.push(format!("… and {left_out} bytes more"));
    }
    lines.into_iter().map(|line| format!("\n  {line}")).collect()
}

fn rest(left_out: usize) -> String {
    let rest = format!("… and {left_out} bytes more; --raw and --json print everything");
    rest.dimmed().to_string()
}

/// The frame in one line, without colour.
pub(crate) fn in_a_line(frame: &Frame) -> String {
    match payload::shown(frame.payload()).lines {
        Lines::One(line) => line,
        _ => format!("{} bytes", frame.payload().len()),
    }
}

/// What it is and from whom. Not every broker refuses control characters in names and topics.
fn head(frame: &Frame, seen: &Seen<'_>) -> String {
    let subject = match (frame.topic(), seen) {
        (Some(topic), _) => safe::escaped(topic).cyan(),
        (None, Seen::Call { method, .. }) => {
            let method = safe::escaped(method);
            format!("{} {}", seen.kind(frame).yellow(), method.cyan()).into()
        }
        (None, _) => seen.kind(frame).yellow(),
    };
    let sender = safe::escaped(frame.sender());
    format!("{subject} from {}:", sender.green())
}

#[cfg(test)]
mod tests {
    use elbus_client::Kind;

    use super::*;

    fn frame(topic: Option<&str>, payload: &'static [u8]) -> Frame {
        let kind = if topic.is_some() {
            Kind::Publication
        } else {
            Kind::Broadcast
        };
        Frame::new(
            kind,
            false,
            "a.b".into(),
            topic.map(Into::into),
            payload.to_vec().into(),
        )
    }

    #[test]
    fn a_frame_reads_as_a_sentence() {
        colored::control::set_override(false);
        for (topic, payload, expected) in [
            (Some("t/u"), &b"21.5"[..], "t/u from a.b: 21.5\n"),
            (None, b"", "broadcast from a.b: empty\n"),
            (None, b"a\nb", "broadcast from a.b:\n  a\n  b\n"),
            (None, b"\x91\xc3", "broadcast from a.b: MessagePack [true]\n"),
            (Some("t\x1b"), b"x", "t\\u{1b} from a.b: x\n"),
            (
                None,
                b"\xff",
                "broadcast from a.b: 1 byte\n  00000000  ff                                                |.|\n",
            ),
        ] {
            assert_eq!(shown(&frame(topic, payload), &Seen::Frame), expected);
        }
    }

    #[test]
    fn the_reason_of_an_error_is_a_text_or_shown_as_a_payload_is() {
        for (bytes, expected) in [
            (&b"too hot\x1b"[..], "too hot\\u{1b}"),
            (b"{\"a\":1}", "{\"a\":1}"),
            (b"", ""),
            (b"\x81\xa4code\xcc\xff", "{\"code\": 255}"),
        ] {
            assert_eq!(reason(bytes), expected);
        }
        assert!(reason(b"\xff\0bin").starts_with("\n  00000000  ff 00 62 69 6e"));
        assert!(reason(&[b'x'; 100_000]).ends_with("\n  … and 34464 bytes more"));
    }
}
