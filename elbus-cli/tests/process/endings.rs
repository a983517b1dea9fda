//! Signals and closed pipes: the end is quiet, and its code tells why.
use std::{fs::File, io::Write};

use rustix::process::Signal;

use crate::support::{Bus, Ended};

fn expect_quiet(ended: &Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let said: Vec<_> = ended
        .errors
        .lines()
        .filter(|line| !line.starts_with("listening as"))
        .collect();
    assert_eq!(said, [""; 0]);
}

#[test]
fn a_signal_ends_a_listener_quietly_and_what_came_is_printed() {
    let bus = Bus::start();
    for (signal, code, name) in [
        (Signal::INT, 130, "one.listener"),
        (Signal::TERM, 143, "another.listener"),
    ] {
        let listening = bus.listen_as(name, &[]);
        bus.cli(&["-n", "a.b", "send", name, "x"]).run().expect_success();
        listening.wait_for_output("message from a.b: x\n");
        listening.signal(signal);
        let ended = listening.end();
        // By the signal itself: a shell's loop ends with it.
        assert_eq!(ended.signal, Some(signal.as_raw()));
        expect_quiet(&ended, code);
    }
}

#[test]
fn a_signal_ends_a_listener_whose_output_nobody_reads() {
    let bus = Bus::start();
    let (reader, writer) = std::io::pipe().unwrap();
    let listening = bus
        .cli(&["listen", "--name", "the.listener", "--raw"])
        .stdout(writer)
        .spawn();
    listening.wait_for_error("listening as");
    // More than the pipe and the buffer hold; what the listener itself holds back is not waited for.
    let lines = "0123456789".repeat(100) + "\n";
    let lines = lines.repeat(2_000);
    bus.cli(&["send", "--lines", "the.listener"])
        .input(lines)
        .run()
        .expect_success();
    listening.signal(Signal::INT);
    expect_quiet(&listening.end(), 130);
    drop(reader);
}

#[test]
fn a_signal_ends_a_listener_under_a_flood() {
    let bus = Bus::start();
    let listening = bus.listen_as("the.listener", &["--raw"]);
    let (flooding, mut stdin) = bus
        .cli(&["send", "--lines", "--qos", "0", "the.listener"])
        .spawn_with_open_input();
    let writer = std::thread::spawn(move || while stdin.write_all(&b"y\n".repeat(10_000)).is_ok() {});
    listening.wait_for_output("y\n");
    listening.signal(Signal::INT);
    expect_quiet(&listening.end(), 130);
    flooding.signal(Signal::INT);
    expect_quiet(&flooding.end(), 130);
    writer.join().unwrap();
}

#[test]
fn a_signal_ends_a_sender_that_waits_for_its_input() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let (sending, mut stdin) = bus
        .cli(&["send", "--lines", "the.receiver"])
        .spawn_with_open_input();
    writeln!(stdin, "one").unwrap();
    assert_eq!(receiver.message().1, b"one");
    sending.signal(Signal::INT);
    expect_quiet(&sending.end(), 130);
}

#[test]
fn a_listener_ends_quietly_when_its_reader_has_gone() {
    let bus = Bus::start();
    for style in ["--raw", "--json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        let listening = bus.cli(&["listen", style]).stdout(writer).spawn();
        listening.wait_for_error("listening as");
        // No frame need come for that.
        drop(reader);
        expect_quiet(&listening.end(), 141);
    }
}

#[test]
fn a_listener_whose_reader_goes_in_the_middle_of_much_ends_quietly() {
    let bus = Bus::start();
    let (reader, writer) = std::io::pipe().unwrap();
    let listening = bus.cli(&["listen", "-t", "log"]).stdout(writer).spawn();
    listening.wait_for_error("listening as");
    let (publishing, mut stdin) = bus.cli(&["publish", "--lines", "log"]).spawn_with_open_input();
    let feeder = std::thread::spawn(move || while stdin.write_all(&b"y\n".repeat(10_000)).is_ok() {});
    let mut first = [0; 3];
    std::io::Read::read_exact(&mut &reader, &mut first).unwrap();
    assert_eq!(&first, b"log");
    drop(reader);
    expect_quiet(&listening.end(), 141);
    publishing.signal(Signal::TERM);
    expect_quiet(&publishing.end(), 143);
    feeder.join().unwrap();
}

#[test]
fn closed_standard_errors_are_no_reason_to_fail() {
    let bus = Bus::start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = bus.cli(&["listen", "--for", "10ms"]).stderr(writer).run();
    assert_eq!(ended.code, Some(0));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = bus.cli(&["send", "nobody.here", "x"]).stderr(writer).run();
    assert_eq!(ended.code, Some(5));
}

#[test]
fn an_input_that_cannot_be_read_and_an_output_that_is_full_are_errors() {
    let bus = Bus::start();
    let directory = || File::open("/").unwrap();
    for arguments in [&["send", "x", "--lines"][..], &["send", "x"]] {
        let ended = bus.cli(arguments).stdin(directory()).run();
        ended.expect_failure(1, "cannot read the standard input: ");
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let listening = bus
        .cli(&["listen", "--name", "the.listener"])
        .stdout(full)
        .spawn();
    listening.wait_for_error("listening as");
    bus.cli(&["send", "the.listener", "x"]).run().expect_success();
    listening
        .end()
        .expect_failure(1, "cannot write to the standard output: ");
}
