//! One line of a command FIFO.
use bytes::Bytes;
use elbus_proto::rpc;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// To one client.
    Send(&'a str, Bytes),
    /// To all whose names match.
    Broadcast(&'a str, Bytes),
    /// To the subscribers of a topic.
    Publish(&'a str, Bytes),
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadLine {
    #[error("expected `TARGET MESSAGE` or `=TOPIC MESSAGE`: there is no space in it")]
    NoMessage,
    #[error("the target or topic is not UTF-8")]
    NotText,
    #[error("expected a method behind `:`")]
    NoMethod,
    #[error("the method or a param is not UTF-8")]
    ParamNotText,
    #[error("expected `key=value`, not {0:?}")]
    NotAParam(String),
    #[error("the param {0:?} is there twice")]
    Twice(String),
}

/// Reads a line; `None` when it is blank.
pub(super) fn parse(line: &Bytes) -> Result<Option<Command<'_>>, BadLine> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let space = line
        .iter()
        .position(|byte| *byte == b' ')
        .ok_or(BadLine::NoMessage)?;
    let to = std::str::from_utf8(&line[..space]).map_err(|_| BadLine::NotText)?;
    let message = line.slice(space + 1..);
    if let Some(topic) = to.strip_prefix('=') {
        return Ok(Some(Command::Publish(topic, message)));
    }
    let payload = match message.first() {
        Some(b'.') => [&rpc::NOTIFICATION_HEADER[..], &message[1..]].concat().into(),
        Some(b':') => call(&message[1..])?,
        _ => message,
    };
    Ok(Some(if to.contains(['?', '*']) {
        Command::Broadcast(to, payload)
    } else {
        Command::Send(to, payload)
    }))
}

/// `METHOD key=value key=value` as a call that wants no reply.
fn call(text: &[u8]) -> Result<Bytes, BadLine> {
    let text = std::str::from_utf8(text).map_err(|_| BadLine::ParamNotText)?;
    if text.starts_with(|first: char| first.is_ascii_whitespace()) {
        return Err(BadLine::NoMethod);
    }
    let mut words = text.split_ascii_whitespace();
    let method = words.next().ok_or(BadLine::NoMethod)?;
    let mut params: Vec<(&str, &str)> = Vec::new();
    for word in words {
        let (key, value) = word
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| BadLine::NotAParam(word.to_owned()))?;
        if params.iter().any(|(other, _)| *other == key) {
            return Err(BadLine::Twice(key.to_owned()));
        }
        params.push((key, value));
    }
    let mut out =
        rmp::encode::ByteBuf::from_vec([&rpc::request_header(0)[..], method.as_bytes(), b"\0"].concat());
    // Writing to memory does not fail.
    let _ = rmp::encode::write_map_len(&mut out, u32::try_from(params.len()).unwrap_or(u32::MAX));
    for (key, value) in params {
        let _ = rmp::encode::write_str(&mut out, key);
        write_value(&mut out, value);
    }
    Ok(out.into_vec().into())
}

/// `true`, `false`, integers and floats are such; everything else is a text.
fn write_value(out: &mut rmp::encode::ByteBuf, value: &str) {
    // Writing to memory does not fail.
    if let Ok(truth) = value.parse() {
        let _ = rmp::encode::write_bool(out, truth);
    } else if let Ok(integer) = value.parse() {
        let _ = rmp::encode::write_sint(out, integer);
    } else if let Ok(integer) = value.parse() {
        let _ = rmp::encode::write_uint(out, integer);
    } else if value.contains(['.', 'e', 'E'])
        && let Ok(float) = value.parse::<f64>()
        // `1e999` would be infinite.
        && float.is_finite()
    {
        let _ = rmp::encode::write_f64(out, float);
    } else {
        let _ = rmp::encode::write_str(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &'static [u8]) -> Result<Option<Command<'static>>, BadLine> {
        // Its text lives as long as the program.
        parse(Box::leak(Box::new(Bytes::from_static(line))))
    }

    #[test]
    fn the_message_is_the_rest_of_the_line() {
        for (line, expected) in [
            (&b"a.b two words"[..], Command::Send("a.b", "two words".into())),
            (b"a  x ", Command::Send("a", " x ".into())),
            (b"a ", Command::Send("a", "".into())),
            (b"a \xff\0", Command::Send("a", Bytes::from_static(b"\xff\0"))),
            (b"a.* all of you", Command::Broadcast("a.*", "all of you".into())),
            (b"?.b x", Command::Broadcast("?.b", "x".into())),
            (b"=a/b k=v x", Command::Publish("a/b", "k=v x".into())),
            (b"=a .x", Command::Publish("a", ".x".into())),
        ] {
            assert_eq!(parsed(line), Ok(Some(expected)));
        }
        assert_eq!(parsed(b""), Ok(None));
        assert_eq!(parsed(b"  \r"), Ok(None));
    }

    #[test]
    fn a_dot_notifies() {
        let expected = Command::Send("a", Bytes::from_static(b"\0take note"));
        assert_eq!(parsed(b"a .take note"), Ok(Some(expected)));
    }

    #[test]
    fn a_colon_calls_with_typed_params() {
        let expected = [
            &b"\x01\0\0\0\0start\0\x8a"[..],
            b"\xa1a\xc3\xa1b\xff\xa1c\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xa1d\xcb\x3f\xf8\0\0\0\0\0\0\xa1e\xa3x=y\xa1f\xa0\xa1g\xa3inf\xa1h\xa41e5x\xa1i\x07\xa1j\xa51e999",
        ]
        .concat();
        let line = b"a :start a=true b=-1 c=18446744073709551615 d=1.5 e=x=y f= g=inf h=1e5x i=7 j=1e999";
        assert_eq!(parsed(line), Ok(Some(Command::Send("a", expected.into()))));
        let expected = Command::Send("a", Bytes::from_static(b"\x01\0\0\0\0test\0\x80"));
        assert_eq!(parsed(b"a :test"), Ok(Some(expected)));
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (line, expected) in [
            (&b"alone"[..], BadLine::NoMessage),
            (b"\xff x", BadLine::NotText),
            (b"a :", BadLine::NoMethod),
            (b"a : k=1", BadLine::NoMethod),
            (b"a :m \xff=1", BadLine::ParamNotText),
            (b"a :m x", BadLine::NotAParam("x".to_owned())),
            (b"a :m =x", BadLine::NotAParam("=x".to_owned())),
            (b"a :m k=1 k=2", BadLine::Twice("k".to_owned())),
        ] {
            assert_eq!(parsed(line), Err(expected));
        }
    }
}
