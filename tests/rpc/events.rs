//! What is no request: notifications, publications, broadcasts and messages.
use std::time::Duration;

use elbus_client::Qos;
use elbus_rpc::{Arrival, Service};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::common::{eventually, on_every_link, options, soon};

type Heard = (&'static str, String, Option<String>, Vec<u8>);

fn heard(kind: &'static str, arrival: &Arrival) -> Heard {
    let topic = arrival.topic().map(str::to_owned);
    (
        kind,
        arrival.sender().to_owned(),
        topic,
        arrival.payload().to_vec(),
    )
}

fn service() -> (Service<UnboundedSender<Heard>>, UnboundedReceiver<Heard>) {
    type Ear = UnboundedSender<Heard>;
    let (ear, heard_of) = unbounded_channel();
    let service = Service::new(ear)
        .on_notification(async |ear: Ear, arrival| ear.send(heard("notification", &arrival)).unwrap())
        .on_publication(async |ear: Ear, arrival| ear.send(heard("publication", &arrival)).unwrap())
        .on_broadcast(async |ear: Ear, arrival| ear.send(heard("broadcast", &arrival)).unwrap())
        .on_message(async |ear: Ear, arrival| ear.send(heard("message", &arrival)).unwrap());
    (service, heard_of)
}

#[test]
fn everything_that_is_no_request_is_heard_in_order_and_as_it_is() {
    on_every_link(async |bus| {
        let (service, mut ears) = service();
        let service = bus.serve("service", service).await;
        service.client().subscribe(&["news/#"]).await.unwrap();
        let rpc = bus.caller("panel").await;
        for n in 0..50_u8 {
            rpc.notify("service", &[n]).await.unwrap();
            rpc.client().publish("news/x", &[n]).qos(Qos::No).await.unwrap();
            // What looks like a request is none in a broadcast.
            rpc.client()
                .broadcast("?", &b"\x01\x01\0\0\0x\0"[..])
                .await
                .unwrap();
            rpc.client().send("service", &[0x77, n]).await.unwrap();
        }
        for n in 0..50 {
            let from = || "panel".to_owned();
            let expected = [
                ("notification", from(), None, vec![n]),
                ("publication", from(), Some("news/x".to_owned()), vec![n]),
                ("broadcast", from(), None, b"\x01\x01\0\0\0x\0".to_vec()),
                ("message", from(), None, vec![0x77, n]),
            ];
            for expected in expected {
                assert_eq!(soon("an arrival", ears.recv()).await.unwrap(), expected);
            }
        }
    });
}

#[test]
fn what_exceeds_the_bound_is_left_out_and_counted_while_requests_are_answered() {
    on_every_link(async |bus| {
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let service = Service::new(gate.clone())
            .on_notification(async |gate: std::sync::Arc<tokio::sync::Semaphore>, _| {
                gate.acquire().await.unwrap().forget();
            })
            .method("ping", async |_, (): ()| Ok::<_, elbus_rpc::Failure>(()));
        let service = bus
            .start("service", options().waiting_events(10).service(service))
            .await;
        let rpc = bus.caller("panel").await;
        rpc.notify("service", "first").await.unwrap();
        rpc.call::<_, ()>("service", "ping", &()).await.unwrap();
        eventually("the first is being handled", || {
            service.stats().events_waiting == 0
        })
        .await;
        for _ in 0..15 {
            rpc.notify("service", "more").await.unwrap();
        }
        rpc.call::<_, ()>("service", "ping", &()).await.unwrap();
        let stats = service.stats();
        assert_eq!((stats.events_waiting, stats.events_dropped), (10, 5));
        gate.add_permits(11);
        eventually("all are handled", || {
            service.stats().events_waiting == 0 && gate.available_permits() == 0
        })
        .await;
    });
}

#[test]
fn a_handler_that_panics_loses_only_what_it_was_given() {
    on_every_link(async |bus| {
        let (ear, mut ears) = unbounded_channel();
        let service =
            Service::new(ear).on_notification(async |ear: UnboundedSender<Vec<u8>>, arrival: Arrival| {
                assert!(arrival.payload() != b"bad", "on purpose");
                ear.send(arrival.payload().to_vec()).unwrap();
            });
        let _service = bus.serve("service", service).await;
        let rpc = bus.caller("panel").await;
        for payload in ["1", "bad", "2", "bad", "bad", "3"] {
            rpc.notify("service", payload).await.unwrap();
        }
        for expected in [b"1", b"2", b"3"] {
            assert_eq!(soon("a notification", ears.recv()).await.unwrap(), expected);
        }
    });
}

#[test]
fn a_handler_of_events_may_call() {
    on_every_link(async |bus| {
        let (ear, mut ears) = unbounded_channel();
        let service =
            Service::new(ear).on_notification(async |ear: UnboundedSender<bool>, arrival: Arrival| {
                let limit = Duration::from_secs(20);
                let call = arrival.rpc().call::<_, serde_json::Value>(".broker", "test", &());
                ear.send(call.timeout(limit).await.is_ok()).unwrap();
            });
        let _service = bus.serve("service", service).await;
        let rpc = bus.caller("panel").await;
        rpc.notify("service", "go").await.unwrap();
        assert_eq!(soon("the call", ears.recv()).await, Some(true));
    });
}
