//! Secondaries: connections that share their primary's name.
use elbus_client::{ConnectError, Error};
use elbus_testkit::PATIENCE;

use crate::common::{connected, disconnected, on_every_socket, soon};

#[test]
fn a_secondary_has_its_primarys_name_and_a_suffix() {
    on_every_socket(async |bus| {
        let (panel, _inbox) = bus.client("panel").await;
        let (second, mut inbox) = panel.secondary().await.unwrap();
        let (third, _third_inbox) = second.secondary().await.unwrap();
        assert_ne!(second.name(), third.name());
        assert_eq!(third.send(second.name(), "hello").await, Ok(()));
        let frame = soon("a message", inbox.recv()).await.unwrap();
        assert_eq!(frame.sender(), third.name());
        assert_eq!(frame.primary_sender(), "panel");
    });
}

#[test]
fn a_secondary_leaves_with_its_primary() {
    on_every_socket(async |bus| {
        let (panel, _inbox) = bus.client("panel").await;
        let (second, mut inbox) = panel.secondary().await.unwrap();
        panel.close().await.unwrap();
        assert_eq!(soon("the end", inbox.recv()).await, None);
        assert_eq!(second.send("panel", "x").await, Err(Error::Closed));
        assert!(matches!(panel.secondary().await, Err(ConnectError::Closed)));
        assert!(matches!(second.secondary().await, Err(ConnectError::Closed)));
    });
}

#[test]
fn a_secondary_that_is_still_trying_to_connect_gives_up_with_its_primary() {
    on_every_socket(async |bus| {
        let options = bus.options("panel").retry_first_connect(PATIENCE * 10);
        let (panel, _inbox) = options.connect().await.unwrap();
        // There is one of this name already.
        let (_other, _other_inbox) = bus.client("panel%%1").await;
        let second = panel.secondary();
        let closing = async {
            panel.close().await.unwrap();
        };
        let (second, ()) = soon("the end", async { tokio::join!(second, closing) }).await;
        assert!(matches!(second, Err(ConnectError::Closed)), "{second:?}");
    });
}

#[test]
fn secondaries_come_back_after_their_primary() {
    on_every_socket(async |bus| {
        let (panel, _inbox) = bus.client("panel").await;
        let (second, mut inbox) = panel.secondary().await.unwrap();
        second.subscribe(&["topic"]).await.unwrap();
        let mut events = second.events();
        bus.stop().await;
        disconnected(&mut events).await;
        let broker = bus.start_again().await;
        connected(&mut events).await;
        while inbox.try_recv().is_some() {}
        assert_eq!(panel.publish("topic", "x").await, Ok(()));
        let frame = soon("a publication", inbox.recv()).await.unwrap();
        assert_eq!(frame.sender(), "panel");
        broker.shutdown().await;
    });
}
