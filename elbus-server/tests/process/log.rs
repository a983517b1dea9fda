//! What the log looks like, and how much of it there is.
use std::time::Instant;

use elbus_broker::Address;
use elbus_testkit::Raw;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Process, Server, command};

/// The log of a server whose client does something with it; the server has ended.
fn log_of(more: &[&str], act: impl FnOnce(&Server)) -> String {
    let directory = tempdir().unwrap();
    let mut server = Server::start(directory.path(), more);
    act(&server);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    server.process.errors()
}

#[test]
fn it_is_coloured_on_a_terminal_that_shows_colours_and_for_those_who_want_them() {
    for (variables, coloured) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "")], false),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
    ] {
        let directory = tempdir().unwrap();
        let mut command = command(directory.path());
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        let mut server = Server::up(Process::spawn_on_terminal(&mut command)).unwrap();
        server.signal(Signal::TERM);
        assert_eq!(server.exit_code(), Some(0));
        let log = server.process.errors();
        assert!(log.contains("shutting down"), "{variables:?}: {log:?}");
        assert_eq!(log.contains('\x1b'), coloured, "{variables:?}: {log:?}");
    }
}

#[test]
fn it_is_not_coloured_in_a_file() {
    let directory = tempdir().unwrap();
    let mut server = Server::run(command(directory.path()).env("TERM", "xterm"));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let log = server.process.errors();
    assert!(log.contains("shutting down") && !log.contains('\x1b'), "{log:?}");
}

#[test]
fn names_that_clients_choose_cannot_be_taken_for_other_words_of_a_line() {
    for (name, logged) in [
        ("plant.pump%%2", "client=plant.pump%%2 "),
        ("a client=b", r#"client="a client=b" "#),
        ("a\" client=\"b", r#"client="a\" client=\"b" "#),
        ("a\u{202e}b", r#"client="a\u{202e}b" "#),
        ("a\u{2028}b", r#"client="a\u{2028}b" "#),
        ("from=x", r#"client="from=x" "#),
    ] {
        let log = log_of(&["-v"], |server| {
            let _primary = server.client("plant.pump");
            let _client = server.client(name);
        });
        let line = log.lines().find(|line| line.contains(logged));
        assert!(
            line.is_some_and(|line| line.contains("registered")),
            "{logged} in {log}"
        );
        assert!(name.is_ascii() || !log.contains(name), "{log}");
    }
}

#[test]
fn reasons_that_hold_what_a_client_sent_cannot_be_taken_for_other_words_of_a_line() {
    let log = log_of(&[], |server| {
        for name in [".a\" from=b", ".a\u{202e}b", ".a\n2026-01-01 INFO b"] {
            let (_, answer) = Raw::try_register(&server.addresses[0], name.as_bytes());
            assert_ne!(answer, elbus_proto::OK);
        }
    });
    for part in [
        r#"reason="the name \".a\\\" from=b\" starts with a dot"#,
        r#"reason="the name \".a\\u{202e}b\" starts with a dot"#,
        r#"reason="the name holds '\\n'""#,
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert_eq!(log.matches("greeting refused").count(), 3, "{log}");
    assert!(!log.contains('\u{202e}'), "{log}");
}

/// The number behind `field=` in a line.
fn number(line: &str, field: &str) -> u64 {
    let (_, rest) = line.split_once(field).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_flood_of_refused_greetings_is_counted_instead_of_written() {
    const TRIES: u64 = 2_000;
    const A_SECOND: u64 = 50;
    let directory = tempdir().unwrap();
    let mut server = Server::start(directory.path(), &[]);
    let refused = |address: &Address| {
        let (_, answer) = Raw::try_register(address, b".reserved");
        assert_ne!(answer, elbus_proto::OK);
    };
    let start = Instant::now();
    for _ in 0..TRIES {
        refused(&server.addresses[0]);
    }
    let seconds = start.elapsed().as_secs() + 2;
    server.process.wait_for_error("lines left out of the log");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let log = server.process.errors();
    let written = log.matches("greeting refused from=").count() as u64;
    let left_out: u64 = log
        .lines()
        .filter(|line| {
            line.contains("lines left out of the log") && line.contains("like=\"greeting refused\"")
        })
        .map(|line| number(line, "lines="))
        .sum();
    assert!(written <= seconds * A_SECOND, "{written} in {seconds} s");
    assert_eq!(written + left_out, TRIES, "{log}");
    assert!(log.contains("shutting down"), "{log}");
}

#[test]
fn what_was_left_out_last_is_said_before_the_end() {
    let log = log_of(&[], |server| {
        for _ in 0..200 {
            let _ = Raw::try_register(&server.addresses[0], b".reserved");
        }
    });
    let written = log.matches("greeting refused from=").count() as u64;
    let left_out: u64 = log
        .lines()
        .filter(|line| line.contains("lines left out of the log"))
        .map(|line| number(line, "lines="))
        .sum();
    assert_eq!(written + left_out, 200, "{log}");
}
