//! Shutdown loses nothing that is on its way, and ends.
use std::time::{Duration, Instant};

use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, PATIENCE, Raw, TestBroker, Transport};

use super::common::{addressed, messages, number_of, numbered, queue};

/// Reads messages up to the end of the connection; the broker's announcement is passed over.
fn numbers_to_the_end(raw: &mut Raw) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(got) = raw.got_or_end() {
        match got {
            Got::Frame { sender, payload, .. } if sender != ".broker" => numbers.push(number_of(&payload)),
            _ => {}
        }
    }
    numbers
}

/// Shuts the broker down in a thread, so that the test can read meanwhile.
fn shut_down(bus: &TestBroker) -> std::thread::JoinHandle<()> {
    let broker = bus.broker.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(broker.shutdown());
    })
}

fn assert_nothing_is_left(bus: &TestBroker) {
    let stats = bus.broker.stats();
    assert_eq!((stats.clients, stats.subscriptions, stats.exclusions), (0, 0, 0));
    assert!(bus.broker.clients().is_empty());
}

#[test]
fn everything_queued_at_shutdown_reaches_a_receiver_that_reads_only_afterwards() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut receiver = bus.client(transport, "receiver");
        receiver.subscribe("a/#\0b");
        let mut sender = bus.client(transport, "sender");
        let count = 5_000;
        sender.write(&messages("receiver", 0..count, 1000));
        sender.expect_nothing();
        assert!(queue(&bus.broker, "receiver").unwrap() > 0);

        let shutdown = shut_down(&bus);
        // It is on its way down when the sender is told so.
        assert!(matches!(sender.got(), Got::Frame { sender, .. } if sender == ".broker"));
        assert_eq!(numbers_to_the_end(&mut receiver), Vec::from_iter(0..count));
        sender.expect_end();
        drop((sender, receiver));
        shutdown.join().unwrap();
        assert_nothing_is_left(&bus);
    }
}

#[test]
fn frames_that_had_arrived_and_were_not_read_are_delivered() {
    for transport in Transport::ALL {
        let bus = TestBroker::with(|config| {
            config.high_water = 64 * 1024;
            config.stall_timeout = 2 * PATIENCE;
            config.timeout = 2 * PATIENCE;
        });
        let mut receiver = bus.client(transport, "receiver");
        let mut sender = bus.client(transport, "sender");
        // The receiver is full, so what is written now lies in the sender's socket.
        let large = numbered(0, 16 * 1024 * 1024);
        assert_eq!(sender.ask(1, Op::Message, &addressed("receiver", &large)), Ok(()));
        let count = 100;
        sender.write(&messages("receiver", 1..count, 100));

        let shutdown = shut_down(&bus);
        assert!(matches!(sender.got(), Got::Frame { sender, .. } if sender == ".broker"));
        assert_eq!(numbers_to_the_end(&mut receiver), Vec::from_iter(0..count));
        drop((sender, receiver));
        shutdown.join().unwrap();
        assert_nothing_is_left(&bus);
    }
}

#[test]
fn requests_that_had_arrived_are_acknowledged() {
    let bus = TestBroker::start();
    let mut clients: Vec<_> = (0..20)
        .map(|n| bus.client(Transport::ALL[n % 2], &format!("client.{n}")))
        .collect();
    for client in &mut clients {
        for id in 0..100 {
            client.send(
                id,
                Op::Message,
                Qos::Processed,
                &addressed("client.0", b"12345678"),
            );
        }
    }
    let shutdown = shut_down(&bus);
    for client in &mut clients {
        let mut acknowledged = 0;
        while let Some(got) = client.got_or_end() {
            acknowledged += u32::from(matches!(got, Got::Ack(_, Ok(()))));
        }
        assert_eq!(acknowledged, 100);
    }
    drop(clients);
    shutdown.join().unwrap();
    assert_nothing_is_left(&bus);
}

#[test]
fn shutdown_ends_in_time_although_a_receiver_never_reads() {
    for (mark, transport) in [
        (64 * 1024, Transport::Unix),
        (64 * 1024 * 1024, Transport::Unix),
        (64 * 1024 * 1024, Transport::Tcp),
    ] {
        let timeout = Duration::from_millis(300);
        let bus = TestBroker::with(|config| {
            config.high_water = mark;
            config.timeout = timeout;
            config.stall_timeout = 2 * PATIENCE;
        });
        let mut dead = bus.client(transport, "dead");
        dead.subscribe("#");
        let mut sender = bus.client(transport, "sender");
        let large = addressed("dead", &numbered(0, 16 * 1024 * 1024));
        assert_eq!(sender.ask(1, Op::Message, &large), Ok(()));
        // Over a small mark, this one is held.
        sender.send(2, Op::Message, Qos::Processed, &addressed("dead", b"behind"));
        let start = Instant::now();
        shut_down(&bus).join().unwrap();
        // Reading what has arrived, writing what is queued and lingering have a time-out each.
        let took = start.elapsed();
        assert!(took < Duration::from_secs(12), "{took:?}");
        assert_nothing_is_left(&bus);
        drop((dead, sender));
    }
}

#[test]
fn clients_in_the_process_get_what_was_queued_and_then_the_end() {
    let bus = TestBroker::start();
    let (client, mut inbox) = bus.broker.client("inside").unwrap();
    let mut sender = bus.client(Transport::Unix, "sender");
    sender.write(&messages("inside", 0..1000, 8));
    sender.expect_nothing();
    bus.block_on(async {
        client.subscribe(&["a"]).await.unwrap();
        bus.broker.shutdown().await;
        for number in 0..1000 {
            assert_eq!(number_of(inbox.recv().await.unwrap().payload()), number);
        }
        assert_eq!(inbox.recv().await.unwrap().topic(), Some(".broker/warn"));
        assert!(inbox.recv().await.is_none());
        assert_eq!(
            client.send("inside", b"x").await,
            Err(elbus_client::Error::Closed)
        );
    });
    assert_nothing_is_left(&bus);
}
