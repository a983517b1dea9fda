//! The configuration that is read again while the server runs.
use std::{fs, path::Path, process::Command};

use elbus_broker::Address;
use elbus_proto::{Code, Op, Qos, rpc};
use elbus_testkit::Raw;
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::support::Server;

const ACCEPTED: &str = "configuration and certificates were read again and are in force";
const REFUSED: &str = "not accepted: nothing is changed";

struct Reloaded {
    directory: TempDir,
    server: Server,
}

impl Reloaded {
    fn start(text: &str, more: &[&str]) -> Self {
        let directory = tempdir().unwrap();
        write(directory.path(), text);
        let server = Server::start(directory.path(), &[&["--config", "elbus.toml"], more].concat());
        Self { directory, server }
    }

    /// Changes the file, sends the signal and waits until the log says this.
    fn change(&mut self, text: &str, outcome: &str) {
        write(self.directory.path(), text);
        self.server.signal(Signal::HUP);
        self.server.process.wait_for_error(outcome);
    }

    fn address(&self, transport: usize) -> &Address {
        &self.server.addresses[transport]
    }
}

fn write(directory: &Path, text: &str) {
    fs::write(directory.join("elbus.toml"), text).unwrap();
}

fn rule(name: &str, more: &str) -> String {
    format!("[[access]]\nname = {name:?}\nfrom = \"any\"\n{more}\n")
}

fn call(client: &mut Raw, method: &str) -> Result<(), (i16, String)> {
    let request = [
        b".broker\0",
        &rpc::request_header(9)[..],
        method.as_bytes(),
        b"\0",
    ]
    .concat();
    client.send(1, Op::Message, Qos::No, &request);
    let (sender, payload) = client.message();
    assert_eq!(sender, ".broker");
    match rpc::decode(&payload).unwrap() {
        rpc::Payload::Reply { id: 9, .. } => Ok(()),
        rpc::Payload::Error { id: 9, code, reason } => {
            Err((code, String::from_utf8(reason.to_vec()).unwrap()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_and_limits_take_effect_without_dropping_a_client() {
    let open = rule("*", "publish = \"#\"\nsubscribe = \"#\"");
    let mut bus = Reloaded::start(&open, &[]);
    let mut clients: Vec<_> = (0..2)
        .map(|transport| Raw::register(bus.address(transport), &format!("client.{transport}")))
        .collect();
    for client in &mut clients {
        client.subscribe("t");
        assert_eq!(client.ask(1, Op::Publish, b"u\0x"), Ok(()));
    }
    let strict = rule("client.*", "publish = \"t\"\nsubscribe = \"#\"");
    bus.change(&format!("clients = 2\n{strict}"), ACCEPTED);
    for client in &mut clients {
        assert_eq!(client.ask(2, Op::Publish, b"u\0x"), Err(Code::Access));
    }
    let [first, second] = &mut clients[..] else {
        panic!()
    };
    first.send(3, Op::Publish, Qos::No, b"t\0both");
    assert_eq!(first.message().1, b"both");
    assert_eq!(second.message().1, b"both");
    let answer = |name: &[u8]| Code::result(Raw::try_register(bus.address(0), name).1);
    assert_eq!(answer(b"client.3"), Err(Code::Busy));
    assert_eq!(answer(b"other"), Err(Code::Access));
    bus.change("", ACCEPTED);
    assert_eq!(clients[0].ask(4, Op::Publish, b"u\0x"), Ok(()));
    let _other = bus.server.client("other");
}

#[test]
fn a_client_that_is_not_admitted_any_more_is_disconnected_and_the_log_says_so() {
    let mut bus = Reloaded::start("", &[]);
    let mut stays = bus.server.client("stays");
    let mut goes = bus.server.client("goes");
    bus.change(
        &rule("stays", ""),
        "the access rules do not admit it any more: disconnected",
    );
    goes.expect_end();
    stays.expect_nothing();
}

#[test]
fn a_bad_file_changes_nothing_and_the_log_says_why() {
    let mut bus = Reloaded::start(&rule("client", "publish = \"t\""), &[]);
    let mut client = bus.server.client("client");
    for (text, reason) in [
        ("clients = 1\ntiemout = 5", "line 2: there is no key"),
        ("clients = 1\nhigh-water = 0", "--high-water must be"),
        ("clients = 1\n[[access]]\nname = \"b\"", "line 2: there is no"),
        ("clients = 1\nthis is no TOML", "line 2: "),
    ] {
        bus.change(text, REFUSED);
        let log = bus.server.process.errors();
        assert!(log.contains(reason), "{text}: {log}");
        assert_eq!(client.ask(1, Op::Publish, b"t\0x"), Ok(()), "{text}");
        assert_eq!(client.ask(2, Op::Publish, b"u\0x"), Err(Code::Access), "{text}");
    }
    fs::remove_file(bus.directory.path().join("elbus.toml")).unwrap();
    bus.server.signal(Signal::HUP);
    bus.server.process.wait_for_error("cannot be read: No such file");
    assert_eq!(client.ask(3, Op::Publish, b"t\0x"), Ok(()));
    // The number of clients is what it was, too.
    bus.change(&rule("*", ""), ACCEPTED);
    let _second = bus.server.client("second");
}

#[test]
fn the_log_level_changes() {
    let mut bus = Reloaded::start("", &[]);
    let _quiet = bus.server.client("quiet");
    bus.change("verbose = true", ACCEPTED);
    let _loud = bus.server.client("loud");
    bus.server.process.wait_for_error("registered client=loud");
    bus.change("", ACCEPTED);
    let _quiet_again = bus.server.client("quiet.again");
    bus.server.signal(Signal::TERM);
    assert_eq!(bus.server.exit_code(), Some(0));
    let log = bus.server.process.errors();
    assert!(!log.contains("quiet"), "{log}");
}

#[test]
fn flags_win_over_the_file_that_is_read_again() {
    let mut bus = Reloaded::start("", &["--clients", "2"]);
    bus.change("clients = 1", ACCEPTED);
    let _first = bus.server.client("first");
    let _second = bus.server.client("second");
    let (_, answer) = Raw::try_register(bus.address(0), b"third");
    assert_eq!(Code::result(answer), Err(Code::Busy));
}

#[test]
fn changes_that_take_a_restart_are_named_and_the_others_take_effect() {
    let mut bus = Reloaded::start("buf-size = 4096\nclients = 1", &[]);
    bus.change(
        "buf-size = 8192\nname-length = 5\nworkers = 3\npid-file = \"pid\"\nsocket-mode = \"666\"\nclients = 2",
        "some changes take a restart",
    );
    let log = bus.server.process.errors();
    assert!(
        log.contains("name-length, buf-size, pid-file, workers, socket-mode"),
        "{log}"
    );
    let _first = bus.server.client("long.enough");
    let _second = bus.server.client("second");
    bus.change("buf-size = 4096\nclients = 1", ACCEPTED);
    bus.server.signal(Signal::TERM);
    assert_eq!(bus.server.exit_code(), Some(0));
    let log = bus.server.process.errors();
    assert_eq!(log.matches("some changes take a restart").count(), 1, "{log}");
}

#[test]
fn the_method_reload_does_what_the_signal_does_and_tells_the_caller_what_is_wrong() {
    let open = rule("*", "publish = \"#\"\nmanage = true");
    let bus = Reloaded::start(&open, &[]);
    for transport in 0..2 {
        let mut client = Raw::register(bus.address(transport), &format!("client.{transport}"));
        write(bus.directory.path(), &format!("tiemout = 5\n{open}"));
        let (code, reason) = call(&mut client, "reload").unwrap_err();
        assert_eq!(code, rpc::code::INTERNAL);
        assert!(
            reason.contains("elbus.toml, line 1: there is no key \"tiemout\""),
            "{reason}"
        );
        write(bus.directory.path(), &rule("*", "publish = \"t\"\nmanage = true"));
        assert_eq!(call(&mut client, "reload"), Ok(()));
        assert_eq!(client.ask(1, Op::Publish, b"u\0x"), Err(Code::Access));
        write(bus.directory.path(), &open);
        assert_eq!(call(&mut client, "reload"), Ok(()));
        assert_eq!(client.ask(2, Op::Publish, b"u\0x"), Ok(()));
    }
    // Those who may not manage may not do this.
    write(bus.directory.path(), &rule("*", ""));
    let mut client = bus.server.client("client");
    assert_eq!(call(&mut client, "reload"), Ok(()));
    let (code, _) = call(&mut client, "reload").unwrap_err();
    assert_eq!(code, rpc::bus_error(Code::Access));
}

#[test]
fn without_a_file_there_is_nothing_to_read_again() {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let mut client = server.client("client");
    let (code, reason) = call(&mut client, "reload").unwrap_err();
    assert_eq!(code, rpc::code::INTERNAL);
    assert!(reason.contains("started without --config"), "{reason}");
}

#[test]
fn under_nohup_a_hang_up_has_the_file_read_again_all_the_same() {
    let directory = tempdir().unwrap();
    write(directory.path(), "");
    let mut command = Command::new("nohup");
    command
        .args([env!("CARGO_BIN_EXE_elbus-server"), "--config"])
        .arg(directory.path().join("elbus.toml"))
        .arg("-B")
        .arg(directory.path().join("bus.sock"));
    let mut server = Server::run(&mut command);
    server.signal(Signal::HUP);
    server.process.wait_for_error(ACCEPTED);
}

#[test]
fn a_fifo_obeys_the_rules_of_the_file() {
    let directory = tempdir().unwrap();
    let fifo = directory.path().join("commands");
    write(directory.path(), &rule("client", "subscribe = \"#\""));
    let bind = format!("fifo:{}", fifo.display());
    let server = Server::start(directory.path(), &["--config", "elbus.toml", "-B", &bind]);
    let mut bus = Reloaded { directory, server };
    let mut client = bus.server.client("client");
    client.subscribe("#");
    fs::write(&fifo, "=t denied\n").unwrap();
    bus.server.process.wait_for_error("command left out");
    let admitted = "[[access]]\nname = \".fifo\"\nfrom = \"fifo\"\npublish = \"t\"\n";
    bus.change(
        &format!("{}{admitted}", rule("client", "subscribe = \"#\"")),
        ACCEPTED,
    );
    fs::write(&fifo, "=t admitted\n").unwrap();
    assert_eq!(client.message(), (".fifo".to_owned(), b"admitted".to_vec()));
}
