//! MessagePack as JSON, and for people in the like of it. It is read value by value: what it takes is in proportion to
//! what is written, whatever lengths it announces.
use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use rmp::Marker;

use super::json;

/// Levels that are read.
const NESTED: usize = 256;

/// How what JSON has no words for is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `bin<00ff>`, `ext5<00ff>`, `NaN`, and keys of any kind.
    People,
    /// Bytes as base64, of an extension `[5, "AP8="]`, no number as `null`, and keys that are no texts as texts.
    Json,
}

/// The bytes are not one value and nothing else, or it is nested too deep.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// One value and nothing else, as a text without spaces between its tokens.
pub(super) fn text(bytes: &[u8], spelling: Spelling) -> Option<String> {
    let mut reader = Reader {
        rest: bytes,
        out: String::new(),
        spelling,
    };
    reader.value(NESTED).ok()?;
    reader.rest.is_empty().then_some(reader.out)
}

struct Reader<'a> {
    rest: &'a [u8],
    out: String,
    spelling: Spelling,
}

impl<'a> Reader<'a> {
    fn value(&mut self, levels: usize) -> Result<(), Malformed> {
        let levels = levels.checked_sub(1).ok_or(Malformed)?;
        let marker = Marker::from_u8(self.take(1)?[0]);
        match marker {
            Marker::Null => self.write("null"),
            Marker::True => self.write("true"),
            Marker::False => self.write("false"),
            Marker::FixPos(number) => self.write(number),
            Marker::FixNeg(number) => self.write(number),
            Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
                let number = self.unsigned(width(marker))?;
                self.write(number);
            }
            Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => {
                let width = width(marker);
                // Sign-extended from as many bits as it has.
                let number = (self.unsigned(width)? << (64 - 8 * width)) as i64 >> (64 - 8 * width);
                self.write(number);
            }
            Marker::F32 => {
                let number = f32::from_bits(self.unsigned(4)? as u32);
                self.float(number.is_finite(), format_args!("{number:?}"));
            }
            Marker::F64 => {
                let number = f64::from_bits(self.unsigned(8)?);
                self.float(number.is_finite(), format_args!("{number:?}"));
            }
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                let bytes = self.len(marker).and_then(|len| self.take(len))?;
                self.write(json::string(&String::from_utf8_lossy(bytes)));
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let bytes = self.len(marker).and_then(|len| self.take(len))?;
                self.bytes(None, bytes);
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {
                let len = self.len(marker)?;
                let kind = self.unsigned(1)? as i8;
                let bytes = self.take(len)?;
                self.bytes(Some(kind), bytes);
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                let len = self.len(marker)?;
                self.array(len, levels)?;
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let len = self.len(marker)?;
                self.map(len, levels)?;
            }
            Marker::Reserved => return Err(Malformed),
        }
        Ok(())
    }

    fn array(&mut self, len: usize, levels: usize) -> Result<(), Malformed> {
        self.write("[");
        for at in 0..len {
            self.write(if at == 0 { "" } else { "," });
            self.value(levels)?;
        }
        self.write("]");
        Ok(())
    }

    fn map(&mut self, len: usize, levels: usize) -> Result<(), Malformed> {
        self.write("{");
        for at in 0..len {
            self.write(if at == 0 { "" } else { "," });
            let key_at = self.out.len();
            self.value(levels)?;
            if self.spelling == Spelling::Json && !self.out[key_at..].starts_with('"') {
                let key = json::string(&self.out[key_at..]);
                self.out.replace_range(key_at.., &key);
            }
            self.write(":");
            self.value(levels)?;
        }
        self.write("}");
        Ok(())
    }

    fn float(&mut self, is_finite: bool, number: std::fmt::Arguments<'_>) {
        if is_finite || self.spelling == Spelling::People {
            self.write(number);
        } else {
            self.write("null");
        }
    }

    fn bytes(&mut self, extension: Option<i8>, bytes: &[u8]) {
        let spelled = match self.spelling {
            Spelling::People => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Spelling::Json => STANDARD.encode(bytes),
        };
        match (self.spelling, extension) {
            (Spelling::People, None) => self.write(format_args!("bin<{spelled}>")),
            (Spelling::People, Some(kind)) => self.write(format_args!("ext{kind}<{spelled}>")),
            (Spelling::Json, None) => self.write(format_args!("\"{spelled}\"")),
            (Spelling::Json, Some(kind)) => self.write(format_args!("[{kind},\"{spelled}\"]")),
        }
    }

    /// How many bytes, values or pairs follow.
    fn len(&mut self, marker: Marker) -> Result<usize, Malformed> {
        Ok(match marker {
            Marker::FixStr(len) | Marker::FixArray(len) | Marker::FixMap(len) => len.into(),
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            _ => self.unsigned(width(marker))? as usize,
        })
    }

    fn unsigned(&mut self, width: usize) -> Result<u64, Malformed> {
        let bytes = self.take(width)?;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn write(&mut self, text: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "{text}");
    }
}

/// Bytes of the number, or of the length, behind a marker.
const fn width(marker: Marker) -> usize {
    match marker {
        Marker::U8 | Marker::I8 | Marker::Str8 | Marker::Bin8 | Marker::Ext8 => 1,
        Marker::U16
        | Marker::I16
        | Marker::Str16
        | Marker::Bin16
        | Marker::Ext16
        | Marker::Array16
        | Marker::Map16 => 2,
        Marker::U64 | Marker::I64 => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_written() {
        for (bytes, people, json) in [
            (&b"\xc0"[..], "null", "null"),
            (b"\xc3", "true", "true"),
            (b"\x07", "7", "7"),
            (b"\xff", "-1", "-1"),
            (b"\xcc\xff", "255", "255"),
            (
                b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
                "18446744073709551615",
                "18446744073709551615",
            ),
            (b"\xd0\x80", "-128", "-128"),
            (b"\xd1\xff\x00", "-256", "-256"),
            (
                b"\xd3\x80\0\0\0\0\0\0\0",
                "-9223372036854775808",
                "-9223372036854775808",
            ),
            (b"\xca\x3f\xc0\0\0", "1.5", "1.5"),
            (b"\xca\x3d\xcc\xcc\xcd", "0.1", "0.1"),
            (b"\xcb\x7f\xf8\0\0\0\0\0\0", "NaN", "null"),
            (b"\xa2\"\n", "\"\\\"\\n\"", "\"\\\"\\n\""),
            (b"\xd9\x01\xff", "\"\u{fffd}\"", "\"\u{fffd}\""),
            (b"\xc4\x02\xff\x00", "bin<ff00>", "\"/wA=\""),
            (b"\xd4\x05\x2a", "ext5<2a>", "[5,\"Kg==\"]"),
            (b"\xc7\x02\xff\x01\x02", "ext-1<0102>", "[-1,\"AQI=\"]"),
            (b"\x93\x01\x90\x80", "[1,[],{}]", "[1,[],{}]"),
            (b"\xdc\0\x01\x01", "[1]", "[1]"),
            (
                b"\x82\xa1a\x01\x05\xc0",
                "{\"a\":1,5:null}",
                "{\"a\":1,\"5\":null}",
            ),
            (b"\x81\x91\xa1k\x01", "{[\"k\"]:1}", "{\"[\\\"k\\\"]\":1}"),
        ] {
            assert_eq!(
                text(bytes, Spelling::People).as_deref(),
                Some(people),
                "{bytes:?}"
            );
            let written = text(bytes, Spelling::Json).unwrap();
            assert_eq!(written, json, "{bytes:?}");
            serde_json::from_str::<serde::de::IgnoredAny>(&written).unwrap();
        }
    }

    #[test]
    fn what_is_not_one_whole_value_is_none() {
        for bytes in [
            &b""[..],
            b"\x81\xa1a",
            b"\x91\x01\x01",
            b"\xa5hell",
            b"\xc1",
            b"\xdd\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xff",
        ] {
            assert_eq!(text(bytes, Spelling::Json), None, "{bytes:?}");
        }
    }

    #[test]
    fn deep_nesting_overflows_no_stack() {
        assert_eq!(
            text(&[&[0x91].repeat(100_000)[..], b"\xC0"].concat(), Spelling::Json),
            None
        );
        let deep = [&[0x91].repeat(NESTED - 1)[..], b"\xC0"].concat();
        assert!(text(&deep, Spelling::Json).is_some());
    }
}
