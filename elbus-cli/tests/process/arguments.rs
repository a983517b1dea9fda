//! Arguments that are wrong, and help.
use crate::support::Cli;

#[test]
fn wrong_arguments_are_explained_and_end_with_exit_code_2() {
    for (arguments, help) in [
        (&[][..], "Usage: elbus-cli"),
        (
            &["lsten"],
            "neither a command (send, publish, listen, rpc, broker, benchmark) nor an address",
        ),
        (&["ws://host:1", "listen"], "unknown scheme"),
        (&["/bus.sock"], "requires a subcommand"),
        (&["/bus.sock", "lsten"], "unrecognized subcommand 'lsten'"),
        (&["send"], "<TARGET>"),
        (&["send", "", "x"], "the name is empty"),
        (&["broker", "client.list", ""], "the mask is empty"),
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
        (&["listen", "-n", "my.name"], "'my.name' for '--count"),
        (
            &["listen", "--for", "soon"],
            "a time of 0 or more, such as 5, 0.5, 300ms",
        ),
        (&["listen", "--json", "--raw"], "cannot be used with"),
        (&["listen", "-s", "-v"], "cannot be used with"),
        (&["-n", "a*", "listen"], "the name holds '*'"),
        (&["listen", "plant/#"], "listen -t 'plant/#'"),
        (&["listen", "-n", "a.b"], "our name is --name here"),
        (&["sned", "a", "b"], "neither a command (send, publish"),
        (
            &["-n", "a.b", "listn", "-t", "x/#"],
            "neither a command (send, publish",
        ),
        (&["rpc"], "Usage: elbus-cli rpc"),
        (&["rpc", "cal"], "unrecognized subcommand 'cal'"),
        (&["rpc", "call", "x"], "<METHOD>"),
        (&["rpc", "call", "a*", "m"], "the name holds '*'"),
        (&["rpc", "call", "x", ""], "the name is empty"),
        (
            &["rpc", "call", "x", "m", "--json", "--raw"],
            "cannot be used with",
        ),
        (&["rpc", "call0", "x", "m", "--json"], "'--json'"),
        (&["rpc", "notify"], "<TARGET>"),
        (&["rpc", "notify", "x", "y", "z"], "unexpected argument 'z'"),
        (&["rpc", "listen", "--reply", "{"], "not JSON"),
        (&["rpc", "listen", "-n", "0"], "'0' for '--count"),
        (&["rpc", "describe", "x", "m"], "unexpected argument 'm'"),
        (&["broker"], "Usage: elbus-cli broker"),
        (&["broker", "client.lst"], "unrecognized subcommand 'client.lst'"),
        (
            &["broker", "client.list", "a*"],
            "* stands only for the whole last part",
        ),
        (&["broker", "client.get"], "<CLIENT>"),
        (&["broker", "client.disconnect", "a?"], "the name holds '?'"),
        (
            &["broker", "subscription.list"],
            "<--client <NAME>|--topic <TOPIC>>",
        ),
        (
            &["broker", "subscription.list", "--client", "a", "--topic", "b"],
            "cannot be used with",
        ),
        (
            &["broker", "subscription.list", "--topic", "a/+"],
            "has no + or # as a level",
        ),
        (&["benchmark", "--stage", "rpc"], "send+recv.qos.processed"),
    ] {
        Cli::new(arguments).run().expect_failure(2, help);
    }
}

#[test]
fn what_is_out_of_range_or_reserved_is_refused_with_what_may_stand_there() {
    for (arguments, help) in [
        (
            &["listen", "-n", "0"][..],
            "a whole number from 1 to 18446744073709551615",
        ),
        (&["listen", "-n", "-5"], "a whole number from 1 to"),
        (&["listen", "--for", "-1"], "a time of 0 or more"),
        (&["listen", "--for", "99999999999999999999h"], "at most 1000000h"),
        (&["listen", "--timeout", "1ms"], "from 10ms to 1h"),
        (
            &["listen", "--timeout", "99999999999999999999h"],
            "from 10ms to 1h",
        ),
        (&["listen", "--timeout", "-1"], "a time of 0 or more"),
        (
            &["-n", ".broker", "listen"],
            "a dot are the broker's own: leave the dot out",
        ),
        (&["listen", "--name", "."], "a dot are the broker's own"),
        (
            &["localhost:99999", "listen"],
            "out of range: ports are from 0 to 65535",
        ),
        (&["benchmark", "-w", "0"], "0 is not in 1..=1024"),
        (&["benchmark", "-w", "-1"], "-1 is not in 1..=1024"),
        (&["benchmark", "-i", "0"], "a whole number from 1 to 4294967295"),
        (
            &["benchmark", "--payload-size", "16777217"],
            "16777217 is not in 0..=16777216",
        ),
        (&["benchmark", "--in-flight", "0"], "0 is not in 1..=16384"),
        (&["benchmark", "--threads", "0"], "0 is not in 1..=256"),
    ] {
        Cli::new(arguments).run().expect_failure(2, help);
    }
}

#[test]
fn what_is_far_too_long_is_not_repeated_whole() {
    let long = format!("front{}back", "x".repeat(10_000));
    let path = format!("/{long}");
    for (arguments, code) in [
        (&["send", &long, "x"][..], 2),
        (&["listen", "--name", &long], 2),
        (&["publish", &long, "x"], 2),
        (&["broker", &long], 2),
        (&[&long, "listen"], 2),
        (&[&path, "listen"], 3),
    ] {
        let ended = Cli::new(arguments).run();
        ended.expect_failure(code, "front");
        assert!(ended.errors.contains("x…x"), "{ended:?}");
        assert!(ended.errors.contains("back"), "{ended:?}");
        assert!(ended.errors.len() < 1000, "{ended:?}");
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
        "rpc",
        "broker",
        "benchmark",
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
        "9  ",
        "10 ",
        "130, 141, 143  ",
    ] {
        let told = help
            .text()
            .lines()
            .any(|line| line.trim_start().starts_with(code));
        assert!(told, "{code:?} in {help:?}");
    }
    let version = Cli::new(&["--version"]).run();
    assert_eq!(
        version.text(),
        format!("elbus-cli {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_help_of_a_command_tells_its_options() {
    for (command, options) in [
        (
            &["listen"][..],
            &[
                "-t, --topics",
                "-x, --exclude",
                "-n, --count",
                "--for",
                "--json",
                "--raw",
                "--name",
            ][..],
        ),
        (&["send"], &["[PAYLOAD]", "-l, --lines", "--qos", "-n, --name"]),
        (&["rpc"], &["call", "call0", "notify", "listen", "describe"]),
        (
            &["rpc", "call"],
            &[
                "[PARAM]...",
                "speed=1500",
                "limits.low=1",
                "list:=",
                "--stdin",
                "--json",
                "--raw",
                "-n, --name",
            ],
        ),
        (&["rpc", "call0"], &["[PARAM]...", "list:=", "--stdin"]),
        (&["rpc", "notify"], &["[PAYLOAD]", "-n, --name"]),
        (
            &["rpc", "listen"],
            &["--reply", "-t, --topics", "-n, --count", "--json"],
        ),
        (&["rpc", "describe"], &["<TARGET>", "--json"]),
        (
            &["broker"],
            &[
                "test",
                "info",
                "stats",
                "client.list",
                "client.get",
                "client.disconnect",
                "reload",
                "subscription.list",
                "--json",
            ],
        ),
        (&["broker", "client.list"], &["[MASK]", "--json"]),
        (&["broker", "subscription.list"], &["--client", "--topic"]),
        (
            &["benchmark"],
            &[
                "-w, --workers",
                "-i, --iterations",
                "--payload-size",
                "--in-flight",
                "--threads",
                "--stage",
                "--json",
                "rpc.call+handle",
            ],
        ),
    ] {
        let help = Cli::new(&[command, &["--help"]].concat()).run();
        help.expect_success();
        for option in options {
            assert!(help.text().contains(option), "{option} in {help:?}");
        }
    }
}
