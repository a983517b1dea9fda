//! How TLS connections end: in order, with everything that was on its way.
use elbus_client::{Disconnect, Event, Qos};
use elbus_testkit::PATIENCE;

use crate::common::Bus;

const COUNT: u32 = 5_000;

#[test]
fn what_was_sent_without_acknowledgement_before_closing_arrives() {
    let bus = Bus::start();
    let (sender, _unread) = bus.client("sender");
    let (_receiver, mut inbox) = bus.client("receiver");
    bus.test.block_on(async {
        for n in 0..COUNT {
            let payload = n.to_le_bytes().to_vec();
            sender.send("receiver", payload).qos(Qos::No).await.unwrap();
        }
        sender.close().await.unwrap();
        for n in 0..COUNT {
            let frame = inbox.recv().await.unwrap();
            assert_eq!(frame.payload()[..], n.to_le_bytes());
        }
    });
    bus.test
        .eventually("the name is free", |broker| broker.clients().len() == 1);
}

#[test]
fn what_was_acknowledged_before_the_broker_shuts_down_arrives() {
    let bus = Bus::start();
    let (sender, _unread) = bus.client("sender");
    let (_receiver, mut inbox) = bus.connect(bus.options("receiver").never_reconnect()).unwrap();
    bus.test.block_on(async {
        for n in 0..COUNT {
            let payload = n.to_le_bytes().repeat(250);
            drop(sender.send("receiver", payload).confirm().await.unwrap());
        }
        sender.send("receiver", "the last").await.unwrap();
        bus.test.broker.shutdown().await;
        for n in 0..COUNT {
            let frame = inbox.recv().await.unwrap();
            assert_eq!(frame.payload()[..], n.to_le_bytes().repeat(250));
        }
        assert_eq!(inbox.recv().await.unwrap().payload()[..], *b"the last");
        // The announcement of the shutdown.
        while let Some(frame) = inbox.recv().await {
            assert_eq!(frame.topic(), Some(".broker/warn"));
        }
    });
    assert_eq!(bus.test.broker.stats().clients, 0);
}

#[test]
fn a_client_that_the_broker_disconnects_learns_it_and_comes_back() {
    let bus = Bus::start();
    let (client, _inbox) = bus.client("a");
    let mut events = client.events();
    assert!(bus.test.broker.disconnect("a"));
    bus.test.block_on(async {
        loop {
            match events.recv().await.unwrap() {
                Event::Connected => break,
                Event::Disconnected { why } => assert!(matches!(*why, Disconnect::ByBroker), "{why}"),
                other => panic!("{other:?}"),
            }
        }
        client.publish("is/back", "").await.unwrap();
    });
}

#[test]
fn a_client_that_is_gone_without_a_word_leaves_the_bus() {
    let bus = Bus::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _gone = runtime.block_on(bus.options("gone").connect()).unwrap();
    bus.test
        .eventually("it is there", |broker| broker.clients().len() == 1);
    runtime.shutdown_timeout(PATIENCE);
    bus.test
        .eventually("it left", |broker| broker.clients().is_empty());
}

#[test]
fn connections_leave_no_sockets_behind() {
    let bus = Bus::start();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let _other = bus.client("other");
    let before = open();
    let clients: Vec<_> = (0..20).map(|n| bus.client(&format!("c.{n}"))).collect();
    assert!(open() >= before + 20);
    drop(clients);
    // Other tests of this process have sockets as well: they come and go.
    bus.test.eventually("their sockets are closed", |broker| {
        broker.clients().len() == 1 && open() <= before + 10
    });
}
