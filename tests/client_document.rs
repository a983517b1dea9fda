//! The code of `docs/client.md`, run: each block of the document stands here, in a test. The new code of
//! `docs/coming-from-elbus.md` is built only, because its address is fixed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{error::Error as StdError, time::Duration};

use elbus_broker::{Broker, Config};
use elbus_client::{Client, Code, Error, Event, Inbox, Options, Outcome, Qos};
use elbus_testkit::{PATIENCE, TestBroker, Transport};

type Done = Result<(), Box<dyn StdError>>;

#[test]
fn every_block_of_the_documents_stands_in_this_test() {
    let source = bare(include_str!("client_document.rs"));
    for (document, least) in [
        (include_str!("../docs/client.md"), 10),
        (include_str!("../docs/coming-from-elbus.md"), 1),
    ] {
        let blocks: Vec<&str> = document.split("```rust\n").skip(1).collect();
        assert!(blocks.len() >= least, "a document has lost its code");
        for block in blocks {
            let block = block.split("```").next().unwrap();
            assert!(source.contains(&bare(block)), "not in the test:\n{block}");
        }
    }
}

/// Code without blanks: how it is broken into lines and indented is of no account.
fn bare(code: &str) -> String {
    code.split_whitespace().collect()
}

/// Runs a case on a bus, with the address of its socket.
fn on_a_bus<F: Future<Output = Done>>(case: impl Fn(String) -> F) {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        within_patience(case(bus.address(transport).to_string()));
    }
}

fn within_patience(case: impl Future<Output = Done>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, case).await })
        .expect("not in time")
        .unwrap();
}

async fn member(address: &str, name: &str) -> (Client, Inbox) {
    Options::new(name).address(address).connect().await.unwrap()
}

#[test]
fn connecting() {
    on_a_bus(async |address| {
        let (client, mut inbox) = Options::new("plant.panel")
            .address(address)
            .timeout(Duration::from_secs(2))
            .connect()
            .await?;
        client.send("plant.panel", "to myself").await?;
        let frame = inbox.recv().await.ok_or("closed")?;
        assert_eq!(frame.sender(), "plant.panel");
        Ok(())
    });
}

#[test]
fn a_setting_out_of_range_is_named() {
    within_patience(async {
        let refused = Options::new("plant.panel")
            .timeout(Duration::ZERO)
            .connect()
            .await;
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "timeout must be from 10ms to 3600s, not 0ns");
        assert!(include_str!("../docs/client.md").contains(&said));
        Ok(())
    });
}

#[test]
fn sending() {
    on_a_bus(async |address| {
        let (pump, _) = member(&address, "plant.pump").await;
        let (_panel, mut inbox) = member(&address, "plant.panel").await;
        pump.send("plant.panel", "running").await?;
        pump.broadcast("plant.*", "to everyone below plant").await?;
        pump.publish("pump/pressure", "4.2").await?;
        pump.publish("pump/pressure", "4.2")
            .only_for("plant.panel")
            .await?;

        let verdict = pump.send("plant.nobody", "hello").await;
        assert_eq!(verdict, Err(Error::Refused(Code::NotRegistered)));
        assert_eq!(inbox.recv().await.ok_or("closed")?.payload().as_ref(), b"running");
        Ok(())
    });
}

#[test]
fn many_in_flight() {
    on_a_bus(async |address| {
        let (client, _) = member(&address, "plant.pump").await;
        let (_panel, _inbox) = member(&address, "plant.panel").await;
        let mut confirmations = Vec::new();
        for n in 0..1000 {
            confirmations.push(client.send("plant.panel", format!("{n}")).confirm().await?);
        }
        for confirmation in confirmations {
            confirmation.await?;
        }
        Ok(())
    });
}

#[test]
fn quality_of_service() {
    on_a_bus(async |address| {
        let (client, _) = member(&address, "plant.pump").await;
        let (_panel, mut inbox) = member(&address, "plant.panel").await;
        client.send("plant.panel", "unacknowledged").qos(Qos::No).await?;
        client
            .send("plant.nobody", "nobody hears of it")
            .qos(Qos::No)
            .await?;
        client.flush().await?;
        let frame = inbox.recv().await.ok_or("closed")?;
        assert_eq!(frame.payload().as_ref(), b"unacknowledged");
        Ok(())
    });
}

#[test]
fn receiving() {
    on_a_bus(async |address| {
        let (panel, mut inbox) = member(&address, "plant.panel").await;
        panel.subscribe(&["temperature/#"]).await?;
        let (sensor, _) = member(&address, "plant.sensor").await;
        sensor.publish("temperature/hall", "21.5").await?;
        sensor.send("plant.panel", "hello").await?;
        // The answer comes behind what was sent before: then both are in the inbox, which ends behind them.
        panel.ping().await?;
        panel.close().await?;
        while let Some(frame) = inbox.recv().await {
            let payload: &[u8] = frame.payload();
            match frame.topic() {
                Some(topic) => println!("{topic} from {}: {payload:?}", frame.sender()),
                None => println!("{:?} from {}: {payload:?}", frame.kind(), frame.sender()),
            }
        }
        Ok(())
    });
}

#[test]
fn subscribing() {
    on_a_bus(async |address| {
        let (client, mut inbox) = member(&address, "plant.panel").await;
        client.subscribe(&["temperature/#", "log/#"]).await?;
        client.exclude(&["log/debug/#"]).await?;
        client.unsubscribe(&["temperature/#"]).await?;
        client.publish("log/debug/x", "excluded").await?;
        client.publish("temperature/hall", "unsubscribed").await?;
        client.publish("log/info", "heard").await?;
        assert_eq!(inbox.recv().await.ok_or("closed")?.topic(), Some("log/info"));
        Ok(())
    });
}

#[test]
fn the_announcement_of_the_brokers_end_is_kept_away_by_an_exclusion() {
    let bus = TestBroker::start();
    let address = bus.address(Transport::Unix).clone();
    bus.block_on(async {
        let options = Options::new("plant.panel").address(address).never_reconnect();
        let (client, mut inbox) = options.connect().await.unwrap();
        client.exclude(&[".broker/warn"]).await.unwrap();
        bus.broker.shutdown().await;
        assert_eq!(inbox.recv().await, None);
    });
}

#[test]
fn events() {
    let bus = TestBroker::start();
    let address = bus.address(Transport::Unix).clone();
    let (client, _inbox) = bus
        .block_on(Options::new("plant.panel").address(address).connect())
        .unwrap();
    let told = bus.block_on(async {
        let mut events = client.events();
        let telling = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                match event {
                    Event::Connected => println!("back on the bus"),
                    Event::Disconnected { why } => println!("off the bus: {why}"),
                    Event::GaveUp { why } => println!("gave up: {why}"),
                    other => println!("{other:?}"),
                }
            }
        });
        client.close().await?;
        telling.await.map_err(|_| Error::Closed)
    });
    assert_eq!(told, Ok(()));
}

#[test]
fn outcomes() {
    let bus = TestBroker::start();
    let address = bus.address(Transport::Unix).to_string();
    bus.block_on(async {
        let (client, _) = member(&address, "plant.pump").await;
        if let Err(error) = client.send("plant.valve", "open").await {
            match error.outcome() {
                Outcome::Refused => println!("not done: {error}"),
                Outcome::Unknown => println!("done or not, nobody knows: {error}"),
            }
        }
    });
}

#[test]
fn closing() {
    on_a_bus(async |address| {
        let (client, mut inbox) = member(&address, "plant.pump").await;
        let (_panel, mut panels) = member(&address, "plant.panel").await;
        client.send("plant.panel", "the last").qos(Qos::No).await?;
        client.close().await?;
        assert_eq!(client.send("plant.panel", "too late").await, Err(Error::Closed));
        assert_eq!(inbox.recv().await, None);
        assert_eq!(
            panels.recv().await.ok_or("closed")?.payload().as_ref(),
            b"the last"
        );
        Ok(())
    });
}

#[test]
fn secondaries() {
    on_a_bus(async |address| {
        let (client, _inbox) = member(&address, "plant.panel").await;
        let (second, mut inbox) = client.secondary().await?;
        client.send(second.name(), "hello").await?;
        let frame = inbox.recv().await.ok_or("closed")?;
        assert_eq!(frame.primary_sender(), "plant.panel");
        assert_eq!(second.name(), "plant.panel%%1");
        Ok(())
    });
}

#[test]
fn in_process() {
    within_patience(async {
        let broker = Broker::new(Config::default())?;
        let (client, mut inbox) = broker.client("plant.panel")?;
        client.send("plant.panel", "to myself").await?;
        let frame = inbox.recv().await.ok_or("closed")?;
        assert_eq!(frame.payload().as_ref(), b"to myself");
        assert!(client.events().recv().await.is_none());
        Ok(())
    });
}

/// As `docs/coming-from-elbus.md` shows it.
#[allow(dead_code, reason = "built, and not run")]
async fn coming_from_elbus() -> Done {
    let options = Options::new("test.client.listener").address("/tmp/elbus.sock");
    let (client, mut inbox) = options.connect().await?;
    client.subscribe(&["#"]).await?;
    while let Some(frame) = inbox.recv().await {
        println!("{} {:?}", frame.sender(), frame.payload());
    }
    Ok(())
}
