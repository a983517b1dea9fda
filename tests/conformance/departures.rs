//! Clients that leave, or are made to.
use std::time::Duration;

use elbus_proto::{Code, Op, Qos, delivery::Kind};
use elbus_testkit::{TestBroker, Transport};

use crate::link::{Ask, on_every_link, on_every_pair};

#[test]
fn a_client_that_is_disconnected_is_off_the_bus_at_once() {
    on_every_pair(|bus| {
        let broker = &bus.test.broker;
        let mut watcher = bus.near("watcher");
        let mut client = bus.far("client");
        client.subscribe("t");
        assert!(broker.disconnect("client"));
        assert!(!broker.disconnect("client"));
        let stats = broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (1, 0));
        assert_eq!(
            watcher.ask(Ask::Message("client", b"x")),
            Err(Code::NotRegistered)
        );
        watcher.must(Ask::Publish("t", b"x"));
        client.expect_end();
    });
}

/// Senders remember their targets; that must not keep a connection open.
#[test]
fn a_disconnected_client_is_told_so_also_when_senders_remember_it() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut client = bus.far("client");
        client.subscribe("t");
        sender.must(Ask::Message("client", b"1"));
        sender.must(Ask::Broadcast("client", b"2"));
        sender.must(Ask::Publish("t", b"3"));
        for payload in [b"1", b"2", b"3"] {
            assert_eq!(client.frame().payload, payload);
        }
        assert!(bus.test.broker.disconnect("client"));
        client.expect_end();
        sender.expect_nothing();
    });
}

/// The same for one that leaves by itself.
#[test]
fn a_client_that_left_holds_no_connection_open_in_the_memory_of_senders() {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let mut sender = test.client(transport, "sender");
        for _ in 0..3 {
            let mut client = test.client(transport, "client");
            assert_eq!(sender.ask(1, Op::Message, b"client\0x"), Ok(()));
            client.message();
            client.shutdown_write();
            client.expect_end();
        }
    }
}

#[test]
fn a_disconnected_client_cannot_send_on_under_its_name() {
    on_every_pair(|bus| {
        let mut watcher = bus.near("watcher");
        let mut client = bus.far("client");
        assert!(bus.test.broker.disconnect("client"));
        for ask in [
            Ask::Message("watcher", b"x"),
            Ask::Broadcast("*", b"x"),
            Ask::Subscribe(&["t"]),
        ] {
            assert_eq!(client.ask(ask), Err(Code::Io));
        }
        watcher.expect_nothing();
        assert_eq!(bus.test.broker.stats().subscriptions, 0);
        bus.far("client").must(Ask::Message("watcher", b"the next one"));
        watcher.expect(Kind::Message, "client", b"the next one");
    });
}

#[test]
fn nobody_can_be_disconnected_under_a_name_that_is_not_registered() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for name in ["nobody", "", "*", "client%%1", ".broker"] {
            assert!(!bus.test.broker.disconnect(name), "{name:?}");
        }
        client.expect_nothing();
    });
}

#[test]
fn a_client_in_the_process_frees_its_name_when_closed_or_dropped() {
    let test = TestBroker::start();
    let broker = &test.broker;
    let (client, mut inbox) = broker.client("a").unwrap();
    let clone = client.clone();
    test.block_on(async { client.subscribe(&["t"]).await }).unwrap();
    client.close();
    assert_eq!((broker.stats().clients, broker.stats().subscriptions), (0, 0));
    let (successor, successors_inbox) = broker.client("a").unwrap();
    // The old handles do not take the new client with them.
    clone.close();
    drop((client, clone));
    assert_eq!(broker.stats().clients, 1);
    assert_eq!(test.block_on(inbox.recv()), None);
    let clone = successor.clone();
    drop((successor, successors_inbox));
    assert_eq!(broker.stats().clients, 1);
    drop(clone);
    assert_eq!(broker.stats().clients, 0);
}

#[test]
fn what_a_client_sent_before_it_left_is_delivered() {
    on_every_pair(|bus| {
        let mut target = bus.far("target");
        let mut sender = bus.near("sender");
        for n in 0..100_u8 {
            assert_eq!(sender.ask_with(Ask::Message("target", &[n]), Qos::No), Ok(()));
        }
        sender.leave();
        for n in 0..100_u8 {
            target.expect(Kind::Message, "sender", &[n]);
        }
    });
}

/// A session that is held back carries on with what its client sent, after the client hung up and its name is free.
#[test]
fn a_client_that_hangs_up_while_held_back_leaves_no_subscription_behind() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| {
            config.queue_size = 1;
            config.stall_timeout = Duration::from_secs(3600);
        });
        let (_full, mut inbox) = test.broker.client("full").unwrap();
        let mut client = test.client(transport, "client");
        client.write(
            &[
                elbus_testkit::frame(1, Op::Message, Qos::No, b"full\0fills the queue"),
                elbus_testkit::frame(2, Op::Message, Qos::No, b"full\0is held back"),
                elbus_testkit::frame(3, Op::Subscribe, Qos::No, b"t/#"),
                elbus_testkit::frame(4, Op::Exclude, Qos::No, b"t/x"),
                elbus_testkit::frame(5, Op::Message, Qos::No, b"full\0the last"),
            ]
            .concat(),
        );
        client.shutdown_write();
        test.eventually("the name is free", |broker| broker.stats().clients == 1);
        for payload in ["fills the queue", "is held back", "the last"] {
            let frame = test.block_on(inbox.recv()).unwrap();
            assert_eq!(frame.payload(), payload.as_bytes());
        }
        client.expect_end();
        let stats = test.broker.stats();
        assert_eq!((stats.subscriptions, stats.exclusions), (0, 0));
    }
}
