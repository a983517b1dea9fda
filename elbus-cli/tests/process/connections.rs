//! What goes wrong with the bus: each kind has words that help and a code of its own.
use elbus_proto::Code;
use elbus_testkit::{Authority, TestBroker, Transport};

use crate::support::{Broken, Bus, Cli};

#[test]
fn an_address_where_nothing_listens_is_told_with_what_to_do() {
    let bus = Bus::start();
    bus.stop();
    let path = bus.socket().display().to_string();
    for command in [
        &["send", "x", "y"][..],
        &["publish", "x", "y"],
        &["listen"],
        &["send", "x", "--lines"],
    ] {
        let ended = bus.cli(command).run();
        ended.expect_failure(
            3,
            &format!("nothing listens at {path}: start one with `elbus-server`"),
        );
    }
    // Nobody listens at the port of a connection, and nobody can as long as there is one.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = connection.local_addr().unwrap();
    let ended = Cli::new(&[&port.to_string(), "listen"]).run();
    ended.expect_failure(
        3,
        &format!("nothing listens at {port}: start one with `elbus-server`"),
    );
}

#[test]
fn without_an_address_the_default_one_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let ended = Cli::new(&["listen"])
        .env("XDG_RUNTIME_DIR", directory.path())
        .run();
    let expected = directory.path().join("elbus/elbus.sock");
    ended.expect_failure(3, &format!("nothing listens at {}", expected.display()));
    let ended = Cli::new(&["listen"]).env("ELBUS_ADDRESS", "nonsense").run();
    ended.expect_failure(2, "ELBUS_ADDRESS is set, but");
    let ended = Cli::new(&["listen"])
        .env("XDG_RUNTIME_DIR", directory.path())
        .env("ELBUS_ADDRESS", "")
        .run();
    ended.expect_failure(3, &format!("nothing listens at {}", expected.display()));
}

#[test]
fn whoever_is_no_broker_is_recognised() {
    let ended = Broken::that_says(b"HTTP/1.1 400 Bad Request\r\n")
        .cli(&["listen"])
        .run();
    ended.expect_failure(3, "is not a broker this client can talk to");
    let ended = Broken::silent().cli(&["listen", "--timeout", "50ms"]).run();
    ended.expect_failure(3, "did not connect and greet within 50ms");
}

#[test]
fn a_name_that_is_taken_or_not_permitted_is_told() {
    let bus = Bus::start();
    let _first = bus.client("my.name");
    let ended = bus.cli(&["-n", "my.name", "listen"]).run();
    ended.expect_failure(4, "the name is taken (choose another with --name");
    let ended = Broken::that_registers_with(Code::Access)
        .cli(&["listen", "--name", "x"])
        .run();
    ended.expect_failure(4, "\"x\": this name is not permitted here");
    let ended = bus.cli(&["listen", "--name", "no.primary%%1"]).run();
    ended.expect_failure(4, "must be on the bus first, as its primary");
}

#[test]
fn a_target_that_is_not_there_is_told_by_its_name() {
    let bus = Bus::start();
    let ended = bus.cli(&["send", "x.y", "z"]).run();
    ended.expect_failure(5, "elbus-cli: no client named x.y is on the bus\n");
    let ended = bus.cli(&["send", "x/y", "z"]).run();
    ended.expect_failure(
        5,
        "no client named x/y is on the bus; to a topic it is sent with `publish`",
    );
}

#[test]
fn what_the_broker_refuses_is_told() {
    for (code, words) in [
        (
            Code::NotDelivered,
            "not delivered: the client named x takes nothing",
        ),
        (Code::Access, "not permitted: sending to the client named x"),
        (
            Code::Other,
            "the broker refused to send to the client named x: other error",
        ),
    ] {
        Broken::that_answers(code)
            .cli(&["send", "x", "y"])
            .run()
            .expect_failure(6, words);
    }
    Broken::that_answers(Code::Access)
        .cli(&["listen", "-t", "a"])
        .run()
        .expect_failure(6, "cannot subscribe: ");
}

#[test]
fn what_nobody_knows_is_told_as_unknown() {
    let ended = Broken::that_never_answers()
        .cli(&["send", "--timeout", "4s", "x", "y"])
        .run();
    ended.expect_failure(7, "no answer from the broker within 4s");
    let ended = Broken::that_hangs_up_after(0).cli(&["publish", "x", "y"]).run();
    ended.expect_failure(7, "may or may not have been delivered");
}

#[test]
fn what_was_acknowledged_is_sent_whatever_becomes_of_the_connection() {
    for _ in 0..10 {
        let broker = Broken::that_hangs_up_when_it_has_acknowledged();
        broker.cli(&["publish", "x", "y"]).run().expect_success();
    }
}

#[test]
fn a_listener_that_is_turned_away_says_why() {
    let broker = Broken::that_registers_once();
    let ended = broker.cli(&["listen"]).run();
    ended.expect_failure(4, "this name is not permitted here");
}

#[test]
fn over_tls_a_server_is_trusted_by_its_authority() {
    let test = TestBroker::start();
    let address = test.address(Transport::Tls).to_string();
    let authority = Authority::shared().certificate().display().to_string();
    let publish = |more: &[&str]| Cli::new(&[&[&address, "publish", "a", "b"], more].concat()).run();

    publish(&["--tls-ca", &authority]).expect_success();
    publish(&[]).expect_failure(2, "give --tls-ca FILE");
    publish(&["--tls-ca", "no.pem"]).expect_failure(2, "\"no.pem\" cannot be read");
    let stranger = Authority::new();
    let other = stranger.certificate().display().to_string();
    publish(&["--tls-ca", &other]).expect_failure(3, "not signed by an authority that is trusted here");
}
