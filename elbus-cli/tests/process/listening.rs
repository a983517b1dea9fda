//! `listen`: what it waits for, when it ends, and what it survives.
use std::{io::Read, time::Duration};

use elbus_broker::Address;
use elbus_proto::{Op, Qos};
use elbus_testkit::Raw;

use crate::support::Bus;

#[test]
fn it_says_when_it_is_ready_and_for_what() {
    let bus = Bus::start();
    let ready = |arguments| bus.listen_as("the.listener", arguments).end();
    assert_eq!(
        ready(&["--for", "0"]).errors,
        "listening as the.listener: messages, broadcasts, no topics: -t FILTER subscribes\n"
    );
    assert_eq!(
        ready(&["-t", "a/#", "-t", "b", "-x", "a/x", "--for", "0"]).errors,
        "listening as the.listener: messages, broadcasts, topics a/# b except a/x\n"
    );
    let silent = bus.cli(&["listen", "--for", "0", "-s"]).run();
    silent.expect_success();
}

#[test]
fn messages_broadcasts_and_publications_are_printed_in_the_order_they_came() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["-t", "temperature/+", "-n", "3"]);
    bus.cli(&["-n", "a.b", "send", "the.listener", "one"])
        .run()
        .expect_success();
    bus.cli(&["-n", "a.b", "send", "the.*", "two"])
        .run()
        .expect_success();
    bus.cli(&["-n", "a.b", "publish", "temperature/hall", "three"])
        .run()
        .expect_success();
    let expected = "message from a.b: one\nbroadcast from a.b: two\ntemperature/hall from a.b: three\n";
    assert_eq!(listening.end().text(), expected);
}

#[test]
fn what_is_excluded_is_not_printed() {
    let bus = Bus::start();
    let arguments = [
        "--raw",
        "-t",
        "log/#",
        "--topics",
        "more",
        "-x",
        "log/debug/#",
        "--exclude",
        "log/x",
        "-n",
        "2",
    ];
    let listening = bus.listen_as("the.listener", &arguments);
    for topic in ["log/debug/deep", "log/x", "other", "log/info", "more"] {
        bus.cli(&["publish", topic, topic]).run().expect_success();
    }
    assert_eq!(listening.end().text(), "log/info\nmore\n");
}

#[test]
fn the_count_ends_it_although_more_came() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw", "-n", "2"]);
    let lines = "1\n2\n3\n4\n".repeat(5_000);
    // The listener leaves while lines are on their way: that is no matter of QoS 0.
    bus.cli(&["send", "--lines", "--qos", "0", "the.listener"])
        .input(lines)
        .run()
        .expect_success();
    let ended = listening.end();
    assert_eq!((ended.code, ended.text()), (Some(0), "1\n2\n"));
}

#[test]
fn the_time_ends_it_and_is_an_error_only_if_frames_are_missing() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--for", "10ms"]);
    assert_eq!(listening.end().code, Some(0));
    let listening = bus.listen_as("the.listener", &["--for", "10ms", "-n", "3"]);
    listening.end().expect_failure(8, "0 of 3 frames came in time");
}

#[test]
fn a_frame_is_printed_when_it_comes_and_not_when_a_buffer_is_full() {
    let bus = Bus::start();
    // The name of a listener that is killed is free when the broker has noticed: each has its own.
    for (style, name) in [("--raw", "raw.listener"), ("--json", "json.listener")] {
        let listening = bus.listen_as(name, &[style]);
        for text in ["first", "second"] {
            bus.cli(&["send", name, text]).run().expect_success();
            listening.wait_for_output(text);
        }
    }
}

#[test]
fn a_restart_of_the_server_is_told_and_survived() {
    let mut bus = Bus::start();
    let arguments = ["--raw", "-t", "log/#", "-x", "log/x", "-n", "2"];
    let listening = bus.listen_as("the.listener", &arguments);
    bus.cli(&["publish", "log/a", "before"]).run().expect_success();
    listening.wait_for_output("before\n");
    bus.restart();
    listening.wait_for_error("off the bus, trying to get back: ");
    listening.wait_for_error("back on the bus; what was sent in between is missed");
    bus.cli(&["publish", "log/x", "excluded"]).run().expect_success();
    bus.cli(&["publish", "log/a", "after"]).run().expect_success();
    let ended = listening.end();
    assert_eq!((ended.code, ended.text()), (Some(0), "before\nafter\n"));
    // The broker's warning was not asked for: it is said, and not printed among the frames.
    assert!(
        ended.errors.contains("the broker announces {\"s\": \"shutdown\""),
        "{ended:?}"
    );
}

#[test]
fn the_warnings_of_the_broker_are_printed_if_they_are_asked_for() {
    let mut bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["-t", ".broker/#", "-n", "1"]);
    bus.restart();
    let ended = listening.end();
    assert!(
        ended
            .text()
            .starts_with(".broker/warn from .broker: MessagePack {\"s\": \"shutdown\""),
        "{ended:?}"
    );
}

#[test]
fn a_listener_whose_name_was_taken_meanwhile_waits_for_it() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw", "-n", "1"]);
    bus.cut("the.listener");
    listening.wait_for_error("off the bus");
    // Somebody else may have it for a while: whoever is faster.
    let (usurper, _) = Raw::try_register(&Address::Unix(bus.socket()), b"the.listener");
    drop(usurper);
    listening.wait_for_error("back on the bus");
    bus.cli(&["send", "the.listener", "x"]).run().expect_success();
    assert_eq!(listening.end().text(), "x\n");
}

#[test]
#[ignore = "takes 5 s; the second stage of .ci/run runs it"]
fn a_slow_reader_of_the_output_gets_every_line() {
    let bus = Bus::start();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let listening = bus
        .cli(&["listen", "--name", "the.listener", "--raw", "-n", "200000"])
        .stdout(writer)
        .spawn();
    listening.wait_for_error("listening as");
    // Far more than listener and broker hold.
    let lines = ("x".repeat(99) + "\n").repeat(200_000);
    let sending = bus
        .cli(&["send", "--lines", "the.listener"])
        .input(lines.clone())
        .spawn();
    let mut got = Vec::new();
    let mut chunk = [0; 50_000];
    loop {
        // 5 MB/s: this is its pace, not a wait for something.
        std::thread::sleep(Duration::from_millis(10));
        match reader.read(&mut chunk).unwrap() {
            0 => break,
            n => got.extend_from_slice(&chunk[..n]),
        }
    }
    assert!(got == lines.as_bytes());
    sending.end().expect_success();
    assert_eq!(listening.end().code, Some(0));
}

#[test]
fn frames_of_any_size_come_through() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw", "-n", "3"]);
    let mut sender = bus.client("the.sender");
    let sizes = [0, 70_000, 20_000_000];
    for (n, size) in (0..).zip(sizes) {
        let body = [b"the.listener\0", &vec![b'x'; size][..]].concat();
        sender.send(n, Op::Message, Qos::No, &body);
    }
    let output = listening.end().output;
    assert_eq!(
        output
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::len)
            .collect::<Vec<_>>(),
        [0, 70_000, 20_000_000, 0]
    );
}
