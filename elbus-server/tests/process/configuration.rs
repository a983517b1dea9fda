//! The configuration file: what is accepted, what is refused, and what wins.
use std::{fs, path::Path};

use elbus_proto::{Code, Op};
use elbus_testkit::{Authority, PATIENCE, Raw};
use tempfile::tempdir;

use crate::support::{Process, Server, command};

/// Checks a file of this text; answers the exit code, what was said and the errors.
fn check(text: &str) -> (Option<i32>, String, String) {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("elbus.toml"), text).unwrap();
    let mut command = command(directory.path());
    command.args(["--config", "elbus.toml", "--check-config"]);
    let outcome = Process::spawn(&mut command).finish(PATIENCE);
    // Nothing was started.
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    outcome
}

/// Expects that a file of this text is refused for this reason.
fn refused(text: &str, reason: &str) {
    let (code, said, errors) = check(text);
    assert_eq!((code, said.as_str()), (Some(2), ""), "{text}: {errors}");
    assert!(
        errors.starts_with("elbus-server: elbus.toml, line "),
        "{text}: {errors}"
    );
    assert!(errors.contains(reason), "{text}: {errors}");
}

#[test]
fn a_good_file_is_said_to_be_good_and_starts_nothing() {
    for text in [
        "",
        "timeout = 2\nstall-timeout = 0.25\nclients = 1_000\nsocket-mode = 0o660\n",
        "bind = \"one.sock\"",
        "bind = [\"one.sock\", \"127.0.0.1:0\", \"fifo:commands\"]\nverbose = true\n",
        "[[access]]\nname = \"*\"\nfrom = \"any\"\n[[reserved]]\nname = \"a\"\nfrom = [\"unix:user=0\"]\n",
        "access = [{name = \"a\", from = \"unix\", send = \"b\"}]",
    ] {
        let (code, said, errors) = check(text);
        let good = "the configuration is good".to_owned();
        assert_eq!((code, said, errors.as_str()), (Some(0), good, ""), "{text}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_valid_one() {
    for (text, key, nearest) in [
        ("tiemout = 5", "tiemout", "timeout"),
        ("socket_mode = \"660\"", "socket_mode", "socket-mode"),
        ("client = 5", "client", "clients"),
        ("in-background = true", "in-background", "bind"),
        ("config = \"other.toml\"", "config", "bind"),
        ("acces = []", "acces", "access"),
        (
            "[[access]]\nname = \"a\"\nfrom = \"any\"\npublsih = []",
            "publsih",
            "publish",
        ),
        ("[[reserved]]\nname = \"a\"\nfor = \"any\"", "for", "from"),
        (
            "[[slow-consumers]]\nname = \"a\"\nchoise = \"hold\"",
            "choise",
            "choice",
        ),
    ] {
        let (code, _, errors) = check(text);
        assert_eq!(code, Some(2), "{text}");
        let unknown = format!("there is no key {key:?}; the nearest one is ");
        assert!(errors.contains(&unknown), "{text}: {errors}");
        // Of those that resemble nothing, any is the nearest.
        if nearest != "bind" {
            assert!(
                errors.contains(&format!("{unknown}{nearest:?}")),
                "{text}: {errors}"
            );
        }
    }
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_its_line_and_the_reason() {
    for (text, line, reason) in [
        (
            "\ntimeout = -1",
            2,
            "timeout: expected a number of seconds, such as 5 or 0.5",
        ),
        ("timeout = \"5\"", 1, "expected a number, not a TOML string"),
        ("timeout = nan", 1, "timeout: expected a number of seconds"),
        (
            "clients = 1.5",
            1,
            "clients: expected a whole number in plain digits",
        ),
        (
            "clients = 0x1_0000_0000_0000_0000_0000_0000_0000_0000_0",
            1,
            "expected a number of at most 64 bits",
        ),
        ("workers = 0", 1, "workers: expected a number from 1 to 1024"),
        (
            "socket-mode = 660",
            1,
            "expected permission bits such as \"660\" or 0o660",
        ),
        (
            "socket-mode = \"rw\"",
            1,
            "socket-mode: expected permission bits in octal",
        ),
        (
            "socket-owner = \"nobody.has.this.name\"",
            1,
            "socket-owner: no such user",
        ),
        (
            "verbose = \"yes\"",
            1,
            "expected true or false, not a TOML string",
        ),
        ("bind = 7777", 1, "expected texts, not a TOML integer"),
        (
            "bind = [\"a.sock\", \"ws://host:1\"]",
            1,
            "bind: \"ws://host:1\" has an unknown scheme",
        ),
        ("pid-file = 5", 1, "expected a text, not a TOML integer"),
        ("\n\nclients = 1\nclients = 2", 4, "duplicate key"),
        ("clients = ", 1, ""),
    ] {
        refused(text, reason);
        refused(text, &format!("elbus.toml, line {line}: "));
    }
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_with_its_line_and_the_reason() {
    for (text, line, reason) in [
        ("access = 5", 1, "expected tables that begin with [[access]]"),
        (
            "[access]\nname = \"a\"",
            1,
            "expected tables that begin with [[access]]",
        ),
        ("\n[[access]]\nfrom = \"any\"", 2, "there is no \"name\""),
        ("[[access]]\nname = \"a\"", 1, "there is no \"from\""),
        ("[[access]]\nname = \"a\"\nfrom = []", 1, "so it admits nobody"),
        (
            "[[access]]\nname = \"*.a\"\nfrom = \"any\"",
            1,
            "* stands only for the whole last part",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"any\"\npublish = \"#/a\"",
            1,
            "# stands only for the whole last level",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"any\"\nmanage = 1",
            4,
            "expected true or false",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"any\"\nsend = [1]",
            4,
            "expected texts",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"unix:user=nobody.has.this.name\"",
            3,
            "no such user",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"unix:group=nobody.has.this.name\"",
            3,
            "no such group",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"unix:uid=0\"",
            3,
            "expected unix:user=NAME or unix:group=NAME",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"localhost\"",
            3,
            "expected any, unix, unix:user=NAME",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = [\n\"10.1.0.0/8\"]",
            4,
            "the network is 10.0.0.0/8",
        ),
        (
            "[[access]]\nname = \"a\"\nfrom = \"2001:db8::/129\"",
            3,
            "from 0 to 128 behind the slash",
        ),
        (
            "[[reserved]]\nname = \"a%%1\"\nfrom = \"any\"",
            1,
            "names secondaries",
        ),
        (
            "[[slow-consumers]]\nname = \"*.a\"\nchoice = \"hold\"",
            2,
            "* stands only for the whole last part",
        ),
        (
            "[[slow-consumers]]\nname = \"a\"\nchoice = \"drop\"",
            3,
            "expected hold, disconnect, drop-oldest or drop-newest, not \"drop\"",
        ),
        ("[[slow-consumers]]\nname = \"a\"", 1, "there is no \"choice\""),
    ] {
        refused(text, reason);
        refused(text, &format!("elbus.toml, line {line}: "));
    }
}

#[test]
fn what_makes_no_sense_beside_another_value_is_refused_as_on_the_command_line() {
    for (text, reason) in [
        (
            "high-water = 0",
            "--high-water must be from 1 byte to 2 GiB, not 0",
        ),
        ("bind = [\"a.sock\", \"./a.sock\"]", "are the same address"),
        (
            "slow-consumer = \"drop\"",
            "expected hold, disconnect, drop-oldest or drop-newest",
        ),
    ] {
        let (code, _, errors) = check(text);
        assert_eq!(code, Some(2), "{text}");
        assert!(errors.contains(reason), "{errors}");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_and_there_is_nothing_to_check_without_one() {
    let directory = tempdir().unwrap();
    let missing = Server::refused(command(directory.path()).args(["--config", "none.toml"]));
    assert_eq!(missing.code, Some(2));
    assert!(
        missing
            .message
            .contains("none.toml: cannot be read: No such file"),
        "{missing:?}"
    );
    let without = Server::refused(command(directory.path()).arg("--check-config"));
    assert_eq!(without.code, Some(2));
    assert!(without.message.contains("--config <PATH>"), "{without:?}");
}

#[test]
fn the_example_is_good() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("elbus.example.toml");
    let directory = tempdir().unwrap();
    let mut command = command(directory.path());
    command.arg("--config").arg(example).arg("--check-config");
    // Its certificates are not on every machine.
    let files = Authority::shared().broker("example");
    command.arg("--tls-cert").arg(&files.certificate);
    command.arg("--tls-key").arg(&files.key);
    command
        .arg("--tls-client-ca")
        .arg(Authority::shared().certificate());
    let (code, said, errors) = Process::spawn(&mut command).finish(PATIENCE);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
}

#[test]
fn a_server_runs_by_its_file_and_flags_win_over_it() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("from.file.sock");
    let more = "clients = 1
name-length = 5
pid-file = \"pid\"
";
    let file = format!(
        "bind = [{socket:?}, \"127.0.0.1:0\"]
{more}"
    );
    fs::write(directory.path().join("elbus.toml"), file).unwrap();
    let server = Server::run(command(directory.path()).args(["-c", "elbus.toml", "--name-length", "7"]));
    assert_eq!(server.addresses.len(), 2);
    assert!(directory.path().join("pid").exists());
    let _client = server.client("1234567");
    let answer = |name: &[u8]| Code::result(Raw::try_register(&server.addresses[1], name).1);
    assert_eq!(answer(b"12345678"), Err(Code::Data));
    assert_eq!(answer(b"1"), Err(Code::Busy));
}

#[test]
fn rules_of_the_file_hold_from_the_first_connection_on() {
    let directory = tempdir().unwrap();
    let user = rustix::process::geteuid().as_raw();
    let rules = format!(
        "[[access]]\nname = \"plant.*\"\nfrom = [\"unix:user={user}\"]\npublish = [\"plant/#\"]\n\
         [[access]]\nname = \"plant.pump\"\nfrom = \"127.0.0.0/8\"\n"
    );
    fs::write(directory.path().join("elbus.toml"), rules).unwrap();
    let server = Server::start(directory.path(), &["--config", "elbus.toml"]);
    let [unix, tcp] = &server.addresses[..] else {
        panic!("{:?}", server.addresses)
    };
    let mut pump = Raw::register(unix, "plant.pump");
    assert_eq!(pump.ask(1, Op::Publish, b"plant/rpm\0x"), Ok(()));
    assert_eq!(pump.ask(2, Op::Publish, b"office/light\0x"), Err(Code::Access));
    drop(pump);
    let answer = |address, name: &[u8]| Code::result(Raw::try_register(address, name).1);
    assert_eq!(answer(unix, b"office"), Err(Code::Access));
    assert_eq!(answer(tcp, b"plant.valve"), Err(Code::Access));
}
