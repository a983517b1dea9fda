//! How our client's connection to every broker lasts, breaks, comes back and ends.
use std::{thread, time::Duration};

use elbus_client::{Client, Error, Event, Events, Inbox, Options, Outcome, Qos};
use elbus_interop::{Broker, Transport, wait};

/// More than the 6.25 s of silence after which the daemon of `busrt` disconnects a client.
const SILENCE: Duration = Duration::from_secs(8);

const BROKERS: [fn() -> Broker; 3] = [Broker::ours, Broker::elbus, Broker::busrt];

fn connect(broker: &Broker, transport: Transport, name: &str) -> (Client, Inbox) {
    let options = Options::new(name)
        .address(broker.address(transport))
        .backoff(Duration::from_millis(10), Duration::from_millis(100));
    wait(options.connect()).unwrap()
}

fn on_every_broker(case: impl Fn(&mut Broker, Transport)) {
    for start in BROKERS {
        for transport in Transport::ALL {
            let mut broker = start();
            println!("{broker:?}, {transport:?}");
            case(&mut broker, transport);
        }
    }
}

fn expect_disconnected(events: &mut Events) {
    let event = wait(events.recv());
    assert!(matches!(event, Some(Event::Disconnected { .. })), "{event:?}");
}

#[test]
fn a_client_that_does_nothing_stays_on_every_broker() {
    let brokers = [Broker::ours(), Broker::elbusd(), Broker::busrtd()];
    let mut clients = Vec::new();
    for broker in &brokers {
        for transport in Transport::ALL {
            // With everything as it comes.
            let options = Options::new(format!("idle.{transport:?}")).address(broker.address(transport));
            let (client, inbox) = wait(options.connect()).unwrap();
            let events = client.events();
            clients.push((format!("{broker:?}, {transport:?}"), client, inbox, events));
        }
    }
    thread::sleep(SILENCE);
    for (place, client, mut inbox, mut events) in clients {
        assert_eq!(
            wait(async { client.send(client.name(), "awake").await }),
            Ok(()),
            "{place}"
        );
        assert_eq!(wait(inbox.recv()).unwrap().payload(), "awake");
        drop(client);
        drop(inbox);
        // The end is the first thing that happened.
        expect_disconnected(&mut events);
        assert!(wait(events.recv()).is_none(), "{place}");
    }
}

#[test]
fn a_client_comes_back_with_what_it_had_subscribed_to() {
    on_every_broker(|broker, transport| {
        let (client, mut inbox) = connect(broker, transport, "subscriber");
        assert_eq!(
            wait(async { client.subscribe(&["kept/#", "left/#"]).await }),
            Ok(())
        );
        assert_eq!(wait(async { client.unsubscribe(&["left/#"]).await }), Ok(()));
        let mut events = client.events();
        broker.end();
        expect_disconnected(&mut events);
        broker.restart();
        let event = wait(events.recv());
        assert!(matches!(event, Some(Event::Connected)), "{event:?}");

        let (publisher, _inbox) = connect(broker, transport, "publisher");
        for topic in ["left/x", "kept/x"] {
            assert_eq!(wait(async { publisher.publish(topic, topic).await }), Ok(()));
        }
        // Ours says goodbye before it ends.
        let next = || wait(inbox.recv()).unwrap();
        let got = std::iter::repeat_with(next)
            .find(|frame| frame.sender() != ".broker")
            .unwrap();
        assert_eq!((got.sender(), got.topic()), ("publisher", Some("kept/x")));
    });
}

#[test]
fn an_operation_fails_at_once_while_there_is_no_broker() {
    on_every_broker(|broker, transport| {
        let (client, _inbox) = connect(broker, transport, "client");
        let mut events = client.events();
        broker.end();
        expect_disconnected(&mut events);
        let error = wait(async { client.send("any", "x").await }).unwrap_err();
        assert_eq!(error, Error::NotConnected);
        assert_eq!(error.outcome(), Outcome::Refused);
    });
}

#[test]
fn what_was_sent_before_the_close_arrives() {
    const COUNT: u32 = 3_000;
    on_every_broker(|broker, transport| {
        let (receiver, mut inbox) = connect(broker, transport, "receiver");
        let (sender, _inbox) = connect(broker, transport, "sender");
        wait(async {
            for n in 0..COUNT {
                let payload = n.to_be_bytes();
                sender.send(receiver.name(), &payload).qos(Qos::No).await.unwrap();
            }
            sender.close().await.unwrap();
        });
        for n in 0..COUNT {
            assert_eq!(wait(inbox.recv()).unwrap().payload()[..], n.to_be_bytes());
        }
    });
}
