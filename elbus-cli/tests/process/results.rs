//! How the result of a call is printed.
use base64::{Engine, engine::general_purpose::STANDARD};
use elbus_rpc::Rpc;
use serde_json::{Value, json};

use crate::support::{Bus, calculator};

/// A bus with a service that answers what it is given.
struct Echo {
    bus: Bus,
    _service: Rpc,
}

impl Echo {
    fn start() -> Self {
        let bus = Bus::start();
        let _service = calculator(&bus);
        Self { bus, _service }
    }

    /// What is printed of a result.
    fn printed(&self, style: &[&str], result: &[u8]) -> Vec<u8> {
        let call = [&["rpc", "call", "calculator", "echo", "-"], style].concat();
        let ended = self.bus.cli(&call).input(result).run();
        ended.expect_success();
        ended.output
    }
}

#[test]
fn people_see_a_result_as_what_it_is() {
    let echo = Echo::start();
    let long = [&b"\x82\xa4list\x92\x01\x02\xa4text\xd9\x64"[..], &[b'x'; 100]].concat();
    let x = "x".repeat(100);
    let laid_out = format!("{{\n  \"list\": [\n    1,\n    2\n  ],\n  \"text\": \"{x}\"\n}}\n");
    for (result, shown) in [
        (&b"\x03"[..], "3\n"),
        (b"\xc0", "null\n"),
        (b"", ""),
        (b"\xa5hello", "\"hello\"\n"),
        (b"\x82\xa1a\x01\x05\xc4\x01\xff", "{\"a\": 1, 5: bin<ff>}\n"),
        (b"a text\nof two lines\n", "a text\nof two lines\n"),
        (b"{\"is\":[\"JSON\"]}", "{\"is\": [\"JSON\"]}\n"),
        (
            b"\xff\0\x01",
            "00000000  ff 00 01                                          |...|\n",
        ),
        (b"\xa5\x1b[2J\x07", "\"\\u001b[2J\\u0007\"\n"),
        (&long, &laid_out),
    ] {
        let printed = echo.printed(&[], result);
        assert_eq!(String::from_utf8(printed).unwrap(), shown, "{result:?}");
    }
}

#[test]
fn json_is_one_value_in_one_line_whatever_the_result_is() {
    let echo = Echo::start();
    for (result, value) in [
        (&b"\x03"[..], json!(3)),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", json!(u64::MAX)),
        (b"\xc0", Value::Null),
        (b"", Value::Null),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", Value::Null),
        (
            b"\x82\xa1a\x92\xc3\xca\x3f\xc0\0\0\x05\xc4\x01\xff",
            json!({"a": [true, 1.5], "5": "/w=="}),
        ),
        (
            b"\xa8\"\n\x1b\xc2\x9b\x7f\\\0",
            json!("\"\n\u{1b}\u{9b}\u{7f}\\\0"),
        ),
        (b"a text\n", json!("a text\n")),
        (b"\xff\0\x01", json!(STANDARD.encode(b"\xff\0\x01"))),
    ] {
        let printed = String::from_utf8(echo.printed(&["--json"], result)).unwrap();
        assert_eq!(printed.matches('\n').count(), 1, "{printed:?}");
        let dangerous = |c: char| c.is_control() && c != '\n';
        assert!(!printed.contains(dangerous), "{printed:?}");
        assert_eq!(
            serde_json::from_str::<Value>(&printed).unwrap(),
            value,
            "{result:?}"
        );
    }
}

#[test]
fn raw_is_the_result_byte_for_byte() {
    let echo = Echo::start();
    let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for result in [&b""[..], b"\0\xff\n", &large] {
        assert!(echo.printed(&["--raw"], result) == result);
    }
}

#[test]
fn of_a_huge_result_people_see_the_beginning_and_scripts_everything() {
    let echo = Echo::start();
    // An array of 400,000 numbers.
    let result = [&b"\xdd\x00\x06\x1a\x80"[..], &[7; 400_000]].concat();
    let shown = String::from_utf8(echo.printed(&[], &result)).unwrap();
    assert!(shown.len() < 100_000 && shown.contains("bytes more; --raw and --json print everything"));
    let printed = echo.printed(&["--json"], &result);
    let numbers: Vec<u8> = serde_json::from_slice(&printed).unwrap();
    assert_eq!(numbers.len(), 400_000);
}
