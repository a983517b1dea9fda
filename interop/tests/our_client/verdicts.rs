//! What our client says of operations that a broker refuses, does not know, or never gets to see.
use elbus_client::{Client, ConnectError, Error, Event, Inbox, Options, Qos};
use elbus_interop::{Broker, Transport, wait};

fn connect(broker: &Broker, name: &str) -> (Client, Inbox) {
    try_connect(broker, name).unwrap()
}

fn try_connect(broker: &Broker, name: &str) -> Result<(Client, Inbox), ConnectError> {
    wait(
        Options::new(name)
            .address(broker.address(Transport::Unix))
            .connect(),
    )
}

/// The published brokers would take some of these names, and stumble over others.
#[test]
fn malformed_names_are_not_sent() {
    for broker in [Broker::ours(), Broker::elbus(), Broker::busrt()] {
        for name in ["", "any*", "any?", "with\0zero", "with\nline", "%%1"] {
            let error = try_connect(&broker, name).unwrap_err();
            assert!(matches!(error, ConnectError::Name { .. }), "{broker:?}: {error}");
        }
        let error = try_connect(&broker, ".broker").unwrap_err();
        assert!(
            matches!(error, ConnectError::Name { .. } | ConnectError::Refused { .. }),
            "{broker:?}: {error}"
        );
    }
}

/// The published brokers would take most of these and acknowledge them.
#[test]
fn malformed_addresses_are_not_sent() {
    for broker in [Broker::ours(), Broker::elbus(), Broker::busrt()] {
        let (client, _inbox) = connect(&broker, "client");
        wait(async {
            let error = client.send("any*", "x").await.unwrap_err();
            assert!(matches!(error, Error::Name { .. }), "{error}");
            let error = client.send("client\0x", "x").await.unwrap_err();
            assert!(matches!(error, Error::Name { .. }), "{error}");
            let error = client.broadcast("*.x", "x").await.unwrap_err();
            assert!(matches!(error, Error::Mask { .. }), "{error}");
            let error = client.publish("any/+", "x").await.unwrap_err();
            assert!(matches!(error, Error::Topic { .. }), "{error}");
            let error = client.subscribe(&["#/x"]).await.unwrap_err();
            assert!(matches!(error, Error::Topic { .. }), "{error}");
            assert_eq!(client.send("client", "still here").await, Ok(()));
        });
    }
}

#[test]
fn a_ping_that_wants_an_answer_ends_the_connection_to_a_published_broker() {
    for (broker, expected) in [
        (Broker::ours(), Ok(())),
        (Broker::elbus(), Err(Error::ConnectionLost)),
        (Broker::busrt(), Err(Error::ConnectionLost)),
    ] {
        let (client, _inbox) = connect(&broker, "client");
        assert_eq!(wait(async { client.ping().qos(Qos::No).await }), Ok(()));
        assert_eq!(
            wait(async { client.send("client", "x").await }),
            Ok(()),
            "{broker:?}"
        );
        assert_eq!(
            wait(async { client.ping().qos(Qos::Processed).await }),
            expected,
            "{broker:?}"
        );
    }
}

/// `elbus` came before these, and its broker disconnects whoever sends what it does not know. Our client comes back, and
/// does not ask for the exclusion again.
#[test]
fn what_the_broker_of_elbus_does_not_know_costs_a_connection_and_no_more() {
    let broker = Broker::elbus();
    let (client, mut inbox) = connect(&broker, "client");
    let mut events = client.events();
    let published = wait(async { client.publish("topic", "x").only_for("any").await });
    assert_eq!(published, Err(Error::ConnectionLost));
    wait(async { while !matches!(events.recv().await.unwrap(), Event::Connected) {} });
    assert_eq!(wait(async { client.subscribe(&["topic"]).await }), Ok(()));
    assert_eq!(
        wait(async { client.exclude(&["any/#"]).await }),
        Err(Error::ConnectionLost)
    );
    wait(async { while !matches!(events.recv().await.unwrap(), Event::Connected) {} });
    assert_eq!(wait(async { client.publish("topic", "x").await }), Ok(()));
    assert_eq!(wait(inbox.recv()).unwrap().topic(), Some("topic"));
}
