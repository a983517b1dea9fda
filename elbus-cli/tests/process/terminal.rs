//! On a terminal: colour and progress, unless the environment says otherwise.
use std::{fs::File, io::Write, os::fd::OwnedFd, path::PathBuf};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use crate::support::{Bus, Running};

/// A terminal: what is shown on it can be read from `screen`.
struct Terminal {
    screen: File,
    line: OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
        Self {
            screen: screen.into(),
            line,
        }
    }
}

/// What a listener shows of one publication.
fn shown(variables: &[(&str, &str)]) -> String {
    let bus = Bus::start();
    let Terminal { screen, line } = Terminal::open();
    let mut listening = bus.cli(&["listen", "-t", "t", "-n", "1"]);
    for (variable, value) in variables {
        listening = listening.env(variable, value);
    }
    let listening = Running::on_screen(listening.stdout(line), screen);
    listening.wait_for_error("listening as");
    bus.cli(&["-n", "a.b", "publish", "t", "x"])
        .run()
        .expect_success();
    let ended = listening.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.text().to_owned()
}

#[test]
fn a_terminal_gets_colour() {
    assert_eq!(shown(&[]), "\x1b[36mt\x1b[0m from \x1b[32ma.b\x1b[0m: x\r\n");
}

#[test]
fn a_terminal_gets_no_colour_if_the_environment_says_so() {
    for variables in [&[("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        assert_eq!(shown(variables), "t from a.b: x\r\n", "{variables:?}");
    }
    assert!(shown(&[("NO_COLOR", "")]).contains('\x1b'));
}

fn file_of_lines(bus: &Bus, count: usize) -> PathBuf {
    let path = bus.file("lines");
    let mut file = File::create(&path).unwrap();
    for n in 0..count {
        writeln!(file, "line {n}").unwrap();
    }
    path
}

/// What is shown while a file's lines are published.
fn progress(more: &[&str], variables: &[(&str, &str)]) -> String {
    let bus = Bus::start();
    let file = file_of_lines(&bus, 1_234);
    let Terminal { screen, line } = Terminal::open();
    let mut publishing = bus.cli(&[&["publish", "--lines", "t"], more].concat());
    for (variable, value) in variables {
        publishing = publishing.env(variable, value);
    }
    let publishing = publishing.stdin(File::open(file).unwrap()).stderr(line);
    let ended = Running::on_screen(publishing, screen).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.text().to_owned()
}

#[test]
fn the_lines_of_a_file_are_counted_on_a_terminal() {
    let shown = progress(&[], &[]);
    let last = shown.rsplit("\r\x1b[K").next().unwrap();
    assert!(
        last.starts_with("1,234 lines in ") && last.ends_with(" s\r\n"),
        "{shown:?}"
    );
}

#[test]
fn nothing_is_counted_if_that_is_not_wanted_or_the_terminal_cannot_show_it() {
    assert_eq!(progress(&["-s"], &[]), "");
    assert_eq!(progress(&[], &[("TERM", "dumb")]), "");
}

#[test]
fn nothing_is_counted_of_a_pipe() {
    let bus = Bus::start();
    let Terminal { screen, line } = Terminal::open();
    let publishing = bus.cli(&["publish", "--lines", "t"]).input("one\n").stderr(line);
    assert_eq!(Running::on_screen(publishing, screen).end().text(), "");
}

#[test]
fn a_payload_that_is_typed_is_asked_for() {
    let bus = Bus::start();
    let mut receiver = bus.client("the.receiver");
    let Terminal { mut screen, line } = Terminal::open();
    let sending = bus.cli(&["send", "the.receiver"]).stdin(line).spawn();
    sending.wait_for_error("Ctrl-D behind a newline ends it");
    screen.write_all(b"typed\n\x04").unwrap();
    assert_eq!(receiver.message().1, b"typed\n");
    assert_eq!(sending.end().code, Some(0));
}

/// What is shown of a command on a terminal that has its standard output and error.
fn on_screen(bus: &Bus, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let Terminal { screen, line } = Terminal::open();
    let mut running = bus.cli(arguments);
    for (variable, value) in variables {
        running = running.env(variable, value);
    }
    let running = running.stdout(line.try_clone().unwrap()).stderr(line);
    let ended = Running::on_screen(running, screen).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.text().to_owned()
}

#[test]
fn the_heading_of_a_table_is_bold() {
    let bus = Bus::start();
    let shown = on_screen(&bus, &["broker", "test"], &[]);
    let bold = "\x1b[1mwhat  value\x1b[0m\r\n------------\r\nok    true\r\n";
    assert_eq!(shown, bold);
    for variables in [&[("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        let plain = "what  value\r\n------------\r\nok    true\r\n";
        assert_eq!(on_screen(&bus, &["broker", "test"], variables), plain);
    }
}

#[test]
fn a_benchmark_shows_how_far_it_has_come() {
    let bus = Bus::start();
    let benchmark = ["benchmark", "-i", "1000", "--stage", "rpc.call"];
    let shown = on_screen(&bus, &benchmark, &[]);
    let (bar, table) = shown.rsplit_once("\r\x1b[K").unwrap();
    assert!(
        bar.starts_with("\r\x1b[Krpc.call ") && bar.contains(" %  "),
        "{shown:?}"
    );
    assert!(table.contains("rpc.call ") && !table.contains('%'), "{shown:?}");
    for (more, variables) in [
        (&["-s"][..], &[][..]),
        (&[], &[("NO_COLOR", "1")]),
        (&[], &[("TERM", "dumb")]),
    ] {
        let shown = on_screen(&bus, &[&benchmark, more].concat(), variables);
        assert!(!shown.contains('%'), "{more:?} {variables:?}: {shown:?}");
    }
}

#[test]
fn a_benchmark_that_is_interrupted_clears_its_line() {
    let bus = Bus::start();
    let Terminal { screen, line } = Terminal::open();
    let benchmark = bus.cli(&["-n", "my.name", "benchmark", "-i", "4000000000"]);
    let running = Running::on_screen(benchmark.stderr(line), screen);
    running.wait_for_output(" %  ");
    running.signal(rustix::process::Signal::INT);
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.text().ends_with("\r\x1b[K"), "{ended:?}");
}
