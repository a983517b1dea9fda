//! `send` and `publish`: what arrives, and from whom.
use elbus_proto::delivery::Kind;
use elbus_testkit::{Got, Raw};

use crate::support::{Bus, Cli};

/// What the next frame is: kind, real-time, topic and payload.
fn next(receiver: &mut Raw) -> (Kind, bool, String, Vec<u8>) {
    match receiver.got() {
        Got::Frame {
            kind,
            realtime,
            topic,
            payload,
            ..
        } => (kind, realtime, topic, payload),
        got => panic!("expected a frame, got {got:?}"),
    }
}

#[test]
fn a_payload_is_the_argument_or_the_standard_input_as_it_is() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    bus.cli(&["send", "the.receiver", "a text"])
        .run()
        .expect_success();
    assert_eq!(
        next(&mut receiver),
        (Kind::Message, false, String::new(), b"a text".to_vec())
    );
    bus.cli(&["send", "the.receiver", ""]).run().expect_success();
    assert_eq!(next(&mut receiver).3, b"");
    let bytes = b"\0\xFF\r\n two lines \n".repeat(20_000);
    bus.cli(&["send", "the.receiver"])
        .input(bytes.clone())
        .run()
        .expect_success();
    assert!(next(&mut receiver).3 == bytes);
    bus.cli(&["send", "the.receiver", "-21.5"]).run().expect_success();
    assert_eq!(next(&mut receiver).3, b"-21.5");
    bus.cli(&["send", "the.receiver", "--", "--raw"])
        .run()
        .expect_success();
    assert_eq!(next(&mut receiver).3, b"--raw");
}

#[test]
fn an_argument_that_is_no_text_is_sent_as_its_bytes() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let sent = bus
        .cli(&["send", "the.receiver"])
        .arg(OsStr::from_bytes(b"\xFF\xFE"));
    sent.run().expect_success();
    assert_eq!(next(&mut receiver).3, b"\xFF\xFE");
}

#[test]
fn a_publication_reaches_the_subscribers_of_its_topic() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    receiver.subscribe("temperature/#");
    bus.cli(&["publish", "elsewhere", "x"]).run().expect_success();
    bus.cli(&["publish", "temperature/hall", "21.5"])
        .run()
        .expect_success();
    let expected = (
        Kind::Publication,
        false,
        "temperature/hall".to_owned(),
        b"21.5".to_vec(),
    );
    assert_eq!(next(&mut receiver), expected);
}

#[test]
fn a_target_that_is_a_mask_is_broadcast() {
    let bus = Bus::start();
    let mut near = bus.client("plant.pump");
    let mut deep = bus.client("plant.hall.pump");
    let mut other = bus.client("office.printer");
    bus.cli(&["send", "plant.*", "all"]).run().expect_success();
    bus.cli(&["send", "?.pump", "two parts"]).run().expect_success();
    assert_eq!(
        next(&mut near),
        (Kind::Broadcast, false, String::new(), b"all".to_vec())
    );
    assert_eq!(next(&mut near).3, b"two parts");
    assert_eq!(next(&mut deep).3, b"all");
    deep.expect_nothing();
    other.expect_nothing();
    // Nobody has to be there.
    bus.cli(&["send", "nobody.*", "x"]).run().expect_success();
}

#[test]
fn every_quality_of_service_can_be_asked_for_by_number_and_by_word() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    for (number, word, is_realtime) in [
        ("0", "no", false),
        ("1", "processed", false),
        ("2", "realtime", true),
        ("3", "realtime-processed", true),
    ] {
        for qos in [number, word] {
            bus.cli(&["send", "the.receiver", "--qos", qos, "x"])
                .run()
                .expect_success();
            assert_eq!(next(&mut receiver).1, is_realtime, "--qos {qos}");
        }
    }
    // Only who asks for an acknowledgement learns that nobody is there.
    for (qos, code) in [("0", 0), ("1", 5), ("2", 0), ("3", 5)] {
        let ended = bus.cli(&["send", "nobody.here", "--qos", qos, "x"]).run();
        assert_eq!(ended.code, Some(code), "--qos {qos}: {ended:?}");
    }
}

#[test]
fn the_name_can_be_chosen_in_front_of_the_command_and_behind_it() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    for arguments in [
        &["-n", "my.name", "send", "the.receiver", "x"][..],
        &["--name", "my.name", "send", "the.receiver", "x"],
        &["send", "the.receiver", "x", "-n", "my.name"],
        &["-n", "not.this", "send", "--name", "my.name", "the.receiver", "x"],
    ] {
        bus.cli(arguments).run().expect_success();
        assert_eq!(receiver.message().0, "my.name", "{arguments:?}");
    }
}

#[test]
fn a_name_nobody_chose_tells_program_host_and_process() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let mut names = Vec::new();
    for _ in 0..2 {
        bus.cli(&["send", "the.receiver", "x"]).run().expect_success();
        let (sender, _) = receiver.message();
        let parts: Vec<_> = sender.split('.').collect();
        let [program, host, process] = parts[..] else {
            panic!("{sender}")
        };
        assert_eq!(program, "cli");
        assert!(!host.is_empty());
        assert!(process.parse::<u32>().is_ok(), "{sender}");
        names.push(sender);
    }
    assert_ne!(names[0], names[1]);
}

#[test]
fn the_address_stands_in_front_of_the_command_or_comes_from_the_environment() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let path = bus.socket().display().to_string();
    for address in [path.clone(), format!("unix://{path}")] {
        Cli::new(&[&address, "send", "the.receiver", "x"])
            .run()
            .expect_success();
        assert_eq!(receiver.message().1, b"x");
    }
    // What is written counts more than the environment.
    Cli::new(&[&path, "send", "the.receiver", "y"])
        .env("ELBUS_ADDRESS", "/nowhere/bus.sock")
        .run()
        .expect_success();
    assert_eq!(receiver.message().1, b"y");
}

#[test]
fn a_message_over_the_limit_is_refused_with_the_limit() {
    let bus = Bus::start();
    let _receiver = bus.client("the.receiver");
    let sent = bus
        .cli(&["send", "the.receiver"])
        .input(vec![b'x'; 64 * 1024 * 1024 + 1])
        .run();
    sent.expect_failure(1, "more than 67108864 bytes");
    // The name of the target counts as well.
    let sent = bus
        .cli(&["send", "the.receiver"])
        .input(vec![b'x'; 64 * 1024 * 1024])
        .run();
    sent.expect_failure(1, "over the limit of 67108864 bytes");
}

#[test]
fn verbose_tells_what_the_connection_does_and_silent_leaves_the_errors() {
    let bus = Bus::start();
    let _receiver = bus.client("the.receiver");
    let verbose = bus.cli(&["-v", "send", "the.receiver", "x"]).run();
    assert_eq!(verbose.code, Some(0), "{verbose:?}");
    assert!(verbose.errors.contains("connected"), "{verbose:?}");
    assert!(!verbose.errors.contains('\x1b'), "{verbose:?}");
    bus.cli(&["send", "-s", "nobody.here", "x"])
        .run()
        .expect_failure(5, "no client named nobody.here");
    let old = bus.cli(&["--queue-size", "9", "send", "the.receiver", "x"]).run();
    assert_eq!(old.code, Some(0), "{old:?}");
    assert!(old.errors.contains("--queue-size has no effect"), "{old:?}");
    bus.cli(&["--queue-size", "9", "-s", "send", "the.receiver", "x"])
        .run()
        .expect_success();
}
