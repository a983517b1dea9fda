//! `--lines`: a message for each line, many in flight.
use std::{
    fs::{self, File},
    io::Write,
};

use crate::support::{Broken, Bus};

/// Lines as they occur and as they hardly ever do: empty, with CR, NUL and bytes that are no UTF-8, short and long.
fn odd_lines(count: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for n in 0..count {
        match n % 10 {
            0 => {}
            1 => file.extend(b"ends with CR\r"),
            2 => file.extend(b"\0 and \xFF\xC3\x28"),
            3 => file.resize(file.len() + n % 3_000, b'.'),
            _ => file.extend(format!("line {n} of a log").bytes()),
        }
        file.push(b'\n');
    }
    file
}

#[test]
fn a_file_of_100_000_lines_arrives_byte_for_byte_with_every_quality_of_service() {
    let bus = Bus::start();
    let lines = odd_lines(100_000);
    fs::write(bus.file("in"), &lines).unwrap();
    for qos in ["0", "1", "2", "3"] {
        let out = bus.file("out");
        let listening = bus
            .cli(&["listen", "--raw", "-t", "log/#", "-n", "100000"])
            .stdout(File::create(&out).unwrap())
            .spawn();
        listening.wait_for_error("listening as");
        bus.cli(&["publish", "--lines", "--qos", qos, "log/x"])
            .stdin(File::open(bus.file("in")).unwrap())
            .run()
            .expect_success();
        assert_eq!(listening.end().code, Some(0));
        assert!(fs::read(&out).unwrap() == lines, "--qos {qos}: the files differ");
    }
}

#[test]
fn a_last_line_without_a_newline_is_a_line() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw", "-n", "2"]);
    bus.cli(&["send", "--lines", "the.listener"])
        .input("one\ntwo")
        .run()
        .expect_success();
    assert_eq!(listening.end().text(), "one\ntwo\n");
}

#[test]
fn an_empty_input_sends_nothing() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw", "-n", "1"]);
    bus.cli(&["send", "--lines", "the.listener"])
        .run()
        .expect_success();
    bus.cli(&["send", "the.listener", "the first"])
        .run()
        .expect_success();
    assert_eq!(listening.end().text(), "the first\n");
}

#[test]
fn a_line_is_sent_when_it_comes_and_not_when_the_input_ends() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    for qos in ["0", "1"] {
        let sending = bus.cli(&["send", "--lines", "--qos", qos, "the.receiver"]);
        let (running, mut stdin) = sending.spawn_with_open_input();
        for line in ["one", "two"] {
            writeln!(stdin, "{line}").unwrap();
            assert_eq!(receiver.message().1, line.as_bytes(), "--qos {qos}");
        }
        drop(stdin);
        running.end().expect_success();
    }
}

#[test]
fn a_receiver_that_takes_one_frame_at_a_time_gets_every_line() {
    let bus = Bus::start();
    let lines = odd_lines(20_000);
    let mut receiver = bus.client("the.receiver");
    for qos in ["0", "1"] {
        let sending = bus
            .cli(&["send", "--lines", "--qos", qos, "the.receiver"])
            .input(lines.clone())
            .spawn();
        let mut got = Vec::new();
        while got.len() < lines.len() {
            got.extend(receiver.message().1);
            got.push(b'\n');
        }
        assert!(got == lines, "--qos {qos}");
        sending.end().expect_success();
    }
}

#[test]
fn the_first_line_that_fails_is_told_with_what_became_of_the_others() {
    let bus = Bus::start();
    let failed = bus
        .cli(&["send", "--lines", "nobody.here"])
        .input("one\ntwo\nthree\n")
        .run();
    failed.expect_failure(5, "line 1: no client named nobody.here is on the bus");
}

#[test]
fn a_line_that_fails_is_told_although_no_other_line_comes() {
    let bus = Bus::start();
    let (running, mut stdin) = bus
        .cli(&["send", "--lines", "nobody.here"])
        .spawn_with_open_input();
    writeln!(stdin, "one").unwrap();
    running.end().expect_failure(
        5,
        "line 1: no client named nobody.here is on the bus (it is the first)",
    );
}

#[test]
fn a_connection_that_breaks_is_told_with_the_lines_that_were_acknowledged() {
    let broker = Broken::that_hangs_up_after(2);
    let failed = broker
        .cli(&["publish", "--lines", "log"])
        .input("1\n2\n3\n")
        .run();
    failed.expect_failure(7, "line 3: the connection to the broker was lost");
    assert!(
        failed.errors.contains("all before it were acknowledged"),
        "{failed:?}"
    );
}

#[test]
fn a_line_over_the_limit_ends_the_sending() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let input = [b"fits\n".to_vec(), vec![b'x'; 64 * 1024 * 1024 + 2]].concat();
    let failed = bus.cli(&["send", "--lines", "the.receiver"]).input(input).run();
    failed.expect_failure(1, "line 2: a line of more than 67108864 bytes");
    assert_eq!(receiver.message().1, b"fits");
}
