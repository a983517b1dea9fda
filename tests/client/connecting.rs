//! The first connection, and what it refuses to try.
use std::time::{Duration, Instant};

use elbus_broker::{Broker, Config};
use elbus_client::{Address, Client, ConnectError, Options, Qos};
use elbus_proto::{Code, greeting::GreetingError};
use elbus_testkit::{TestBroker, Transport};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::common::{Fake, block_on, on_every_socket, options, soon};

#[test]
fn every_way_to_write_an_address_connects() {
    let test = TestBroker::start();
    let unix = test.address(Transport::Unix).to_string();
    let tcp = test.address(Transport::Tcp).to_string();
    let port = tcp.rsplit_once(':').unwrap().1;
    block_on(async {
        for address in [
            unix.clone(),
            format!("unix:{unix}"),
            format!("unix://{unix}"),
            tcp.clone(),
            format!("tcp://{tcp}"),
            format!("localhost:{port}"),
        ] {
            let (client, _inbox) = options("x").address(address.as_str()).connect().await.unwrap();
            soon("the end", client.close()).await.unwrap();
        }
        let (client, _inbox) = options("x")
            .address(Address::Unix(unix.into()))
            .connect()
            .await
            .unwrap();
        assert_eq!(client.name(), "x");
    });
}

#[test]
fn the_first_connect_fails_fast() {
    on_every_socket(async |bus| {
        let (_first, _inbox) = bus.client("taken").await;
        let refused = |result: Result<(Client, _), ConnectError>| match result {
            Err(ConnectError::Refused { code, .. }) => code,
            other => panic!("expected to be refused, got {other:?}"),
        };
        let taken = bus.options("taken").connect().await;
        assert_eq!(refused(taken), Code::Busy);
        assert_eq!(
            refused(bus.options("nobody%%1").connect().await),
            Code::NotRegistered
        );
        assert_eq!(refused(bus.options(".reserved").connect().await), Code::Data);
        bus.stop().await;
        let gone = bus.options("late").connect().await;
        assert!(matches!(gone, Err(ConnectError::Unreachable { .. })), "{gone:?}");
    });
}

#[test]
fn the_first_connect_retries_until_the_broker_is_there_if_it_is_told_to() {
    on_every_socket(async |bus| {
        bus.stop().await;
        let late = bus.options("late").retry_first_connect(Duration::from_secs(600));
        let connecting = tokio::spawn(late.connect());
        let broker = bus.start_again().await;
        soon("a connection", connecting).await.unwrap().unwrap();
        broker.shutdown().await;
        let limit = Duration::from_millis(200);
        let limited = bus.options("late").retry_first_connect(limit);
        let began = Instant::now();
        let gone = soon("the end of trying", limited.connect()).await;
        assert!(matches!(gone, Err(ConnectError::Unreachable { .. })), "{gone:?}");
        assert!(began.elapsed() >= limit, "all of the time is used");
    });
}

#[test]
fn a_broker_that_does_not_greet_in_time_is_given_up() {
    block_on(async {
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = mute.local_addr().unwrap().to_string();
        let limit = Duration::from_millis(50);
        let options = Options::new("x").address(address).timeout(limit);
        let connected = soon("the time-out", options.connect()).await;
        assert!(
            matches!(connected, Err(ConnectError::TimedOut { limit: given, .. }) if given == limit),
            "{connected:?}"
        );
    });
}

#[test]
fn whoever_does_not_speak_the_protocol_is_recognised() {
    for (greeting, expected) in [
        (b"GET", GreetingError::NotElbus(b'G')),
        (b"\xEB\x02\x00", GreetingError::Version(2)),
    ] {
        block_on(async {
            let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = other.local_addr().unwrap().to_string();
            tokio::spawn(async move {
                let (mut stream, _) = other.accept().await.unwrap();
                stream.write_all(greeting).await.unwrap();
                std::future::pending::<()>().await;
            });
            let connected = soon("an answer", options("x").address(address).connect()).await;
            assert!(
                matches!(&connected, Err(ConnectError::Greeting { reason, .. }) if *reason == expected),
                "{connected:?}"
            );
        });
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let zero = Duration::ZERO;
    let day = Duration::from_secs(86_400);
    block_on(async {
        for (setting, options) in [
            ("timeout", Options::new("x").timeout(zero)),
            ("backoff", Options::new("x").backoff(zero, day)),
            (
                "backoff",
                Options::new("x").backoff(Duration::from_secs(2), Duration::from_secs(1)),
            ),
            ("outbox_limit", Options::new("x").outbox_limit(0)),
            ("inbox_limit", Options::new("x").inbox_limit(0)),
            (
                "inbox_hard_limit",
                Options::new("x").inbox_limit(2).inbox_hard_limit(1),
            ),
            ("frame_limit", Options::new("x").frame_limit(0)),
            ("in_flight_limit", Options::new("x").in_flight_limit(0)),
            ("filter_limit", Options::new("x").filter_limit(usize::MAX)),
            ("buf_ttl", Options::new("x").buf_ttl(day)),
            ("ping_interval", Options::new("x").ping_interval(zero)),
            (
                "retry_first_connect",
                Options::new("x").retry_first_connect(day * 2),
            ),
            (
                "wait_while_disconnected",
                Options::new("x").wait_while_disconnected(day * 2),
            ),
        ] {
            match options.address("/nowhere").connect().await {
                Err(ConnectError::Setting { setting: named, .. }) => assert_eq!(named, setting),
                other => panic!("{setting}: {other:?}"),
            }
        }
        for (name, address) in [("", "/x"), ("a*", "/x"), ("a\0b", "/x")] {
            let connected = Options::new(name).address(address).connect().await;
            assert!(
                matches!(connected, Err(ConnectError::Name { .. })),
                "{connected:?}"
            );
        }
        let connected = Options::new("x").address("nonsense").connect().await;
        assert!(
            matches!(connected, Err(ConnectError::Address(_))),
            "{connected:?}"
        );
    });
}

#[test]
fn a_broker_that_turns_a_greeting_away_is_tried_again_only_if_that_may_help() {
    block_on(async {
        let fake = Fake::start().await;
        let retrying = fake.options("x").retry_first_connect(Duration::from_secs(600));
        let connecting = tokio::spawn(retrying.connect());
        for code in [Code::Busy, Code::NotRegistered, Code::Access] {
            fake.accept(code.byte()).await;
        }
        let refused = soon("an answer", connecting).await.unwrap();
        assert!(
            matches!(
                refused,
                Err(ConnectError::Refused {
                    code: Code::Access,
                    ..
                })
            ),
            "{refused:?}"
        );
    });
}

#[test]
fn the_same_calls_work_on_a_client_in_the_brokers_process() {
    block_on(async {
        let broker = Broker::new(Config::default()).unwrap();
        let (panel, mut inbox) = broker.client("panel").unwrap();
        let (second, _inbox) = panel.secondary().await.unwrap();
        assert_eq!(panel.ping().qos(Qos::Processed).await, Ok(()));
        assert_eq!(second.send("panel", "x").confirm().await.unwrap().await, Ok(()));
        assert_eq!(panel.flush().await, Ok(()));
        assert_eq!(inbox.recv().await.unwrap().primary_sender(), "panel");
        assert!(panel.events().recv().await.is_none());
        assert_eq!(panel.close().await, Ok(()));
        assert!(matches!(panel.secondary().await, Err(ConnectError::Closed)));
    });
}
