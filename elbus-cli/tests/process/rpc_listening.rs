//! `rpc listen`: what is asked of it, and what it answers.
use elbus_proto::{Code, Op, Qos, rpc};
use elbus_testkit::{Got, Raw};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Bus, Running};

/// A listener that is ready.
fn listen(bus: &Bus, arguments: &[&str]) -> Running {
    let listening = bus
        .cli(&[&["rpc", "listen", "--name", "the.listener"], arguments].concat())
        .spawn();
    listening.wait_for_error("listening as the.listener: calls, notifications, messages, broadcasts, ");
    listening
}

fn run(bus: &Bus, arguments: &[&str]) -> String {
    let ended = bus.cli(&[&["-n", "a.b"], arguments].concat()).run();
    ended.expect_success();
    ended.text().to_owned()
}

/// Everything that there is to be heard.
fn talk(bus: &Bus) {
    run(bus, &["rpc", "call", "the.listener", "start", "speed=1500"]);
    run(bus, &["rpc", "call0", "the.listener", "stop"]);
    run(bus, &["rpc", "notify", "the.listener", "take note"]);
    run(bus, &["send", "the.listener", "a message"]);
    run(bus, &["send", "the.*", "a broadcast"]);
    run(bus, &["publish", "t", "a publication"]);
}

#[test]
fn people_see_who_asks_what() {
    let bus = Bus::start();
    let listening = listen(&bus, &["-t", "t", "-n", "6"]);
    talk(&bus);
    let expected = "\
call start from a.b: {\"speed\": 1500}
call0 stop from a.b: {}
notification from a.b: take note
message from a.b: a message
broadcast from a.b: a broadcast
t from a.b: a publication
";
    assert_eq!(listening.end().text(), expected);
}

#[test]
fn scripts_get_one_json_object_a_line() {
    let bus = Bus::start();
    let listening = listen(&bus, &["-t", "t", "-n", "8", "--json"]);
    talk(&bus);
    let raw = ["rpc", "call0", "the.listener", "start", "-"];
    bus.cli(&[&["-n", "a.b"], &raw[..]].concat())
        .input("no MessagePack")
        .run()
        .expect_success();
    bus.cli(&[&["-n", "a.b"], &raw[..]].concat())
        .input(b"\xff\0")
        .run()
        .expect_success();
    let ended = listening.end();
    let objects: Vec<Value> = ended
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        json!({"kind": "call", "sender": "a.b", "method": "start", "realtime": false, "params": {"speed": 1500}}),
        json!({"kind": "call0", "sender": "a.b", "method": "stop", "realtime": false, "params": {}}),
        json!({"kind": "notification", "sender": "a.b", "realtime": false, "payload": "take note"}),
        json!({"kind": "message", "sender": "a.b", "realtime": false, "payload": "a message"}),
        json!({"kind": "broadcast", "sender": "a.b", "realtime": false, "payload": "a broadcast"}),
        json!({"kind": "publication", "sender": "a.b", "topic": "t", "realtime": false, "payload": "a publication"}),
        json!({"kind": "call0", "sender": "a.b", "method": "start", "realtime": false, "payload": "no MessagePack"}),
        json!({"kind": "call0", "sender": "a.b", "method": "start", "realtime": false, "payload_base64": "/wA="}),
    ];
    assert_eq!(objects, expected);
}

#[test]
fn raw_is_what_was_sent_without_what_rpc_puts_in_front() {
    let bus = Bus::start();
    let listening = listen(&bus, &["-n", "2", "--raw"]);
    run(&bus, &["rpc", "notify", "the.listener", "take note"]);
    run(&bus, &["rpc", "call", "the.listener", "start", ":=\"x\""]);
    assert_eq!(listening.end().output, b"take note\n\xa1x\n");
}

#[test]
fn a_call_is_answered_with_what_was_asked_for() {
    let bus = Bus::start();
    for (arguments, reply) in [
        (&["-n", "1"][..], "null\n"),
        (&["-n", "1", "--reply", "{\"ok\":true}"], "{\"ok\": true}\n"),
    ] {
        // The last one is answered before it leaves.
        let listening = listen(&bus, arguments);
        assert_eq!(run(&bus, &["rpc", "call", "the.listener", "anything"]), reply);
        assert_eq!(listening.end().code, Some(0));
    }
}

#[test]
fn who_asks_what_it_offers_is_told_that_it_is_no_service() {
    let bus = Bus::start();
    let _listening = listen(&bus, &[]);
    let ended = bus.cli(&["rpc", "describe", "the.listener"]).run();
    ended.expect_failure(9, "the.listener does not describe itself");
}

/// The next frame's payload, acknowledgements left out.
fn reply(caller: &mut Raw) -> (bool, Vec<u8>) {
    loop {
        if let Got::Frame {
            realtime, payload, ..
        } = caller.got()
        {
            return (realtime, payload);
        }
    }
}

#[test]
fn the_answer_goes_to_the_call_it_belongs_to_and_is_as_urgent() {
    let bus = Bus::start();
    let _listening = listen(&bus, &["--reply", "7"]);
    let mut caller = bus.client("the.caller");
    for (qos, is_realtime) in [(Qos::Processed, false), (Qos::RealtimeProcessed, true)] {
        let request = [b"the.listener\0", &rpc::request_header(0xAABB_CCDD)[..], b"m\0"].concat();
        caller.send(1, Op::Message, qos, &request);
        let expected = [&rpc::reply_header(0xAABB_CCDD)[..], b"\x07"].concat();
        assert_eq!(reply(&mut caller), (is_realtime, expected));
    }
}

#[test]
fn a_caller_that_has_gone_is_no_reason_to_end() {
    let bus = Bus::start();
    let listening = listen(&bus, &["-n", "2"]);
    let mut caller = bus.client("the.caller");
    let request = [b"the.listener\0", &rpc::request_header(1)[..], b"m\0"].concat();
    assert_eq!(caller.ask(1, Op::Message, &request), Ok::<_, Code>(()));
    drop(caller);
    run(&bus, &["rpc", "call", "the.listener", "again"]);
    assert_eq!(listening.end().code, Some(0));
}

#[test]
fn what_arrives_can_do_nothing_to_a_terminal() {
    let bus = Bus::start();
    for style in [&[][..], &["--json"]] {
        let listening = listen(&bus, &[style, &["-n", "2"]].concat());
        run(
            &bus,
            &["rpc", "call", "the.listener", "m\x1b[2J", "a=\x1b]0;x\x07"],
        );
        run(&bus, &["rpc", "notify", "the.listener", "\x1b[2J\u{202e}"]);
        let ended = listening.end();
        let dangerous = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ended.text().contains(dangerous), "{ended:?}");
    }
}

#[test]
fn a_signal_or_a_reader_that_goes_ends_it_quietly() {
    let bus = Bus::start();
    let listening = listen(&bus, &[]);
    run(&bus, &["rpc", "call", "the.listener", "m"]);
    listening.wait_for_output("call m from a.b: {}\n");
    listening.signal(Signal::INT);
    assert_eq!(listening.end().code, Some(130));

    let (reader, writer) = std::io::pipe().unwrap();
    let listening = bus.cli(&["rpc", "listen"]).stdout(writer).spawn();
    listening.wait_for_error("listening as");
    drop(reader);
    assert_eq!(listening.end().code, Some(141));
}

#[test]
fn it_comes_back_with_a_restarted_broker_and_answers_again() {
    let mut bus = Bus::start();
    let listening = listen(&bus, &["-n", "1"]);
    bus.restart();
    listening.wait_for_error("back on the bus");
    assert_eq!(run(&bus, &["rpc", "call", "the.listener", "m"]), "null\n");
    assert_eq!(listening.end().code, Some(0));
}
