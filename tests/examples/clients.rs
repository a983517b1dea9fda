//! Examples that are clients: sender, listener, plug-in.
use elbus_broker::{Broker, Config};
use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, TestBroker, Transport};

use crate::process::Example;

#[test]
fn the_sender_reaches_the_listener() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let address = bus.address(transport).to_string();
        let mut listener = Example::start("listener", &[&address]);
        listener.says("listening");
        let mut sender = Example::start("sender", &[&address]);
        sender.says("delivered");
        sender.says("100 publications confirmed");
        sender.ends();
        listener.says("temperature/hall from example.sender: 21.4");
        listener.says("Message from example.sender: hello");
        for n in 0..100 {
            listener.says(&format!(
                "temperature/yard from example.sender: {}.{}",
                20 + n / 10,
                n % 10
            ));
        }
        listener.says("Broadcast from example.sender: goodbye");
    }
}

#[test]
fn the_sender_says_so_when_nobody_listens() {
    let bus = TestBroker::start();
    let mut sender = Example::start("sender", &[&bus.address(Transport::Unix).to_string()]);
    sender.says("nobody is called example.listener");
    sender.says("100 publications confirmed");
    sender.ends();
}

#[test]
fn the_plug_in_survives_a_restart_of_the_broker() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let address = bus.address(transport);
        let mut plugin = Example::start("plugin", &[&address.to_string()]);
        plugin.says("on the bus as example.plugin");
        plugin.says("ready");
        measure(&bus, transport, "20", "20.00");

        bus.block_on(bus.broker.shutdown());
        plugin.says("off the bus: the broker closed the connection");
        let broker = Broker::new(Config::default()).unwrap();
        bus.block_on(async {
            // The address may be in use for a moment longer.
            while broker.listen(address).await.is_err() {
                tokio::task::yield_now().await;
            }
        });
        plugin.says("back on the bus, with all subscriptions");
        measure(&bus, transport, "22", "21.00");
        bus.block_on(broker.shutdown());
    }
}

/// Publishes a temperature as a client that uses none of our client's code, and waits for the mean.
fn measure(bus: &TestBroker, transport: Transport, value: &str, mean: &str) {
    let mut sensor = bus.client(transport, "plant.sensor");
    sensor.subscribe("mean/temperature");
    let body = [b"temperature/hall\0", value.as_bytes()].concat();
    sensor.send(1, Op::Publish, Qos::No, &body);
    match sensor.got() {
        Got::Frame {
            sender,
            topic,
            payload,
            ..
        } => {
            assert_eq!((&sender[..], &topic[..]), ("example.plugin", "mean/temperature"));
            assert_eq!(String::from_utf8(payload).unwrap(), mean);
        }
        got => panic!("expected the mean, got {got:?}"),
    }
}
