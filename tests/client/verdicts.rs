//! What an awaited operation says.
use elbus_client::{Code, Error, Kind, Outcome, Qos};
use elbus_proto::{MaskError, NameError, TopicError};

use crate::common::{Fake, block_on, on_every_socket, soon};

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
        panel.ping().qos(Qos::Processed).await.unwrap();
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
        assert_eq!(pump.flush().await, Ok(()), "everything was written before");
        assert_eq!(own.recv().await, None);
        bus.client("pump").await;
        for _ in 0..1000 {
            soon("a message", inbox.recv()).await.unwrap();
        }
    });
}

/// Line 34 of what breaks the peers: NUL in a topic or target is sent as it is.
#[test]
fn names_topics_masks_and_sizes_are_checked_before_anything_is_sent() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake.options("pump").frame_limit(10).filter_limit(2);
        let (client, _inbox, mut broker) = fake.connect(options).await;
        let name = |name: &str, reason| {
            let name = name.to_owned();
            Err(Error::Name { name, reason })
        };
        let topic = |topic: &str, reason| {
            let topic = topic.to_owned();
            Err(Error::Topic { topic, reason })
        };
        let nul = NameError::Forbidden('\0');
        let wild = NameError::Forbidden('*');
        assert_eq!(client.send("a\0b", "x").await, name("a\0b", nul));
        assert_eq!(client.send("a*", "x").qos(Qos::No).await, name("a*", wild));
        assert_eq!(client.send("", "x").await, name("", NameError::Empty));
        assert_eq!(client.publish("t", "x").only_for("a\0").await, name("a\0", nul));
        let mask = "*.a".to_owned();
        let reason = MaskError::MisplacedStar;
        assert_eq!(
            client.broadcast("*.a", "x").await,
            Err(Error::Mask { mask, reason })
        );
        let nul = TopicError::Forbidden('\0');
        assert_eq!(client.publish("t\0", "x").await, topic("t\0", nul));
        assert_eq!(
            client.publish("a/+", "x").await,
            topic("a/+", TopicError::Wildcard)
        );
        let misplaced = TopicError::MisplacedHash;
        assert_eq!(client.subscribe(&["a", "#/a"]).await, topic("#/a", misplaced));
        assert_eq!(client.exclude(&["a\0b"]).await, topic("a\0b", nul));
        let (len, limit) = (11, 10);
        assert_eq!(
            client.send("panel", "12345").await,
            Err(Error::TooLarge { len, limit })
        );
        let limit = 2;
        let three = client.subscribe(&["a", "b", "c"]).await;
        assert_eq!(three, Err(Error::TooManyFilters { limit }));
        // What is at the limit is the first thing that is sent.
        client.send("panel", "1234").qos(Qos::No).await.unwrap();
        client.subscribe(&["a", "b"]).qos(Qos::No).await.unwrap();
        assert_eq!(broker.request().await.body, b"panel\x001234");
        assert_eq!(broker.request().await.body, b"a\0b");
    });
}
