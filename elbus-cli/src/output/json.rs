//! A frame as one JSON object on one line, for scripts.
use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use elbus_client::{Frame, Kind};
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use super::safe::is_unsafe;

/// Exactly one of the payloads is there.
#[derive(Serialize)]
struct Object<'a> {
    kind: &'static str,
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    realtime: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

pub(super) fn write(out: &mut impl io::Write, frame: &Frame) -> io::Result<()> {
    let text = std::str::from_utf8(frame.payload()).ok();
    let object = Object {
        kind: kind(frame.kind()),
        sender: frame.sender(),
        topic: frame.topic(),
        realtime: frame.is_realtime(),
        payload: text,
        payload_base64: text.is_none().then(|| STANDARD.encode(frame.payload())),
    };
    object.serialize(&mut Serializer::with_formatter(&mut *out, Escaping))?;
    out.write_all(b"\n")
}

/// What a frame is called.
pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Broadcast => "broadcast",
        Kind::Publication => "publication",
    }
}

/// Writes as `\u1234` what JSON permits in a string and a terminal should not see.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_unsafe(c)) {
            // All of them are in the basic plane: one code unit.
            write!(out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn line(topic: Option<&str>, payload: &'static [u8]) -> String {
        let kind = if topic.is_some() {
            Kind::Publication
        } else {
            Kind::Message
        };
        let frame = Frame::new(
            kind,
            false,
            "a.b".into(),
            topic.map(Arc::from),
            payload.to_vec().into(),
        );
        let mut line = Vec::new();
        write(&mut line, &frame).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_text_is_a_string_and_anything_else_base64() {
        assert_eq!(
            line(Some("t/u"), b"say \"hi\"\n"),
            r#"{"kind":"publication","sender":"a.b","topic":"t/u","realtime":false,"payload":"say \"hi\"\n"}"#
                .to_owned() + "\n"
        );
        assert_eq!(
            line(None, b"\xFF\0"),
            r#"{"kind":"message","sender":"a.b","realtime":false,"payload_base64":"/wA="}"#.to_owned() + "\n"
        );
    }

    #[test]
    fn what_a_terminal_should_not_see_is_escaped_and_reads_back_the_same() {
        let payload = "\u{1b}[2J\u{9b}1m\u{7f}\u{202e}ü";
        let line = line(None, payload.as_bytes());
        assert!(!line.trim_end().contains(is_unsafe), "{line:?}");
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["payload"], payload);
    }
}
