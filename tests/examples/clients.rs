//! Examples that are clients: sender, listener, plug-in.
use elbus_broker::{Broker, Config};
use elbus_client::default_address::VARIABLE;
use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, TestBroker, Transport};

use crate::process::{Example, program};

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
        let mut plugin = Example::start("plugin", &[&bus.address(transport).to_string()]);
        plugin.says("on the bus as example.plugin");
        plugin.says("ready");
        measure(&bus, transport, "20", "20.00");

        let broker = restart(&bus, transport, || {
            plugin.says("off the bus: the broker closed the connection");
        });
        plugin.says("back on the bus, with all subscriptions");
        measure(&bus, transport, "22", "21.00");
        bus.block_on(broker.shutdown());
    }
}

#[test]
fn a_program_that_fails_says_why_in_words() {
    for name in ["listener", "sender", "service", "tour"] {
        let ended = program(name).env(VARIABLE, "/nowhere/bus.sock").output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{name}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(
            said.starts_with("no connection to /nowhere/bus.sock: No such file"),
            "{name}: {said}"
        );
    }
}

/// The README promises that its program is short, needs one crate of ours, and keeps its subscription.
#[test]
fn the_program_of_the_readme_is_under_thirty_lines_and_keeps_its_subscription_over_a_restart() {
    let example = include_str!("../../examples/tour.rs");
    let (_, program) = example.split_once('\n').unwrap();
    assert!(program.lines().count() < 30);
    assert!(
        include_str!("../../README.md").contains(program),
        "the README shows another program"
    );
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut tour = Example::on(bus.address(transport), "tour");
        tour.says("ready");
        talk(&bus, transport, &mut tour, "21.5");
        let broker = restart(&bus, transport, || tour.says("the server goes down"));
        bus.eventually("the program is subscribed again", |_| {
            broker.stats().subscriptions > 0
        });
        talk(&bus, transport, &mut tour, "21.7");
        bus.block_on(broker.shutdown());
    }
}

/// Publishes as another client until the program has told it: just after a restart it may hear a publication before it
/// may send. A message behind the publication shows where its answer would have been.
fn talk(bus: &TestBroker, transport: Transport, tour: &mut Example, value: &str) {
    let mut listener = bus.client(transport, "tour.listener");
    let body = [b"plant/hall\0", value.as_bytes()].concat();
    loop {
        listener.send(1, Op::Publish, Qos::No, &body);
        listener.send(2, Op::Message, Qos::No, b"tour.display\0next");
        tour.says(&format!("plant/hall from tour.listener: {value}"));
        match tour.line().as_deref() {
            Some("message from tour.listener: next") => break,
            line => assert_eq!(
                line,
                Some("tour.listener was not told: not connected to the broker")
            ),
        }
        tour.says("message from tour.listener: next");
    }
    match listener.got() {
        Got::Frame { sender, payload, .. } => {
            assert_eq!(sender, "tour.display");
            let told = String::from_utf8(payload).unwrap();
            assert_eq!(told, format!("plant/hall is {value}"));
        }
        got => panic!("expected what the program tells, got {got:?}"),
    }
}

/// Ends the broker as a server ends, and starts another one at the same address when `stopped` is through.
fn restart(bus: &TestBroker, transport: Transport, stopped: impl FnOnce()) -> Broker {
    bus.block_on(bus.broker.shutdown());
    stopped();
    let broker = Broker::new(Config::default()).unwrap();
    bus.block_on(async {
        // The address may be in use for a moment longer.
        while broker.listen(bus.address(transport)).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    broker
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
