//! Clients in the broker's process: bounded queues, and nobody waits for ever.
use std::{
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use elbus_broker::Broker;
use elbus_client::{Client, Error};
use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{PATIENCE, TestBroker, Transport};

use super::common::{addressed, await_queue, is_on, number_of, numbered, queue};

const NOT_DELIVERED: Result<(), Error> = Err(Error::Refused(Code::NotDelivered));

fn small_queues(stall: Duration) -> TestBroker {
    TestBroker::with(|config| {
        config.queue_size = 10;
        config.stall_timeout = stall;
        config.timeout = 2 * PATIENCE;
    })
}

async fn fill(client: &Client, target: &str, broker: &Broker) {
    while queue(broker, target) < Some(10) {
        client.send(target, b"x").await.unwrap();
    }
}

#[test]
fn payloads_are_shared_and_not_copied_between_clients_in_the_process() {
    let bus = TestBroker::start();
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (one, mut inbox) = bus.broker.client("in.one").unwrap();
    let (two, mut other) = bus.broker.client("in.two").unwrap();
    bus.block_on(async {
        one.subscribe(&["a"]).await.unwrap();
        two.subscribe(&["a"]).await.unwrap();
        for len in [1, 100, 100_000] {
            let payload = Bytes::from(vec![7; len]);
            sender.send("in.one", payload.clone()).await.unwrap();
            sender.publish("a", payload.clone()).await.unwrap();
            sender.broadcast("in.*", payload.clone()).await.unwrap();
            for _ in 0..3 {
                assert_eq!(inbox.recv().await.unwrap().payload().as_ptr(), payload.as_ptr());
            }
            for _ in 0..2 {
                assert_eq!(other.recv().await.unwrap().payload().as_ptr(), payload.as_ptr());
            }
        }
    });
}

#[test]
fn a_large_payload_from_a_socket_is_shared_by_those_in_the_process() {
    let bus = TestBroker::start();
    let mut sender = bus.client(Transport::Unix, "sender");
    let mut inboxes: Vec<_> = (0..2)
        .map(|n| bus.broker.client(&format!("in.{n}")).unwrap())
        .collect();
    let body = addressed("in.*", &vec![7; 1_000_000]);
    assert_eq!(sender.ask(1, Op::Broadcast, &body), Ok(()));
    let frames: Vec<_> = inboxes
        .iter_mut()
        .map(|(_, inbox)| bus.block_on(inbox.recv()).unwrap())
        .collect();
    assert_eq!(frames[0].payload().len(), 1_000_000);
    assert_eq!(frames[0].payload().as_ptr(), frames[1].payload().as_ptr());
}

#[test]
fn a_receiver_in_the_process_that_never_reads_sheds_and_does_not_hold_publishers_up() {
    let bus = small_queues(Duration::from_millis(100));
    let (deaf, mut inbox) = bus.broker.client("deaf").unwrap();
    let (hears, mut heard) = bus.broker.client("hears").unwrap();
    bus.block_on(async {
        deaf.subscribe(&["a"]).await.unwrap();
        hears.subscribe(&["a"]).await.unwrap();
    });
    let mut outside = bus.client(Transport::Unix, "outside");
    let (inside, _) = bus.broker.client("inside").unwrap();
    let mut count = 0;
    for _ in 0..20 {
        assert_eq!(
            outside.ask(1, Op::Publish, &addressed("a", &numbered(count, 8))),
            Ok(())
        );
        bus.block_on(async {
            inside.publish("a", numbered(count + 1, 8)).await.unwrap();
            for number in count..count + 2 {
                assert_eq!(number_of(heard.recv().await.unwrap().payload()), number);
            }
        });
        count += 2;
    }
    // Its queue holds the oldest ten, the others are shed and counted.
    assert_eq!(queue(&bus.broker, "deaf"), Some(10));
    assert_eq!(bus.broker.stats().shed, count - 10);
    assert!(is_on(&bus.broker, "outside") && is_on(&bus.broker, "deaf"));
    bus.block_on(async {
        for number in 0..10 {
            assert_eq!(number_of(inbox.recv().await.unwrap().payload()), number);
        }
        // It reads again: nothing is shed any more.
        inside.publish("a", b"again").await.unwrap();
        assert_eq!(inbox.recv().await.unwrap().payload(), "again");
    });
    assert_eq!(bus.broker.stats().shed, count - 10);
}

#[test]
fn a_slow_receiver_in_the_process_that_goes_on_reading_loses_nothing() {
    let bus = TestBroker::with(|config| config.timeout = 2 * PATIENCE);
    let (publisher, _) = bus.broker.client("publisher").unwrap();
    let (slow, mut inbox) = bus.broker.client("slow").unwrap();
    bus.block_on(async { slow.subscribe(&["a"]).await.unwrap() });
    // It is over the stall time-out with as many frames as its queue holds.
    let (pace, count) = (Duration::from_micros(100), 20_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            bus.block_on(async {
                for number in 0..count {
                    publisher.publish("a", numbered(number, 8)).await.unwrap();
                }
            });
        });
        for number in 0..count {
            let frame = bus.block_on(inbox.recv()).unwrap();
            assert_eq!(number_of(frame.payload()), number);
            thread::sleep(pace);
        }
    });
    assert_eq!(bus.broker.stats().shed, 0);
}

#[test]
fn a_message_that_is_shed_is_not_delivered() {
    let bus = small_queues(Duration::from_millis(50));
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (_deaf, _inbox) = bus.broker.client("deaf").unwrap();
    let mut outside = bus.client(Transport::Tcp, "outside");
    bus.block_on(async {
        fill(&sender, "deaf", &bus.broker).await;
        assert_eq!(sender.send("deaf", b"x").await, NOT_DELIVERED);
    });
    let answer = outside.ask(1, Op::Message, &addressed("deaf", b"x"));
    assert_eq!(answer, Err(Code::NotDelivered));
}

#[test]
fn a_send_into_a_full_queue_waits_at_most_the_time_out() {
    let timeout = Duration::from_millis(100);
    let bus = TestBroker::with(|config| {
        config.queue_size = 10;
        config.stall_timeout = 2 * PATIENCE;
        config.timeout = timeout;
    });
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (_full, mut inbox) = bus.broker.client("full").unwrap();
    bus.block_on(async {
        fill(&sender, "full", &bus.broker).await;
        let start = Instant::now();
        assert_eq!(sender.send("full", b"x").await, NOT_DELIVERED);
        assert!(start.elapsed() >= timeout, "{:?}", start.elapsed());
        // It left the line: the next one has room as soon as the receiver reads.
        inbox.recv().await.unwrap();
        assert_eq!(sender.send("full", b"y").await, Ok(()));
    });
}

#[test]
fn a_send_into_a_full_socket_waits_at_most_the_time_out() {
    let bus = TestBroker::with(|config| {
        config.high_water = 1000;
        config.stall_timeout = 2 * PATIENCE;
        config.timeout = Duration::from_millis(100);
    });
    let _full = bus.client(Transport::Unix, "full");
    let (sender, _) = bus.broker.client("sender").unwrap();
    bus.block_on(async {
        sender.send("full", vec![0; 16 * 1024 * 1024]).await.unwrap();
        assert_eq!(sender.send("full", b"x").await, NOT_DELIVERED);
    });
    assert!(is_on(&bus.broker, "full"));
}

#[test]
fn a_send_that_waits_goes_through_as_soon_as_there_is_room() {
    let bus = small_queues(2 * PATIENCE);
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (_slow, mut inbox) = bus.broker.client("slow").unwrap();
    let count = 1_000;
    bus.block_on(async {
        let sending = tokio::spawn(async move {
            for number in 0..count {
                sender.send("slow", numbered(number, 8)).await.unwrap();
            }
        });
        for number in 0..count {
            assert_eq!(number_of(inbox.recv().await.unwrap().payload()), number);
        }
        sending.await.unwrap();
    });
    assert_eq!(bus.broker.stats().shed, 0);
}

#[test]
fn a_send_that_is_dropped_while_it_waits_takes_its_place_in_line_with_it() {
    let bus = small_queues(2 * PATIENCE);
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (_slow, mut inbox) = bus.broker.client("slow").unwrap();
    let mut outside = bus.client(Transport::Unix, "outside");
    bus.block_on(async {
        fill(&sender, "slow", &bus.broker).await;
        let dropped = sender.send("slow", b"dropped").into_future();
        let kept = sender.send("slow", b"kept").into_future();
        let (mut dropped, mut kept) = (Box::pin(dropped), Box::pin(kept));
        let at_once = Duration::ZERO;
        assert!(tokio::time::timeout(at_once, &mut dropped).await.is_err());
        assert!(tokio::time::timeout(at_once, &mut kept).await.is_err());
        drop(dropped);
        for _ in 0..10 {
            assert_eq!(inbox.recv().await.unwrap().payload(), "x");
        }
        kept.await.unwrap();
        assert_eq!(inbox.recv().await.unwrap().payload(), "kept");
    });
    assert_eq!(outside.ask(1, Op::Message, &addressed("slow", b"z")), Ok(()));
}

#[test]
fn nobody_in_the_process_is_cut_and_nobody_waits_for_an_inbox_that_was_dropped() {
    let bus = small_queues(2 * PATIENCE);
    let (sender, _) = bus.broker.client("sender").unwrap();
    let (_gone, inbox) = bus.broker.client("gone").unwrap();
    bus.block_on(async {
        fill(&sender, "gone", &bus.broker).await;
        let waiting = sender.send("gone", b"waits").into_future();
        let mut waiting = Box::pin(waiting);
        assert!(tokio::time::timeout(Duration::ZERO, &mut waiting).await.is_err());
        drop(inbox);
        waiting.await.unwrap();
        for _ in 0..100 {
            sender.send("gone", b"forgotten").await.unwrap();
        }
    });
}

#[test]
fn sockets_are_held_by_a_full_receiver_in_the_process_and_lose_nothing() {
    let bus = small_queues(2 * PATIENCE);
    let (_slow, mut inbox) = bus.broker.client("slow").unwrap();
    let mut outside = bus.client(Transport::Unix, "outside");
    let count = 2_000;
    let sending = std::thread::spawn(move || {
        for number in 0..count {
            outside.send(0, Op::Message, Qos::No, &addressed("slow", &numbered(number, 8)));
        }
        outside.expect_nothing();
    });
    await_queue(&bus, "slow", 10);
    bus.block_on(async {
        for number in 0..count {
            assert_eq!(number_of(inbox.recv().await.unwrap().payload()), number);
        }
    });
    sending.join().unwrap();
}

#[test]
fn of_a_publication_that_waited_too_long_those_with_room_get_it_all_the_same() {
    let bus = TestBroker::with(|config| {
        config.queue_size = 10;
        config.stall_timeout = 2 * PATIENCE;
        config.timeout = Duration::from_millis(200);
    });
    let (full, _inbox) = bus.broker.client("a.full").unwrap();
    let (reads, mut inbox) = bus.broker.client("b.reads").unwrap();
    let (sender, _) = bus.broker.client("sender").unwrap();
    bus.block_on(async {
        full.subscribe(&["a"]).await.unwrap();
        reads.subscribe(&["a"]).await.unwrap();
        fill(&sender, "a.full", &bus.broker).await;
        fill(&sender, "b.reads", &bus.broker).await;
        let publishing = sender.publish("a", b"late");
        let reading = async {
            for _ in 0..10 {
                assert_eq!(inbox.recv().await.unwrap().payload()[..], b"x"[..]);
            }
            assert_eq!(inbox.recv().await.unwrap().payload()[..], b"late"[..]);
        };
        let (published, ()) = tokio::join!(publishing.into_future(), reading);
        assert_eq!(published, NOT_DELIVERED);

        // Without an acknowledgement nobody is told, but it counts.
        let ignored = bus.broker.stats().ignored;
        assert_eq!(sender.send("a.full", b"x").qos(Qos::No).await, Ok(()));
        assert_eq!(bus.broker.stats().ignored, ignored + 1);
    });
}
