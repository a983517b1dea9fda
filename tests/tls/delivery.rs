//! What is sent over TLS arrives, in order and whole, however slowly it is taken.
use std::time::Duration;

use elbus_client::{Error, Qos};
use elbus_testkit::PATIENCE;

use crate::common::Bus;

#[test]
fn a_hundred_thousand_messages_arrive_in_order() {
    const COUNT: u32 = 100_000;
    let bus = Bus::start();
    let (sender, _unread) = bus.client("sender");
    let (_receiver, mut inbox) = bus.client("receiver");
    bus.test.block_on(async {
        let sending = async {
            for n in 0..COUNT {
                let qos = [Qos::No, Qos::Processed][n as usize % 2];
                let sending = sender.send("receiver", n.to_le_bytes().to_vec()).qos(qos);
                drop(sending.confirm().await.unwrap());
            }
        };
        let receiving = async {
            for n in 0..COUNT {
                let frame = inbox.recv().await.unwrap();
                assert_eq!(frame.payload()[..], n.to_le_bytes());
            }
        };
        tokio::join!(sending, receiving)
    });
}

#[test]
fn large_frames_go_both_ways_at_once() {
    let bus = Bus::start();
    let (one, mut inbox_one) = bus.client("one");
    let (two, mut inbox_two) = bus.client("two");
    let payload: Vec<u8> = (0..16 << 20)
        .map(|n: u32| n.wrapping_mul(2_654_435_761) as u8)
        .collect();
    bus.test.block_on(async {
        let (sent, back, at_two, at_one) = tokio::join!(
            one.send("two", payload.clone()),
            two.send("one", payload.clone()),
            inbox_two.recv(),
            inbox_one.recv(),
        );
        assert_eq!((sent, back), (Ok(()), Ok(())));
        assert!(
            at_two.unwrap().payload()[..] == payload[..],
            "another payload than was sent"
        );
        assert!(
            at_one.unwrap().payload()[..] == payload[..],
            "another payload than was sent"
        );
    });
}

/// A megabyte: more than the buffers on the way hold after a few of them.
const LARGE: usize = 1 << 20;

#[test]
fn a_reader_that_pauses_holds_its_sender_back_and_loses_nothing() {
    const COUNT: usize = 64;
    let bus = Bus::with(
        |config| (config.high_water, config.stall_timeout, config.timeout) = (64 * 1024, PATIENCE, PATIENCE),
        |_| {},
    );
    let (sender, _unread) = bus.client("sender");
    let (_receiver, mut inbox) = bus.connect(bus.options("receiver").inbox_limit(1)).unwrap();
    bus.test.block_on(async {
        let mut sent = Vec::new();
        for n in 0..COUNT {
            let sending = sender.send("receiver", vec![n as u8; LARGE]);
            match tokio::time::timeout(Duration::from_secs(2), sending.confirm()).await {
                Ok(confirmation) => sent.push(confirmation.unwrap()),
                // Held back, and the message taken back.
                Err(_) => break,
            }
        }
        assert!(
            sent.len() < COUNT,
            "somebody took everything although nobody read"
        );
        let count = sent.len();
        let receiving = async {
            for n in 0..count {
                let frame = inbox.recv().await.unwrap();
                assert!(
                    frame.payload()[..] == [n as u8; LARGE],
                    "another payload than was sent"
                );
            }
        };
        let confirming = async {
            for confirmation in sent {
                confirmation.await.unwrap();
            }
        };
        tokio::join!(receiving, confirming);
        assert!(count > 0);
    });
    assert_eq!(bus.test.broker.stats().stalled, 0);
}

#[test]
fn a_reader_that_takes_nothing_is_disconnected_and_its_senders_go_on() {
    let bus = Bus::with(
        |config| (config.high_water, config.stall_timeout) = (64 * 1024, Duration::from_millis(200)),
        |_| {},
    );
    let (sender, _unread) = bus.client("sender");
    // Who reads no frames reads nothing else either, so it must not ask for anything.
    let dead = bus
        .options("dead")
        .inbox_limit(1)
        .ping_interval(Duration::from_secs(3600));
    let (_dead, _inbox) = bus.connect(dead.never_reconnect()).unwrap();
    bus.test.block_on(async {
        let refused = loop {
            if let Err(error) = sender.send("dead", vec![0; LARGE]).await {
                break error;
            }
        };
        assert!(matches!(refused, Error::Refused(_)), "{refused}");
        sender.publish("goes/on", "").await.unwrap();
    });
    assert_eq!(bus.test.broker.stats().stalled, 1);
}
