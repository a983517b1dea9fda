//! Requests that cost much are carried out in slices, so that everybody else gets a turn.
use elbus_client::{Client, Inbox};
use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, TestBroker, Transport, frame};

use super::common::addressed;

/// Subscribers in the process that discard what they get.
fn subscribers(bus: &TestBroker, count: usize, filter: &str) -> Vec<Client> {
    let subscribe = |n| {
        let (client, _): (_, Inbox) = bus.broker.client(&format!("subscriber.{n}")).unwrap();
        bus.block_on(async { client.subscribe(&[filter]).await.unwrap() });
        client
    };
    (0..count).map(subscribe).collect()
}

#[test]
fn a_chunk_that_asks_for_millions_of_deliveries_is_carried_out_in_slices() {
    // With one worker nobody else gets a turn unless the session yields.
    let bus = TestBroker::on_workers(1, |_| {});
    let _subscribers = subscribers(&bus, 2_000, "#");
    let mut publisher = bus.client(Transport::Unix, "publisher");
    let alternating: Vec<u8> = (0..2_000)
        .flat_map(|n| frame(0, Op::Publish, Qos::No, &addressed(["a", "b"][n % 2], b"")))
        .collect();

    let broker = bus.broker.clone();
    let before = broker.stats().r_frames;
    let (read, _publisher) = bus.block_on(async move {
        let between = tokio::spawn(async move {
            loop {
                match broker.stats().r_frames - before {
                    0 => tokio::task::yield_now().await,
                    read => return read,
                }
            }
        });
        publisher.write(&alternating);
        (between.await.unwrap(), publisher)
    });

    assert!(read < 2_000, "all {read} frames were carried out at once");
    bus.eventually("all of it is carried out", |broker| {
        broker.stats().w_frames >= 2_000 * 2_000
    });
}

#[test]
fn tens_of_thousands_of_filters_in_one_frame_take_effect_and_are_answered_once() {
    let bus = TestBroker::start();
    let mut client = bus.client(Transport::Unix, "client");
    let mut filters: Vec<_> = (0..50_000).map(|n| format!("a/{n}")).collect();
    filters[20_000] = "a/#/b".to_owned();
    let body = filters.join("\0");

    assert_eq!(client.ask(1, Op::Subscribe, body.as_bytes()), Err(Code::Data));

    assert_eq!(bus.broker.stats().subscriptions, 49_999);
    for topic in ["a/0", "a/49999", "a/20001"] {
        client.send(2, Op::Publish, Qos::No, &addressed(topic, b"x"));
        let got = client.got();
        assert!(
            matches!(&got, Got::Frame { topic: its, .. } if its == topic),
            "{got:?}"
        );
    }
    client.expect_nothing();
}
