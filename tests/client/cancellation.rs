//! Sends that are dropped before they end.
use std::time::Duration;

use elbus_client::{Error, Qos};
use elbus_proto::{Code, Op};

use crate::common::{Fake, block_on, disconnected, on_every_socket, polled, soon};

#[test]
fn a_send_dropped_at_any_await_frees_its_place_and_leaves_whole_frames() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake.options("pump").in_flight_limit(3).outbox_limit(20_000);
        let (client, _inbox, mut broker) = fake.connect(options).await;
        for times in (0..6).cycle().take(300) {
            let send = client.send("panel", vec![7; 5000]).into_future();
            assert_eq!(polled(send, times).await, None, "nobody answers");
            let confirming = client.send("panel", vec![7; 5000]).confirm();
            drop(polled(confirming, times).await);
        }
        // Three are in flight until they are answered; all others were taken back. What went out went out whole.
        let last = tokio::spawn({
            let client = client.clone();
            async move { client.send("end", "x").await }
        });
        let mut came = 0;
        loop {
            let request = broker.request().await;
            assert_eq!((request.op, request.qos), (Op::Message, Qos::Processed));
            broker.acknowledge(request.id, Err(Code::NotDelivered)).await;
            if request.body == b"end\0x" {
                break;
            }
            assert_eq!(request.body.len(), 5006);
            came += 1;
        }
        assert_eq!(came, 3);
        let last = soon("a verdict", last).await.unwrap();
        assert_eq!(last, Err(Error::Refused(Code::NotDelivered)));
    });
}

#[test]
fn a_send_dropped_while_it_waits_for_room_gives_its_turn_to_the_next() {
    on_every_socket(async |bus| {
        let (pump, inbox) = bus.options("pump").outbox_limit(1).connect().await.unwrap();
        drop(inbox);
        let senders: Vec<_> = (0..50)
            .map(|n| {
                let pump = pump.clone();
                tokio::spawn(async move {
                    for times in 0..40 {
                        let send = pump.send("pump", vec![0; 2000]).into_future();
                        polled(send, (times + n) % 5).await;
                    }
                    pump.send("pump", "the last one").await
                })
            })
            .collect();
        for sender in senders {
            assert_eq!(soon("a sender", sender).await.unwrap(), Ok(()));
        }
    });
}

#[test]
fn a_send_dropped_while_disconnected_is_not_sent_later() {
    on_every_socket(async |bus| {
        let options = bus
            .options("pump")
            .wait_while_disconnected(Duration::from_secs(600));
        let (pump, mut inbox) = options.connect().await.unwrap();
        let mut events = pump.events();
        bus.stop().await;
        disconnected(&mut events).await;
        while inbox.try_recv().is_some() {}
        let dropped = polled(pump.send("pump", "dropped").into_future(), 3).await;
        assert_eq!(dropped, None);
        let broker = bus.start_again().await;
        assert_eq!(soon("a verdict", pump.send("pump", "kept")).await, Ok(()));
        let frame = soon("a message", inbox.recv()).await.unwrap();
        assert_eq!(&frame.payload()[..], b"kept");
        broker.shutdown().await;
    });
}
