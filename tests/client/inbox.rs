//! Inboxes that are dropped, and inboxes that nobody empties.
use std::{future::poll_fn, task::Poll};

use elbus_broker::{ClientInfo, Config};
use elbus_client::{Error, Event, Outcome, Qos};
use elbus_testkit::PATIENCE;

use crate::common::{event, on_every_socket, on_every_socket_with, soon};

#[test]
fn a_dropped_inbox_discards_frames_and_acknowledgements_go_on() {
    on_every_socket(async |bus| {
        let (pump, inbox) = bus.options("pump").inbox_limit(1).connect().await.unwrap();
        drop(inbox);
        for _ in 0..2000 {
            soon("a verdict", pump.send("pump", vec![0; 1000])).await.unwrap();
        }
    });
}

/// Line 34 of what breaks the peers: a full event queue blocks acknowledgements.
#[test]
fn an_acknowledged_send_with_a_full_inbox_resolves() {
    on_every_socket(async |bus| {
        let (pump, mut inbox) = bus.options("pump").inbox_limit(10_000).connect().await.unwrap();
        let mut events = pump.events();
        for n in 0..300_u32 {
            // The answer stands behind the frame.
            let payload = [&n.to_le_bytes()[..], &[0; 1000]].concat();
            soon("a verdict", pump.send("pump", payload)).await.unwrap();
        }
        let lagging = event(&mut events, "a lagging inbox", |event| {
            matches!(event, Event::InboxLagging { .. })
        });
        lagging.await;
        for n in 0..300_u32 {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.payload()[..4], n.to_le_bytes());
        }
    });
}

#[test]
fn beyond_the_hard_limit_pending_operations_fail_with_an_error_that_says_so() {
    on_every_socket(async |bus| {
        let options = bus.options("pump").inbox_limit(10_000).inbox_hard_limit(100_000);
        let (pump, mut inbox) = options.connect().await.unwrap();
        let full = soon("an inbox over its hard limit", async {
            loop {
                if let Err(error) = pump.send("pump", vec![0; 1000]).await {
                    return error;
                }
            }
        })
        .await;
        assert_eq!(full, Error::InboxFull { limit: 100_000 });
        assert_eq!(full.outcome(), Outcome::Unknown);
        let again = soon("a verdict", pump.ping().qos(Qos::Processed)).await;
        assert_eq!(again, Err(Error::InboxFull { limit: 100_000 }));
        while inbox.try_recv().is_some() {}
        soon("room in the inbox", async {
            while pump.ping().qos(Qos::Processed).await.is_err() {
                while inbox.try_recv().is_some() {}
            }
        })
        .await;
    });
}

#[test]
fn an_inbox_that_is_not_read_holds_its_senders_back_and_loses_nothing() {
    let small = |config: &mut Config| {
        config.high_water = 200_000;
        config.stall_timeout = PATIENCE * 10;
    };
    on_every_socket_with(small, async |bus| {
        let (pump, _) = bus.options("pump").outbox_limit(100_000).connect().await.unwrap();
        let (_panel, mut inbox) = bus.options("panel").inbox_limit(100_000).connect().await.unwrap();
        // More than all buffers on the way hold.
        let sending = tokio::spawn(async move {
            for n in 0..100_000_u32 {
                let payload = [&n.to_le_bytes()[..], &[0; 1000]].concat();
                pump.send("panel", payload).qos(Qos::No).await.unwrap();
            }
            pump
        });
        soon("a queue that is full", async {
            let is_full = |info: &ClientInfo| info.name == "panel" && info.queue >= 200_000;
            while !bus.test.broker.clients().iter().any(is_full) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(!sending.is_finished());
        for n in 0..100_000_u32 {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.payload()[..4], n.to_le_bytes());
            if n % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        soon("the sender", sending).await.unwrap();
    });
}

#[test]
fn a_look_at_the_inbox_does_not_forget_who_waits_for_it() {
    on_every_socket(async |bus| {
        let (pump, mut inbox) = bus.client("pump").await;
        let (looked, has_looked) = tokio::sync::oneshot::channel();
        let waiting = async {
            let mut looked = Some(looked);
            poll_fn(|cx| {
                let polled = inbox.poll_recv(cx);
                if let Some(looked) = looked.take() {
                    assert_eq!((&polled, inbox.try_recv()), (&Poll::Pending, None));
                    looked.send(()).unwrap();
                }
                polled
            })
            .await
        };
        let sending = async move {
            has_looked.await.unwrap();
            pump.send("pump", "x").await.unwrap();
        };
        let both = async { tokio::join!(waiting, tokio::spawn(sending)) };
        let (frame, sent) = soon("a message", both).await;
        sent.unwrap();
        assert!(frame.is_some());
    });
}
