//! What an awaited operation says.
use elbus_client::{Code, Error, Kind, Outcome, Qos};

use crate::common::{on_every_socket, soon};

#[test]
fn an_awaited_send_yields_the_brokers_verdict() {
    on_every_socket(async |bus| {
        let (pump, _) = bus.client("plant.pump").await;
        let (_panel, mut inbox) = bus.client("plant.panel").await;
        assert_eq!(pump.send("plant.panel", "running").await, Ok(()));
        let refused = pump.send("plant.nobody", "hello").await.unwrap_err();
        assert_eq!(refused, Error::Refused(Code::NotRegistered));
        assert_eq!(refused.outcome(), Outcome::Refused);
        let frame = soon("a message", inbox.recv()).await.unwrap();
        assert_eq!((frame.kind(), frame.sender()), (Kind::Message, "plant.pump"));
        assert_eq!(&frame.payload()[..], b"running");
    });
}

#[test]
fn publications_reach_those_who_subscribed_until_they_unsubscribe() {
    on_every_socket(async |bus| {
        let (sensor, _) = bus.client("sensor").await;
        let (panel, mut inbox) = bus.client("panel").await;
        panel.subscribe(&["temperature/#", "log/#"]).await.unwrap();
        panel.exclude(&["log/debug/#"]).await.unwrap();
        sensor.publish("log/debug/x", "no").await.unwrap();
        sensor
            .publish("temperature/hall", "21.5")
            .qos(Qos::No)
            .await
            .unwrap();
        sensor
            .publish("log/x", "for another")
            .only_for("other")
            .await
            .unwrap();
        sensor.broadcast("*", "all").qos(Qos::Realtime).await.unwrap();
        let frame = soon("a publication", inbox.recv()).await.unwrap();
        assert_eq!(frame.topic(), Some("temperature/hall"));
        let frame = soon("a broadcast", inbox.recv()).await.unwrap();
        assert_eq!((frame.kind(), frame.is_realtime()), (Kind::Broadcast, true));
        panel.unsubscribe(&["temperature/#"]).await.unwrap();
        sensor.publish("temperature/hall", "21.6").await.unwrap();
        panel.ping().await.unwrap();
        assert_eq!(inbox.try_recv(), None);
    });
}

#[test]
fn a_closed_client_has_sent_everything_and_left_the_bus() {
    on_every_socket(async |bus| {
        let (pump, mut own) = bus.client("pump").await;
        let (_panel, mut inbox) = bus.client("panel").await;
        for _ in 0..1000 {
            pump.send("panel", "running").qos(Qos::No).await.unwrap();
        }
        soon("the end", pump.close()).await.unwrap();
        assert_eq!(pump.send("panel", "too late").await, Err(Error::Closed));
        assert_eq!(own.recv().await, None);
        bus.client("pump").await;
        for _ in 0..1000 {
            soon("a message", inbox.recv()).await.unwrap();
        }
    });
}
