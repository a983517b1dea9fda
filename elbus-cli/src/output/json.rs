//! A frame as one JSON object on one line, and a result as one JSON value, for scripts.
use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use elbus_client::Frame;
use serde::Serialize;
use serde_json::{Serializer, ser::Formatter, value::RawValue};

use super::{
    message_pack::{self, Spelling},
    safe::is_unsafe,
    seen::Seen,
};

/// Exactly one of params and the payloads is there.
#[derive(Serialize)]
struct Object<'a> {
    kind: &'static str,
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    realtime: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

pub(super) fn write(out: &mut impl io::Write, frame: &Frame, seen: &Seen<'_>) -> io::Result<()> {
    let (method, params) = match seen {
        Seen::Call { method, params, .. } => (Some(&**method), message_pack::text(params, Spelling::Json)),
        Seen::Frame | Seen::Notification(_) => (None, None),
    };
    let is_params = params.is_some();
    let payload = seen.payload(frame);
    let text = std::str::from_utf8(payload).ok();
    let object = Object {
        kind: seen.kind(frame),
        sender: frame.sender(),
        topic: frame.topic(),
        method,
        realtime: frame.is_realtime(),
        params: params.map(RawValue::from_string).transpose()?,
        payload: text.filter(|_| !is_params),
        payload_base64: (text.is_none() && !is_params).then(|| STANDARD.encode(payload)),
    };
    line(out, &object)
}

/// A value and a newline.
pub(super) fn line(out: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Escaping))?;
    out.write_all(b"\n")
}

/// A result: MessagePack as JSON, no bytes as null, a text as a string, and other bytes as one in base64.
pub(super) fn result(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "null".to_owned();
    }
    message_pack::text(bytes, Spelling::Json).unwrap_or_else(|| match std::str::from_utf8(bytes) {
        Ok(text) => string(text),
        Err(_) => string(&STANDARD.encode(bytes)),
    })
}

/// A text as a string of JSON.
pub(super) fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    // Writing a text to memory does not fail.
    let _ = text.serialize(&mut Serializer::with_formatter(&mut out, Escaping));
    String::from_utf8(out).unwrap_or_default()
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

    use elbus_client::Kind;

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
        write(&mut line, &frame, &Seen::Frame).unwrap();
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
