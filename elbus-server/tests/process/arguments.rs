//! Arguments that are wrong, and help.
use tempfile::tempdir;

use crate::support::{Process, Server, command};
use elbus_testkit::PATIENCE;

#[test]
fn wrong_arguments_are_explained_and_end_with_exit_code_2() {
    let directory = tempdir().unwrap();
    for (arguments, help) in [
        (&["--bnid", "x.sock"][..], "--bind"),
        (&["-B", "nowhere"], "neither the path of a socket"),
        (&["-B", "ws://host:1"], "unknown scheme"),
        (&["-B", ""], "the address is empty"),
        (&["-B", "fifo:"], "needs a path"),
        (&["-w", "0"], "a number from 1 to 1024"),
        (&["-w", "many"], "a number from 1 to 1024"),
        (&["--high-water", "8M"], "a whole number in plain digits"),
        (&["-t", "soon"], "a number of seconds, such as 5"),
        (&["-t", "-1"], "a number of seconds, such as 5"),
        (&["--stall-timeout", "nan"], "a number of seconds, such as 5"),
        (&["--socket-mode", "rw"], "octal, such as 660"),
        (&["--socket-mode", "1777"], "octal, such as 660"),
        (&["--socket-owner", "nobody.has.this.name"], "no such user"),
        (&["--socket-group", "nobody.has.this.name"], "no such group"),
        (&["stray"], "unexpected argument"),
    ] {
        let refused = Server::refused(command(directory.path()).args(arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.message.contains(help), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn values_beyond_what_makes_sense_are_explained_and_end_with_exit_code_2() {
    let directory = tempdir().unwrap();
    for (arguments, expected) in [
        (
            &["--high-water", "0"][..],
            "--high-water must be from 1 byte to 2 GiB, not 0",
        ),
        (
            &["--buf-size", "1"],
            "--buf-size must be from 512 bytes to 16 MiB, not 1",
        ),
        (
            &["-t", "0"],
            "--timeout must be from 1 ms to 1 day, not 0 seconds",
        ),
        (
            &["--stall-timeout", "90000.5"],
            "--stall-timeout must be from 1 ms to 1 day, not 90000.5 seconds",
        ),
        (
            &["--buf-ttl", "1000001"],
            "--buf-ttl must be at most 1 s, not 1000001 microseconds",
        ),
        (
            &["--name-parts", "0"],
            "--name-parts must be from 1 to 65,535, not 0",
        ),
        (&["-D", "--queue-size", "0"], "--queue-size must be from 1 to"),
    ] {
        let refused = Server::refused(command(directory.path()).args(arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.message.contains(expected), "{arguments:?}: {refused:?}");
    }
}

#[test]
fn help_fits_the_terminal_and_is_broken_only_where_it_has_to_be() {
    let directory = tempdir().unwrap();
    for width in [80, 100] {
        let mut command = command(directory.path());
        command.arg("--help").env("COLUMNS", width.to_string());
        let (code, help, _) = Process::spawn(&mut command).finish(PATIENCE);
        assert_eq!(code, Some(0));
        let lines: Vec<_> = help.lines().map(str::trim_end).collect();
        for line in &lines {
            assert!(line.chars().count() <= width, "{width}: {line:?}");
        }
        // A line ends where the next word would not have fit.
        for pair in lines.windows(2) {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let is_prose = |line: &&str| indent(line) != 2 && !line.ends_with(':');
            if pair.contains(&"") || !pair.iter().all(is_prose) || indent(pair[0]) != indent(pair[1]) {
                continue;
            }
            let word = pair[1].split_whitespace().next().unwrap();
            assert!(pair[0].len() + 1 + word.len() > width, "{width}: {pair:?}");
        }
    }
}

#[test]
fn help_tells_every_option_of_existing_users_and_the_version_is_that_of_the_crate() {
    let directory = tempdir().unwrap();
    let said = |argument| {
        let (code, said, errors) = Process::spawn(command(directory.path()).arg(argument)).finish(PATIENCE);
        assert_eq!((code, &errors[..]), (Some(0), ""));
        said
    };
    let help = said("--help");
    for option in [
        "-B, --bind",
        "-P, --pid-file",
        "-D, --daemon",
        "-w, --workers",
        "-t, --timeout",
        "--buf-size",
        "--buf-ttl",
        "--queue-size",
        "--verbose",
        "--log-syslog",
        "--force-register",
    ] {
        assert!(help.contains(option), "{option} in {help}");
    }
    assert_eq!(
        said("--version"),
        format!("elbus-server {}", env!("CARGO_PKG_VERSION"))
    );
}
