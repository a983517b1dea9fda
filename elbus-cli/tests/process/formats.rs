//! How frames are printed.
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::Bus;

/// What a listener prints of payloads.
fn printed(style: &[&str], payloads: &[&[u8]]) -> String {
    let bus = Bus::start();
    let count = payloads.len().to_string();
    let listening = bus.listen_as("the.listener", &[style, &["-n", &count]].concat());
    for payload in payloads {
        bus.cli(&["-n", "a.b", "send", "the.listener"])
            .input(*payload)
            .run()
            .expect_success();
    }
    let ended = listening.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.text().to_owned()
}

#[test]
fn people_see_each_payload_as_what_it_is() {
    let long = format!("{{\"text\":\"{}\",\"list\":[1,2.50]}}", "x".repeat(100));
    let payloads: [&[u8]; 7] = [
        b"21.5",
        b"",
        b"two\nlines\n",
        b"{\"a\":[1.10,true]}",
        long.as_bytes(),
        b"\x82\xa1a\xcb\x3f\xf8\0\0\0\0\0\0\xa1b\xc4\x02\xff\x00",
        b"\xffPNG\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09",
    ];
    let x = "x".repeat(100);
    let expected = format!(
        "\
message from a.b: 21.5
message from a.b: empty
message from a.b:
  two
  lines
message from a.b: {{\"a\": [1.10, true]}}
message from a.b: JSON
  {{
    \"text\": \"{x}\",
    \"list\": [
      1,
      2.50
    ]
  }}
message from a.b: MessagePack {{\"a\": 1.5, \"b\": bin<ff00>}}
message from a.b: 17 bytes
  00000000  ff 50 4e 47 00 00 00 00  01 02 03 04 05 06 07 08  |.PNG............|
  00000010  09                                                |.|
"
    );
    assert_eq!(printed(&[], &payloads), expected);
}

#[test]
fn no_payload_can_do_anything_to_a_terminal() {
    let payload = "\x1b]0;title\x07\x1b[2J\u{9b}2J\r\u{202e}\x08\x7f";
    let json = format!("[{:?}]", "\u{9b}\u{7f}\u{202e}")
        .replace("\\u{9b}", "\u{9b}")
        .replace("\\u{7f}", "\u{7f}");
    let message_pack = [b"\x91\xa3\x1b[\x07", payload.as_bytes()].concat();
    let payloads = [
        payload.as_bytes(),
        json.as_bytes(),
        &b"\x91\xa3\x1b[\x07"[..],
        &message_pack,
    ];
    for style in [&[][..], &["--json"]] {
        let printed = printed(style, &payloads);
        let dangerous = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!printed.contains(dangerous), "{printed:?}");
    }
}

#[test]
fn one_json_object_a_line_tells_everything_about_a_frame() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--json", "-t", "t/#", "-n", "4"]);
    let run = |arguments: &[&str], input: &[u8]| {
        bus.cli(&[&["-n", "a.b"], arguments].concat())
            .input(input)
            .run()
            .expect_success();
    };
    run(&["send", "the.listener"], b"line\nand \"quote\"");
    run(&["send", "the.?", "--qos", "3"], b"{\"a\": 1}");
    run(&["publish", "t/u"], b"\xFF\0");
    run(&["publish", "t/u", "--qos", "2"], b"");
    let ended = listening.end();
    let objects: Vec<Value> = ended
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        json!({"kind": "message", "sender": "a.b", "realtime": false, "payload": "line\nand \"quote\""}),
        json!({"kind": "broadcast", "sender": "a.b", "realtime": true, "payload": "{\"a\": 1}"}),
        json!({"kind": "publication", "sender": "a.b", "topic": "t/u", "realtime": false, "payload_base64": "/wA="}),
        json!({"kind": "publication", "sender": "a.b", "topic": "t/u", "realtime": true, "payload": ""}),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn json_brings_every_payload_back_byte_for_byte() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let controls: String = (0..0x300).filter_map(char::from_u32).collect();
    let payloads: [&[u8]; 5] = [
        &every_byte,
        controls.as_bytes(),
        b"\\\"\n",
        b"",
        "温度\u{2028}🌡".as_bytes(),
    ];
    let printed = printed(&["--json"], &payloads);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), payloads.len());
    for (line, payload) in lines.iter().zip(payloads) {
        let object: Value = serde_json::from_str(line).unwrap();
        let back = match (&object["payload"], &object["payload_base64"]) {
            (Value::String(text), Value::Null) => text.as_bytes().to_vec(),
            (Value::Null, Value::String(base64)) => STANDARD.decode(base64).unwrap(),
            _ => panic!("{line}"),
        };
        assert_eq!(back, payload);
    }
}

#[test]
fn raw_is_the_payload_and_a_newline_and_nothing_else() {
    assert_eq!(
        printed(&["--raw"], &[b"a\nb\r", b"", b"\0\x1b[2J"]),
        "a\nb\r\n\n\0\x1b[2J\n"
    );
}

#[test]
fn nothing_is_coloured_that_does_not_go_to_a_terminal() {
    assert_eq!(printed(&[], &[b"x"]), "message from a.b: x\n");
}
