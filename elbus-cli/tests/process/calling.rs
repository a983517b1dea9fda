//! `rpc call`, `call0`, `notify` and `describe`: what is sent, and how a call ends.
use std::{fs::File, io::Write};

use elbus_proto::{Code, rpc};
use elbus_testkit::Raw;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Broken, Bus, calculator};

/// The method and the params of the next request, which wants no reply.
fn next_call0(service: &mut Raw) -> (String, Vec<u8>) {
    let (_, payload) = service.message();
    match rpc::decode(&payload) {
        Ok(rpc::Payload::Request {
            id: 0,
            method,
            params,
        }) => (String::from_utf8(method.to_vec()).unwrap(), params.to_vec()),
        other => panic!("expected a request without a reply, got {other:?}"),
    }
}

#[test]
fn a_call_prints_its_result() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    let ended = bus.cli(&["rpc", "call", "calculator", "add", "a=1", "b=2"]).run();
    ended.expect_success();
    assert_eq!(ended.text(), "3\n");
}

#[test]
fn params_travel_as_the_message_pack_they_look_like() {
    let bus = Bus::start();
    let mut service = bus.client("the.service");
    for (words, params) in [
        (&[][..], &b"\x80"[..]),
        (&["a=1", "b=true", "c=x"], b"\x83\xa1a\x01\xa1b\xc3\xa1c\xa1x"),
        (&["b=1", "a=-1.5"], b"\x82\xa1b\x01\xa1a\xcb\xbf\xf8\0\0\0\0\0\0"),
        (&["a.b=1", "a.c=2"], b"\x81\xa1a\x82\xa1b\x01\xa1c\x02"),
        (&["a:=[1, null]", "b:=\"1\""], b"\x82\xa1a\x92\x01\xc0\xa1b\xa11"),
        (&[":=[1, 2]"], b"\x92\x01\x02"),
        (&["a="], b"\x81\xa1a\xa0"),
    ] {
        let call = [&["rpc", "call0", "the.service", "start"], words].concat();
        bus.cli(&call).run().expect_success();
        assert_eq!(
            next_call0(&mut service),
            ("start".to_owned(), params.to_vec()),
            "{words:?}"
        );
    }
}

#[test]
fn params_from_the_standard_input_are_json_or_sent_as_they_are() {
    let bus = Bus::start();
    let mut service = bus.client("the.service");
    for (words, input, params) in [
        (
            &["--stdin", "json"],
            &b" {\"b\": [1.0], \"a\": -1}\n"[..],
            &b"\x82\xa1b\x91\xcb\x3f\xf0\0\0\0\0\0\0\xa1a\xff"[..],
        ),
        (&["--stdin", "raw"], b"\0\xff any\n", b"\0\xff any\n"),
        (&["-", "--silent"], b"{\"a\": 1}", b"{\"a\": 1}"),
        (&["-", "--silent"], b"", b""),
    ] {
        let call = [&["rpc", "call0", "the.service", "start"], &words[..]].concat();
        bus.cli(&call).input(input).run().expect_success();
        assert_eq!(next_call0(&mut service).1, params, "{words:?}");
    }
}

#[test]
fn params_that_make_no_sense_end_with_exit_code_2_before_anything_is_sent() {
    let bus = Bus::start();
    bus.stop();
    for (params, reason) in [
        (&["x"][..], "expected key=value, key:=JSON, :=JSON or -"),
        (&["=1"], "\"\" is no key"),
        (&["a:={"], "not JSON: "),
        (&["a=1", "a=2"], "the param \"a\" is there twice"),
        (&["a=1", "a.b=2"], "the param \"a\" is there twice, once as a map"),
        (&[":=1", "a=2"], "are all params there can be"),
        (&["-", "--stdin", "json"], "cannot be used with"),
        (&["--stdin", "xml"], "'xml' for '--stdin"),
    ] {
        for method in ["call", "call0"] {
            let words = [&["rpc", method, "the.service", "start"], params].concat();
            bus.cli(&words).run().expect_failure(2, reason);
        }
    }
    let words = ["rpc", "call", "the.service", "start", "--stdin", "json"];
    for input in ["", "{", "1 2", "[1] x"] {
        let ended = bus.cli(&words).input(input).run();
        ended.expect_failure(2, "the standard input is not JSON: ");
    }
    let ended = bus
        .cli(&words[..4])
        .arg("-")
        .stdin(File::open("/").unwrap())
        .run();
    ended.expect_failure(1, "cannot read the standard input: ");
}

#[test]
fn what_a_service_answers_instead_of_a_result_goes_to_the_standard_error_with_its_code() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    for (words, says) in [
        (
            &["add", "a=9223372036854775807", "b=1"][..],
            "elbus-cli: calculator answers add with error 1: too large\n",
        ),
        (
            &["add", "a=1"],
            "elbus-cli: calculator answers add with error -32602 (wrong params): missing field `b`\n",
        ),
        (
            &["subtract"],
            "elbus-cli: calculator answers subtract with error -32601 (no such method): there is no method \"subtract\"\n",
        ),
        (
            &["fail", "--stdin", "raw"],
            "elbus-cli: calculator answers fail with error -1\n",
        ),
    ] {
        let call = [&["rpc", "call", "calculator"], words].concat();
        let ended = bus.cli(&call).run();
        assert_eq!(
            (ended.code, &ended.errors[..], ended.text()),
            (Some(9), says, ""),
            "{words:?}"
        );
    }
}

#[test]
fn what_a_service_says_can_do_nothing_to_a_terminal() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    let ended = bus
        .cli(&["rpc", "call", "calculator", "fail", "-"])
        .input("\x1b[2J\n\u{202e}")
        .run();
    ended.expect_failure(9, "error -1: \\u{1b}[2J\\n\\u{202e}\n");
}

#[test]
fn a_call_that_gets_no_reply_ends_and_says_why() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    let never = ["rpc", "call", "--timeout", "4s", "calculator", "never"];
    bus.cli(&never)
        .run()
        .expect_failure(7, "no reply from calculator within 4s (--timeout)");
    for words in [
        &["call", "no.body", "x"][..],
        &["call0", "no.body", "x"],
        &["notify", "no.body", "x"],
        &["describe", "no.body"],
    ] {
        let ended = bus.cli(&[&["rpc"], words].concat()).run();
        ended.expect_failure(5, "elbus-cli: no client named no.body is on the bus\n");
    }
}

#[test]
fn a_call_ends_when_its_target_leaves_or_the_connection_is_lost() {
    let bus = Bus::start();
    let mut service = bus.client("the.service");
    let calling = bus
        .cli(&["rpc", "call", "the.service", "wait", "--timeout", "1h"])
        .spawn();
    service.message();
    drop(service);
    calling
        .end()
        .expect_failure(7, "the.service left the bus before it replied");

    let mut service = bus.client("the.service");
    let calling = bus
        .cli(&[
            "-n",
            "the.caller",
            "rpc",
            "call",
            "the.service",
            "wait",
            "--timeout",
            "1h",
        ])
        .spawn();
    service.message();
    bus.cut("the.caller");
    calling.end().expect_failure(
        7,
        "the connection to the broker was lost: what was asked for may or may not",
    );
}

#[test]
fn what_the_broker_refuses_to_carry_is_told() {
    for (code, words) in [
        (Code::Access, "not permitted: sending to the client named x"),
        (
            Code::NotDelivered,
            "not delivered: the client named x takes nothing",
        ),
    ] {
        for command in [
            &["call", "x", "y"][..],
            &["call0", "x", "y"],
            &["notify", "x", "y"],
        ] {
            let ended = Broken::that_answers(code)
                .cli(&[&["rpc"], command].concat())
                .run();
            ended.expect_failure(6, words);
        }
    }
    let ended = Broken::that_never_answers()
        .cli(&["rpc", "call0", "--timeout", "4s", "x", "y"])
        .run();
    ended.expect_failure(7, "no answer from the broker within 4s");
}

#[test]
fn a_signal_ends_a_call_that_waits_for_its_reply() {
    let bus = Bus::start();
    let mut service = bus.client("the.service");
    let calling = bus
        .cli(&["rpc", "call", "the.service", "wait", "--timeout", "1h"])
        .spawn();
    service.message();
    calling.signal(Signal::INT);
    let ended = calling.end();
    assert_eq!((ended.code, &ended.errors[..]), (Some(130), ""), "{ended:?}");
}

#[test]
fn a_result_that_nobody_reads_ends_the_call_quietly() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    for words in [
        &["rpc", "call", "calculator", "add", "a=1", "b=2"][..],
        &["rpc", "describe", "calculator"],
        &["broker", "info"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = bus.cli(words).stdout(writer).run();
        assert_eq!((ended.code, &ended.errors[..]), (Some(141), ""), "{words:?}");
    }
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let ended = bus
        .cli(&["rpc", "call", "calculator", "add", "a=1", "b=2"])
        .stdout(full())
        .run();
    ended.expect_failure(1, "cannot write to the standard output: ");
}

#[test]
fn a_notification_is_the_argument_or_the_standard_input() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let notify = ["rpc", "notify", "the.receiver"];
    bus.cli(&[&notify[..], &["take note"]].concat())
        .run()
        .expect_success();
    assert_eq!(receiver.message().1, b"\0take note");
    bus.cli(&[&notify[..], &["-1"]].concat()).run().expect_success();
    assert_eq!(receiver.message().1, b"\0-1");
    let (running, mut stdin) = bus.cli(&notify).spawn_with_open_input();
    stdin.write_all(b"\xff\0bytes\n").unwrap();
    drop(stdin);
    running.end().expect_success();
    assert_eq!(receiver.message().1, b"\0\xff\0bytes\n");
}

#[test]
fn a_service_is_described_as_a_table_and_as_json() {
    let bus = Bus::start();
    let _service = calculator(&bus);
    let ended = bus.cli(&["rpc", "describe", "calculator"]).run();
    ended.expect_success();
    let expected = "\
method  description
----------------------------------
add     Adds b to a.
divide  Divides a by b.
echo    Answers what it is given.
fail
never
";
    assert_eq!(ended.text(), expected);
    let ended = bus.cli(&["rpc", "describe", "calculator", "--json"]).run();
    let described: Value = serde_json::from_str(ended.text()).unwrap();
    let first = json!({"name": "add", "description": "Adds b to a."});
    assert_eq!(
        (&described["methods"][0], ended.text().lines().count()),
        (&first, 1)
    );
}

#[test]
fn who_does_not_describe_itself_is_told() {
    let bus = Bus::start();
    let ended = bus.cli(&["rpc", "describe", ".broker"]).run();
    ended.expect_failure(
        9,
        "the methods of the broker are those of `elbus-cli broker --help`",
    );
    let _service = bus.serve("a.listener", elbus_rpc::Service::new(()));
    let ended = bus.cli(&["rpc", "describe", "a.listener"]).run();
    assert_eq!(
        (ended.code, ended.text(), &ended.errors[..]),
        (Some(0), "", "a.listener offers no method by name\n")
    );
}
