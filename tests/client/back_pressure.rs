//! Brokers that take frames slowly, or not at all.
use std::time::{Duration, Instant};

use elbus_client::{Disconnect, Event, Qos};
use elbus_proto::OK;
use elbus_testkit::PATIENCE;
use tokio::io::AsyncReadExt;

use crate::common::{Fake, block_on, disconnected, event, on_every_socket, soon};

#[test]
fn sends_beyond_the_outbox_limit_wait_and_arrive_in_order() {
    on_every_socket(async |bus| {
        let options = bus.options("pump").outbox_limit(10_000);
        let (pump, _) = options.connect().await.unwrap();
        let (_panel, mut inbox) = bus.options("panel").inbox_limit(1000).connect().await.unwrap();
        let sending = tokio::spawn(async move {
            for n in 0..5000_u32 {
                let payload = [&n.to_le_bytes()[..], &[0; 3000]].concat();
                pump.send("panel", payload).qos(Qos::No).await.unwrap();
            }
            pump.flush().await
        });
        for n in 0..5000_u32 {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.payload()[..4], n.to_le_bytes());
        }
        assert_eq!(soon("the sender", sending).await.unwrap(), Ok(()));
    });
}

#[test]
fn a_sender_that_never_waits_is_held_at_the_limit_and_told_that_the_broker_takes_nothing() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake
            .options("pump")
            .timeout(Duration::from_secs(8))
            .outbox_limit(50_000);
        let (client, _inbox, mut broker) = fake.connect(options).await;
        let mut events = client.events();
        let sending = tokio::spawn({
            let client = client.clone();
            async move {
                // More than the system's buffers hold.
                for _ in 0..20_000 {
                    client.send("panel", vec![7; 1000]).qos(Qos::No).await.unwrap();
                }
            }
        });
        event(&mut events, "a broker that takes nothing", |event| {
            matches!(event, Event::HeldBack)
        })
        .await;
        assert!(!sending.is_finished());
        let reading = async {
            for _ in 0..20_000 {
                assert_eq!(broker.request().await.body.len(), 1006);
            }
        };
        let (sent, ()) = tokio::join!(sending, reading);
        sent.unwrap();
        event(&mut events, "a broker that takes frames again", |event| {
            matches!(event, Event::Released)
        })
        .await;
    });
}

/// Line 36 of what breaks the peers: a write time-out leaves half a frame on a connection that is then used on.
#[test]
fn after_a_write_timed_out_the_next_frame_goes_to_a_new_connection() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake.options("pump").timeout(Duration::from_secs(2));
        let (client, _inbox, mut broker) = fake.connect(options).await;
        let mut events = client.events();
        // So much that the system's buffers end within a frame.
        let stuck = client.send("panel", vec![7; 50_000_000]).qos(Qos::No);
        stuck.await.unwrap();
        let why = disconnected(&mut events).await;
        assert!(
            matches!(*why, Disconnect::Silent { .. } | Disconnect::Io(_)),
            "{why}"
        );
        let mut next = fake.accept(OK).await;
        event(&mut events, "a connection", |event| {
            matches!(event, Event::Connected)
        })
        .await;
        client.send("panel", "whole").qos(Qos::No).await.unwrap();
        assert_eq!(next.request().await.body, b"panel\0whole");
        // The old connection ends within the frame: nothing was written behind it.
        let mut old = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, broker.stream.read_to_end(&mut old)).await;
        assert!(old.len() < 50_000_000 && old[15..].iter().all(|&byte| byte == 7));
    });
}

#[test]
fn frames_are_held_up_to_gather_more_until_something_is_due() {
    on_every_socket(async |bus| {
        let (panel, _) = bus.client("panel").await;
        let longest = Duration::from_secs(1);
        let (pump, mut inbox) = bus.options("pump").buf_ttl(longest).connect().await.unwrap();
        let started = Instant::now();
        let held = pump.send("pump", "held up").confirm().await.unwrap();
        // Another client's round trips show that there was time enough for it to arrive.
        for _ in 0..100 {
            panel.ping().qos(Qos::Processed).await.unwrap();
        }
        let early = inbox.try_recv();
        assert!(early.is_none() || started.elapsed() >= longest);
        pump.send("pump", "real-time").qos(Qos::Realtime).await.unwrap();
        assert_eq!(soon("a verdict", held).await, Ok(()));
        pump.send("pump", "flushed").qos(Qos::No).await.unwrap();
        assert_eq!(soon("a flush", pump.flush()).await, Ok(()));
        for expected in ["held up", "real-time", "flushed"]
            .iter()
            .skip(usize::from(early.is_some()))
        {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.payload(), expected.as_bytes());
        }
    });
}

#[test]
fn frames_are_held_up_for_no_longer_than_the_options_say() {
    on_every_socket(async |bus| {
        let options = bus.options("pump").buf_ttl(Duration::from_millis(20));
        let (pump, mut inbox) = options.connect().await.unwrap();
        pump.send("pump", "held up").qos(Qos::No).await.unwrap();
        soon("a message", inbox.recv()).await.unwrap();
    });
}
