//! Counters and the list of clients.
use elbus_broker::ClientKind;
use elbus_proto::{Op, Qos};
use elbus_testkit::{TestBroker, Transport};

use crate::link::{Ask, Link, on_every_link, on_every_pair};

#[test]
fn the_list_holds_every_client_by_name_with_its_link() {
    let test = TestBroker::start();
    let _unix = test.client(Transport::Unix, "b.unix");
    let _tcp = test.client(Transport::Tcp, "c.tcp");
    let _process = test.broker.client("a.process").unwrap();
    let clients = test.broker.clients();
    let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
    assert_eq!(names, ["a.process", "b.unix", "c.tcp"]);
    let kinds: Vec<_> = clients.iter().map(|client| client.kind).collect();
    assert_eq!(
        kinds,
        [ClientKind::Internal, ClientKind::LocalIpc, ClientKind::Tcp]
    );
    assert_eq!((&clients[0].source, &clients[0].port), (&None, &None));
    for (client, transport) in [(&clients[1], Transport::Unix), (&clients[2], Transport::Tcp)] {
        assert_eq!(client.port, Some(test.address(transport).to_string()));
    }
    assert!(clients[1].source.as_ref().unwrap().starts_with("uid "));
    assert!(clients[2].source.as_ref().unwrap().starts_with("127.0.0.1:"));
    assert!(clients.iter().all(|client| client.instances == 1));
}

#[test]
fn frames_are_counted_with_their_sender_and_their_receiver() {
    on_every_pair(|bus| {
        let mut sender = bus.near("a.sender");
        let mut target = bus.far("b.target");
        target.subscribe("t");
        for _ in 0..10 {
            sender.must(Ask::Message("b.target", b"12345"));
            sender.must(Ask::Publish("t", b"12345"));
        }
        sender.must(Ask::Broadcast("*", b"12345"));
        let clients = bus.test.broker.clients();
        let counted: Vec<_> = clients
            .iter()
            .map(|client| (client.r_frames, client.w_frames))
            .collect();
        assert_eq!(counted, [(21, 1), (1, 21)]);
        let stats = bus.test.broker.stats();
        assert_eq!((stats.r_frames, stats.w_frames), (22, 22));
        assert!(stats.r_bytes >= 21 * 5 && stats.w_bytes >= 22 * 5);
    });
}

#[test]
fn bytes_on_a_socket_are_counted_with_their_headers() {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let mut sender = test.client(transport, "s");
        let mut target = test.client(transport, "t");
        assert_eq!(sender.ask(1, Op::Message, b"t\0hello"), Ok(()));
        target.message();
        let clients = test.broker.clients();
        let (sender, target) = (&clients[0], &clients[1]);
        assert_eq!((sender.r_frames, sender.r_bytes), (1, 9 + 7));
        // The answer of the greeting is a byte, and the acknowledgement is no frame.
        assert_eq!((sender.w_frames, sender.w_bytes), (0, 1 + 6));
        assert_eq!((target.w_frames, target.w_bytes), (1, 1 + 6 + 7));
    }
}

#[test]
fn what_a_client_had_counted_is_kept_when_it_leaves() {
    on_every_link(|bus| {
        let mut client = bus.near("a");
        for _ in 0..5 {
            client.must(Ask::Message("a", b"x"));
            client.frame();
        }
        client.leave();
        let stats = bus.test.broker.stats();
        assert_eq!((stats.r_frames, stats.w_frames), (5, 5));
        bus.near("a").leave();
        assert_eq!(bus.test.broker.stats().r_frames, 5);
    });
}

#[test]
fn what_waits_for_a_client_in_the_process_is_listed() {
    for near in Link::ALL {
        let bus = crate::link::Bus::new(near, Link::Process, |_| {});
        let mut sender = bus.near("s");
        let mut target = bus.far("t");
        for _ in 0..3 {
            sender.must(Ask::Message("t", b"x"));
        }
        let queue = || bus.test.broker.clients()[1].queue;
        assert_eq!(queue(), 3);
        for _ in 0..3 {
            target.frame();
        }
        assert_eq!(queue(), 0);
    }
}

#[test]
fn everything_is_returned_when_all_have_left() {
    on_every_link(|bus| {
        let broker = &bus.test.broker;
        for _ in 0..3 {
            let mut clients: Vec<_> = (0..5).map(|n| bus.near(&format!("c.{n}"))).collect();
            for client in &mut clients {
                client.must(Ask::Subscribe(&["a", "b/+", "c/#", "#", ".broker/warn"]));
                client.must(Ask::Exclude(&["x", "y/#"]));
                client.must(Ask::Publish("a", b"x"));
            }
            clients.push(bus.near("c.0%%1"));
            let stats = broker.stats();
            let held = (stats.clients, stats.subscriptions, stats.exclusions);
            assert_eq!(held, (6, 25, 10));
            for client in clients {
                client.leave();
            }
            let stats = broker.stats();
            let held = (stats.clients, stats.subscriptions, stats.exclusions);
            assert_eq!(held, (0, 0, 0));
            assert_eq!(broker.clients(), []);
        }
    });
}

#[test]
fn a_client_that_is_idle_is_not_taken_for_gone() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.timeout = std::time::Duration::from_secs(3));
        let mut idle = test.client(transport, "idle");
        // A connection that does time out stands for the time that passes.
        let mut unfinished = test.connect(transport);
        while unfinished.read_more() > 0 {}
        idle.send(1, Op::Nop, Qos::No, b"");
        idle.expect_nothing();
    }
}
