//! A frame for people to read.
//!
//! ```text
//! temperature/hall from plant.sensor: 21.5
//! message from plant.pump: MessagePack {"state": "running"}
//! img/door from plant.camera: 2048 bytes
//!   00000000  89 50 4e 47 0d 0a 1a 0a  00 00 00 0d 49 48 44 52  |.PNG........IHDR|
//! ```
use colored::Colorize;
use elbus_client::Frame;

use super::{
    json,
    payload::{self, Lines, Shown},
    safe,
};

/// The frame with the newline that ends it.
pub(super) fn shown(frame: &Frame) -> String {
    let Shown {
        what,
        lines,
        left_out,
    } = payload::shown(frame.payload());
    let mut out = head(frame);
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
        let rest = format!("… and {left_out} bytes more; --raw and --json print everything");
        out.push_str(&format!("\n  {}", rest.dimmed()));
    }
    out.push('\n');
    out
}

/// The frame in one line, without colour.
pub(crate) fn in_a_line(frame: &Frame) -> String {
    match payload::shown(frame.payload()).lines {
        Lines::One(line) => line,
        _ => format!("{} bytes", frame.payload().len()),
    }
}

/// What it is and from whom. Not every broker refuses control characters in names and topics.
fn head(frame: &Frame) -> String {
    let subject = match frame.topic() {
        Some(topic) => safe::escaped(topic).cyan(),
        None => json::kind(frame.kind()).yellow(),
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
            assert_eq!(shown(&frame(topic, payload)), expected);
        }
    }
}
