//! Arguments that are wrong, and help.
use crate::support::Cli;

#[test]
fn wrong_arguments_are_explained_and_end_with_exit_code_2() {
    for (arguments, help) in [
        (&[][..], "Usage: elbus-cli"),
        (
            &["lsten"],
            "neither a command (send, publish, listen) nor an address",
        ),
        (&["ws://host:1", "listen"], "unknown scheme"),
        (&["/bus.sock"], "requires a subcommand"),
        (&["/bus.sock", "lsten"], "unrecognized subcommand 'lsten'"),
        (&["send"], "<TARGET>"),
        (&["send", "", "x"], "the name is empty"),
        (&["send", "a*", "x"], "* stands only for the whole last part"),
        (&["send", "a?.b", "x"], "? stands only for a whole part"),
        (&["send", "a\nb", "x"], "the name holds '\\n'"),
        (&["send", "x", "y", "z"], "unexpected argument 'z'"),
        (&["send", "x", "y", "--lines"], "cannot be used with"),
        (&["send", "x", "--lnes"], "'--lines'"),
        (&["send", "x", "y", "--qos", "4"], "0 (no), 1 (processed)"),
        (&["publish", "a/#", "x"], "has no + or # as a level"),
        (&["publish", "", "x"], "the topic is empty"),
        (&["listen", "-t", "a#"], "# stands only for the whole last level"),
        (&["listen", "-x", "#/a"], "# stands only for the whole last level"),
        (&["listen", "-n", "0"], "'0' for '--count"),
        (&["listen", "-n", "my.name"], "'my.name' for '--count"),
        (&["listen", "--for", "soon"], "a time, such as 5, 0.5, 300ms"),
        (&["listen", "--json", "--raw"], "cannot be used with"),
        (&["listen", "-s", "-v"], "cannot be used with"),
        (&["listen", "--timeout", "1ms"], "from 10ms to 1h"),
        (&["-n", "a*", "listen"], "the name holds '*'"),
        (&["listen", "stray"], "unexpected argument"),
    ] {
        Cli::new(arguments).run().expect_failure(2, help);
    }
}

#[test]
fn help_tells_the_options_and_every_exit_code() {
    let help = Cli::new(&["--help"]).run();
    help.expect_success();
    for words in [
        "send",
        "publish",
        "listen",
        "--name",
        "--timeout",
        "--silent",
        "--verbose",
        "ELBUS_ADDRESS",
    ] {
        assert!(help.text().contains(words), "{words} in {help:?}");
    }
    for code in [
        "0  ",
        "1  ",
        "2  ",
        "3  ",
        "4  ",
        "5  ",
        "6  ",
        "7  ",
        "8  ",
        "130, 141, 143  ",
    ] {
        let told = help
            .text()
            .lines()
            .any(|line| line.trim_start().starts_with(code));
        assert!(told, "{code:?} in {help:?}");
    }
    let listen = Cli::new(&["listen", "--help"]).run();
    for option in [
        "-t, --topics",
        "-x, --exclude",
        "-n, --count",
        "--for",
        "--json",
        "--raw",
        "--name",
    ] {
        assert!(listen.text().contains(option), "{option} in {listen:?}");
    }
    let send = Cli::new(&["send", "--help"]).run();
    for option in ["[PAYLOAD]", "-l, --lines", "--qos", "-n, --name"] {
        assert!(send.text().contains(option), "{option} in {send:?}");
    }
    let version = Cli::new(&["--version"]).run();
    assert_eq!(
        version.text(),
        format!("elbus-cli {}\n", env!("CARGO_PKG_VERSION"))
    );
}
