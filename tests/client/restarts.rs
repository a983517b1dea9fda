//! Brokers that go and come back.
use std::{collections::BTreeSet, time::Duration};

use elbus_client::{Error, Outcome};
use elbus_proto::{Code, OK, Op, Qos};
use elbus_testkit::{Raw, TestBroker, Transport};

use crate::common::{Fake, block_on, connected, disconnected, on_every_socket, options, soon};

#[test]
fn subscriptions_and_exclusions_come_back_with_the_broker() {
    on_every_socket(async |bus| {
        let (panel, mut inbox) = bus.client("panel").await;
        panel
            .subscribe(&["temperature/#", "log/#", "gone"])
            .await
            .unwrap();
        panel.exclude(&["log/debug/#", "log/trace/#"]).await.unwrap();
        panel.unsubscribe(&["gone"]).await.unwrap();
        panel.unexclude(&["log/trace/#"]).await.unwrap();
        let mut events = panel.events();
        bus.stop().await;
        disconnected(&mut events).await;
        for _ in 0..2 {
            let broker = bus.start_again().await;
            connected(&mut events).await;
            let (sensor, _) = bus.client("sensor").await;
            while inbox.try_recv().is_some() {}
            for topic in ["gone", "log/debug/x", "log/trace/x", "temperature/hall"] {
                sensor.publish(topic, "x").await.unwrap();
            }
            for topic in ["log/trace/x", "temperature/hall"] {
                let frame = soon("a publication", inbox.recv()).await.unwrap();
                assert_eq!(frame.topic(), Some(topic));
            }
            soon("the broker's end", broker.shutdown()).await;
            disconnected(&mut events).await;
        }
    });
}

#[test]
fn thousands_of_subscriptions_come_back() {
    on_every_socket(async |bus| {
        let (panel, mut inbox) = bus.client("panel").await;
        let topics: Vec<String> = (0..5000).map(|n| format!("topic/with/a/long/name/{n}")).collect();
        let filters: Vec<&str> = topics.iter().map(String::as_str).collect();
        panel.subscribe(&filters).await.unwrap();
        let mut events = panel.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let broker = bus.start_again().await;
        connected(&mut events).await;
        while inbox.try_recv().is_some() {}
        for topic in filters.iter().step_by(100) {
            panel.publish(topic, "x").await.unwrap();
            let frame = soon("a publication", inbox.recv()).await.unwrap();
            assert_eq!(frame.topic(), Some(*topic));
        }
        broker.shutdown().await;
    });
}

#[test]
fn a_filter_that_was_refused_is_not_asked_for_again() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, mut broker) = fake.connect(fake.options("panel")).await;
        let subscribing = async {
            assert_eq!(
                client.subscribe(&["secret"]).await,
                Err(Error::Refused(Code::Access))
            );
            assert_eq!(client.subscribe(&["public"]).await, Ok(()));
        };
        let answering = async {
            for result in [Err(Code::Access), Ok(())] {
                let id = broker.request().await.id;
                broker.acknowledge(id, result).await;
            }
        };
        tokio::join!(subscribing, answering);
        drop(broker);
        let mut broker = fake.accept(OK).await;
        assert_eq!(broker.request().await.body, b"public");
    });
}

/// Line 32 of what breaks the peers: a pending acknowledgement never resolves after a disconnect.
#[test]
fn pending_acknowledgements_fail_at_once_on_disconnect_and_their_outcome_is_unknown() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, mut broker) = fake.connect(fake.options("pump")).await;
        let pending = tokio::spawn({
            let client = client.clone();
            async move { client.send("panel", "x").await }
        });
        let confirmation = client.send("panel", "y").confirm().await.unwrap();
        broker.request().await;
        broker.request().await;
        drop(broker);
        for lost in [
            soon("a verdict", pending).await.unwrap(),
            soon("a verdict", confirmation).await,
        ] {
            assert_eq!(lost, Err(Error::ConnectionLost));
            assert_eq!(lost.unwrap_err().outcome(), Outcome::Unknown);
        }
    });
}

#[test]
fn sends_fail_fast_while_disconnected_and_it_is_certain_that_nothing_was_sent() {
    on_every_socket(async |bus| {
        let (pump, _inbox) = bus.client("pump").await;
        let mut events = pump.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let error = soon("a verdict", pump.send("pump", "x")).await.unwrap_err();
        assert_eq!(error, Error::NotConnected);
        assert_eq!(error.outcome(), Outcome::Refused);
        let broker = bus.start_again().await;
        connected(&mut events).await;
        assert_eq!(pump.send("pump", "x").await, Ok(()));
        broker.shutdown().await;
    });
}

#[test]
fn sends_wait_for_the_connection_if_they_are_told_to() {
    on_every_socket(async |bus| {
        let options = bus
            .options("pump")
            .wait_while_disconnected(Duration::from_secs(600));
        let (pump, mut inbox) = options.connect().await.unwrap();
        let mut events = pump.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                let pump = pump.clone();
                tokio::spawn(async move { pump.send("pump", format!("{n}")).await })
            })
            .collect();
        let broker = bus.start_again().await;
        let mut payloads = BTreeSet::new();
        for send in waiting {
            assert_eq!(soon("a verdict", send).await.unwrap(), Ok(()));
            let frame = soon("a message", inbox.recv()).await.unwrap();
            payloads.insert(frame.payload().to_vec());
        }
        assert_eq!(payloads.len(), 20);
        broker.shutdown().await;
    });
}

/// One that no longer waits for the connection still waits for room.
#[test]
fn a_limit_of_nothing_for_the_connection_is_none_for_a_full_outbox() {
    on_every_socket(async |bus| {
        let options = bus
            .options("pump")
            .outbox_limit(1)
            .wait_while_disconnected(Duration::ZERO);
        let (pump, inbox) = options.connect().await.unwrap();
        drop(inbox);
        let senders: Vec<_> = (0..20)
            .map(|_| {
                let pump = pump.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        pump.send("pump", vec![0; 100_000]).await?;
                    }
                    Ok(())
                })
            })
            .collect();
        for sender in senders {
            assert_eq!(soon("a sender", sender).await.unwrap(), Ok::<_, Error>(()));
        }
        let mut events = pump.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let limit = Duration::ZERO;
        let error = soon("a verdict", pump.send("pump", "x")).await;
        assert_eq!(error, Err(Error::StillNotConnected { limit }));
    });
}

#[test]
fn what_is_sent_while_subscriptions_are_restored_is_sent_when_they_are() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, mut broker) = fake.connect(fake.options("pump")).await;
        let (subscribed, ()) = tokio::join!(client.subscribe(&["a"]).into_future(), async {
            let id = broker.request().await.id;
            broker.acknowledge(id, Ok(())).await;
        });
        subscribed.unwrap();
        let mut events = client.events();
        drop(broker);
        disconnected(&mut events).await;
        let mut broker = fake.accept(OK).await;
        let restoring = broker.request().await;
        assert_eq!((restoring.op, &restoring.body[..]), (Op::Subscribe, &b"a"[..]));
        let sending = tokio::spawn({
            let client = client.clone();
            async move { client.send("panel", "x").await }
        });
        broker.acknowledge(restoring.id, Ok(())).await;
        let sent = broker.request().await;
        assert_eq!(sent.body, b"panel\0x");
        broker.acknowledge(sent.id, Ok(())).await;
        assert_eq!(soon("a verdict", sending).await.unwrap(), Ok(()));
    });
}

#[test]
fn a_flush_does_not_say_that_all_is_well_when_frames_were_lost_with_the_connection() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, broker) = fake.connect(fake.options("pump")).await;
        let mut events = client.events();
        // More than the system's buffers hold.
        client
            .send("panel", vec![7; 50_000_000])
            .qos(Qos::No)
            .await
            .unwrap();
        drop(broker);
        disconnected(&mut events).await;
        assert_eq!(client.flush().await, Err(Error::ConnectionLost));
        let _broker = fake.accept(OK).await;
        connected(&mut events).await;
        assert_eq!(client.flush().await, Ok(()));
    });
}

#[test]
fn a_flush_after_a_close_that_lost_frames_says_each_time_that_the_client_is_closed() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake.options("pump").timeout(Duration::from_secs(2));
        // The broker is there and does not read; this is more than the system's buffers hold.
        let (client, _inbox, _broker) = fake.connect(options).await;
        let large = client.send("panel", vec![7; 50_000_000]).qos(Qos::No);
        large.await.unwrap();
        assert!(soon("the end", client.close()).await.is_err());
        assert_eq!(client.flush().await, Err(Error::Closed));
        assert_eq!(client.flush().await, Err(Error::Closed));
    });
}

#[test]
fn sends_do_not_wait_for_the_connection_beyond_their_limit() {
    on_every_socket(async |bus| {
        let limit = Duration::from_millis(30);
        let options = bus.options("pump").wait_while_disconnected(limit);
        let (pump, _inbox) = options.connect().await.unwrap();
        let mut events = pump.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let error = soon("a verdict", pump.send("pump", "x")).await.unwrap_err();
        assert_eq!(error, Error::StillNotConnected { limit });
        assert_eq!(error.outcome(), Outcome::Refused);
    });
}

#[test]
fn a_name_that_is_still_taken_is_tried_again_until_it_is_free() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, broker) = fake.connect(fake.options("panel")).await;
        let mut events = client.events();
        drop(broker);
        for _ in 0..5 {
            assert_eq!(fake.accept(Code::Busy.byte()).await.name, "panel");
        }
        let _broker = fake.accept(OK).await;
        connected(&mut events).await;
    });
}

#[test]
fn a_broker_that_denies_access_ends_the_client() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, mut inbox, broker) = fake.connect(fake.options("panel")).await;
        let mut events = client.events();
        drop(broker);
        for code in [Code::Busy, Code::NotRegistered, Code::Access] {
            fake.accept(code.byte()).await;
        }
        assert_eq!(soon("the end", inbox.recv()).await, None);
        assert_eq!(client.send("panel", "x").await, Err(Error::Closed));
        soon("the end of the events", async {
            while events.recv().await.is_some() {}
        })
        .await;
    });
}

#[test]
fn a_client_that_never_reconnects_is_closed_with_its_connection() {
    on_every_socket(async |bus| {
        let (pump, mut inbox) = bus.options("pump").never_reconnect().connect().await.unwrap();
        bus.stop().await;
        soon("the end", async { while inbox.recv().await.is_some() {} }).await;
        assert_eq!(pump.send("pump", "x").await, Err(Error::Closed));
    });
}

#[test]
fn a_client_leaves_the_bus_when_it_and_its_inbox_are_dropped() {
    on_every_socket(async |bus| {
        let (pump, inbox) = bus.client("pump").await;
        let clone = pump.clone();
        for _ in 0..100 {
            pump.publish("topic", "x").confirm().await.unwrap().await.unwrap();
        }
        drop((pump, inbox, clone));
        let address = bus.test.address(bus.transport).clone();
        tokio::task::spawn_blocking(move || {
            while Raw::try_register(&address, b"pump").1 != OK {
                std::thread::yield_now();
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_client_whose_runtime_ends_before_its_task_has_begun_is_closed() {
    let test = TestBroker::start();
    let address = test.address(Transport::Unix).clone();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let connecting = options("pump").address(address).connect();
    let (client, mut inbox) = first.block_on(connecting).unwrap();
    drop(first);
    runtime().block_on(async {
        assert_eq!(soon("the end", inbox.recv()).await, None);
        assert_eq!(
            soon("a verdict", client.send("pump", "x")).await,
            Err(Error::Closed)
        );
    });
}
