//! Params and results as MessagePack: structs as maps with their fields' names, as published clients write them.
use rmp::Marker;
use rmp_serde::{Deserializer, decode::Error};
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};

use crate::{Failure, code};

const NIL: u8 = 0xC0;
const EMPTY_MAP: u8 = 0x80;

/// Room that is asked for at first: most params and results fit.
const ROOM: usize = 128;

/// What stands in front, then the value.
pub(crate) fn encode<T: Serialize + ?Sized>(front: &[&[u8]], value: &T) -> Result<Vec<u8>, String> {
    let len = front.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(len + ROOM);
    for part in front {
        bytes.extend_from_slice(part);
    }
    rmp_serde::encode::write_named(&mut bytes, value).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Params behind what stands in front of them. No params, which in Rust are `()`, are an empty map.
pub(crate) fn encode_params<T: Serialize + ?Sized>(front: &[&[u8]], params: &T) -> Result<Vec<u8>, String> {
    let mut bytes = encode(front, params)?;
    let len = front.iter().map(|part| part.len()).sum::<usize>();
    if bytes[len..] == [NIL] {
        bytes[len] = EMPTY_MAP;
    }
    Ok(bytes)
}

/// Reads a method's params. No bytes, an empty map and nil all mean that there are none.
pub(crate) fn decode_params<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    if matches!(bytes, [] | [NIL | EMPTY_MAP]) {
        // What has no fields to miss is as well without params: `()`, an `Option`.
        return read(&[EMPTY_MAP])
            .or_else(|missing| read(&[NIL]).map_err(|_| missing))
            .map_err(Failure::invalid_params);
    }
    read(bytes).map_err(|reason| match is_message_pack(bytes) {
        true if takes_none::<T>() => Failure::invalid_params("the method takes no params"),
        true => Failure::invalid_params(reason),
        false => Failure::new(code::PARSE, "the params are not MessagePack"),
    })
}

/// Reads a result. No bytes are nil: published services answer so.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    read(if bytes.is_empty() { &[NIL] } else { bytes })
}

/// How deep a value may be nested: it is read by recursion, and comes from somebody else.
const DEPTH: usize = 64;

/// Reads one value and nothing behind it; an error names the field.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut rest = bytes;
    let mut deserializer = Deserializer::new(&mut rest);
    deserializer.set_max_depth(DEPTH);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| told(&error))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes too many", rest.len()))
    }
}

/// Whether params of this type, which hold nothing, are none: `()`, or a struct without fields.
fn takes_none<T: DeserializeOwned>() -> bool {
    size_of::<T>() == 0 && (read::<T>(&[NIL]).is_ok() || read::<T>(&[EMPTY_MAP]).is_ok())
}

/// The codec says of some mismatches only which marker it met: these are about numbers and booleans.
fn told(error: &serde_path_to_error::Error<Error>) -> String {
    let found = match error.inner() {
        Error::TypeMismatch(marker) => found(*marker),
        _ => None,
    };
    let Some(found) = found else {
        return error.to_string();
    };
    let reason = format!("invalid type: {found}, expected a number or a boolean");
    match error.path().to_string() {
        unknown if unknown.chars().all(|c| ".?".contains(c)) => reason,
        field => format!("{field}: {reason}"),
    }
}

/// What was met where a number or a boolean is expected.
const fn found(marker: Marker) -> Option<&'static str> {
    Some(match marker {
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => "string",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "byte array",
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => "sequence",
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => "map",
        _ => return None,
    })
}

fn is_message_pack(bytes: &[u8]) -> bool {
    read::<IgnoredAny>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_value_nested_a_million_deep_is_an_error_and_overflows_no_stack() {
        assert!(read::<IgnoredAny>(&[0x91; 1_000_000]).is_err());
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Add {
        a: i64,
        b: i64,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested {
        inner: Vec<Add>,
    }

    fn params<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, (i16, String)> {
        decode_params(bytes).map_err(|failure| (failure.code(), failure.text().into_owned()))
    }

    #[test]
    fn structs_travel_as_maps() {
        let bytes = encode(&[b"x"], &Add { a: 1, b: 2 }).unwrap();
        assert_eq!(bytes, b"x\x82\xa1a\x01\xa1b\x02");
        assert_eq!(params(&bytes[1..]), Ok(Add { a: 1, b: 2 }));
    }

    #[test]
    fn no_params_are_an_empty_map_and_read_in_every_form() {
        assert_eq!(encode_params(&[b"x"], &()).unwrap(), b"x\x80");
        for bytes in [&b""[..], b"\x80", b"\xc0"] {
            assert_eq!(params(bytes), Ok(()));
            assert_eq!(params::<Option<Add>>(bytes), Ok(None));
        }
    }

    #[test]
    fn a_wrong_param_is_named() {
        let (code, text) = params::<Add>(b"\x81\xa1a\x01").unwrap_err();
        assert_eq!((code, text.as_str()), (code::INVALID_PARAMS, "missing field `b`"));
        let (code, text) = params::<Add>(b"\x82\xa1a\x01\xa1b\xa1x").unwrap_err();
        assert_eq!(code, code::INVALID_PARAMS);
        assert_eq!(text, "b: invalid type: string, expected a number or a boolean");
        let (_, text) = params::<Nested>(b"\x81\xa5inner\x91\x82\xa1a\xa1x\xa1b\x01").unwrap_err();
        assert!(text.starts_with("inner[0].a: "), "{text}");
        let (_, text) = params::<i64>(b"\x81\xa1a\x01").unwrap_err();
        assert_eq!(text, "invalid type: map, expected a number or a boolean");
        let (_, text) = params::<()>(b"\x81\xa1a\x01").unwrap_err();
        assert_eq!(text, "the method takes no params");
        let (_, text) = params::<Add>(b"").unwrap_err();
        assert!(text.contains("missing field `a`"), "{text}");
    }

    #[test]
    fn what_is_no_message_pack_is_told_apart() {
        for bytes in [&b"\xc1"[..], b"\x82\xa1a", b"\x82\xa1a\x01\xa1b\x02\x03"] {
            assert_eq!(params::<Add>(bytes).unwrap_err().0, code::PARSE, "{bytes:?}");
        }
    }
}
