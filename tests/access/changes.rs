//! Rules that change while clients are connected.
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use elbus_broker::access::{AccessRule, AccessRules, Source};
use elbus_proto::{Code, Op, Qos, delivery::Kind};
use elbus_testkit::{Got, TestBroker, Transport};

use crate::{
    common::{everything, expect_denied, restrain, rule, rules},
    link::{Ask, on_every_link, on_every_pair},
};

#[test]
fn a_client_that_may_not_be_connected_any_more_is_disconnected_with_its_secondaries() {
    on_every_link(|bus| {
        let mut client = bus.near("me");
        let mut secondary = bus.near("me%%1");
        let mut other = bus.near("other.a");
        client.subscribe("t");
        other.subscribe(".broker/info");
        restrain(bus, rule("you"));
        client.expect_end();
        secondary.expect_end();
        assert_eq!(other.frame().topic, ".broker/info");
        other.expect_nothing();
        let stats = bus.test.broker.stats();
        assert_eq!((stats.clients, stats.subscriptions), (1, 1));
        assert_eq!(bus.try_over(bus.near, "me").err(), Some(Code::Access));
        restrain(bus, rule("me"));
        bus.near("me").leave();
    });
}

#[test]
fn a_name_that_is_reserved_for_others_is_taken_from_whoever_has_it() {
    on_every_link(|bus| {
        let mut client = bus.near("me");
        let mut other = bus.near("you");
        let reserved = AccessRules::builder().reserve("me", [Source::Fifo]);
        bus.test.broker.set_access(reserved.build().unwrap());
        client.expect_end();
        other.expect_nothing();
    });
}

#[test]
fn rules_that_say_the_same_disturb_nobody() {
    on_every_pair(|bus| {
        let mut client = bus.near("me");
        let mut other = bus.far("other.a");
        other.subscribe("#");
        for _ in 0..3 {
            restrain(bus, everything("me"));
            client.must(Ask::Message("other.a", b"x"));
            other.expect(Kind::Message, "me", b"x");
            client.must(Ask::Publish("t", b"y"));
            other.expect_publication("me", "t", b"y");
        }
        assert_eq!(bus.test.broker.stats().denied, 0);
    });
}

#[test]
fn a_right_that_is_taken_or_given_holds_for_the_next_frame() {
    on_every_pair(|bus| {
        let mut client = bus.near("me");
        let mut other = bus.far("other.a");
        other.subscribe("#");
        let asks = [
            Ask::Message("other.a", b"x"),
            Ask::Broadcast("other.?", b"x"),
            Ask::Publish("t", b"x"),
            Ask::PublishFor("t", "other.a", b"x"),
        ];
        for round in 0..3 {
            for ask in asks {
                client.must(ask);
                assert_eq!(other.frame().payload, b"x", "{ask:?} in round {round}");
            }
            restrain(bus, rule("me"));
            for ask in asks {
                expect_denied(&mut *client, ask);
            }
            other.expect_nothing();
            match round {
                0 => restrain(bus, everything("me")),
                _ => bus.test.broker.set_access(AccessRules::default()),
            }
        }
    });
}

#[test]
fn subscriptions_that_are_not_admitted_any_more_are_removed_and_the_others_stay() {
    on_every_pair(|bus| {
        let mut client = bus.near("me");
        let mut other = bus.far("other.a");
        client.must(Ask::Subscribe(&["plant/#", "plant/+", "+/pump", "office/light"]));
        client.must(Ask::Exclude(&["plant/secret"]));
        other.must(Ask::Publish("office/light", b"x"));
        client.expect_publication("other.a", "office/light", b"x");
        restrain(bus, rule("me").subscribe(["plant/#"]));
        // The route was remembered.
        other.must(Ask::Publish("office/light", b"x"));
        other.must(Ask::Publish("office/pump", b"x"));
        other.must(Ask::Publish("plant/secret", b"x"));
        client.expect_nothing();
        other.must(Ask::Publish("plant/pump", b"y"));
        client.expect_publication("other.a", "plant/pump", b"y");
        let stats = bus.test.broker.stats();
        assert_eq!((stats.subscriptions, stats.exclusions), (2, 1));
        // Removed is removed: it does not come back with the right.
        restrain(bus, everything("me"));
        other.must(Ask::Publish("office/light", b"x"));
        client.expect_nothing();
        client.subscribe("office/light");
        other.must(Ask::Publish("office/light", b"z"));
        client.expect_publication("other.a", "office/light", b"z");
    });
}

#[test]
fn the_warning_of_a_shutdown_reaches_those_who_may_nothing() {
    on_every_link(|bus| {
        let mut client = bus.near("me");
        client.subscribe(".broker/warn");
        restrain(bus, rule("me"));
        let broker = bus.test.broker.clone();
        let shutdown = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(broker.shutdown());
        });
        assert_eq!(client.frame().topic, ".broker/warn");
        client.leave();
        shutdown.join().unwrap();
    });
}

/// A message that waits for a full receiver is not carried out yet.
#[test]
fn a_message_that_is_held_back_is_judged_by_the_rules_of_the_moment_it_is_delivered() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| {
            config.high_water = 1;
            config.stall_timeout = std::time::Duration::from_secs(3600);
        });
        let mut receiver = test.client(transport, "receiver");
        let mut sender = test.client(transport, "me");
        // More than all buffers between them hold: the last ones wait.
        const FRAMES: u32 = 128;
        let body = [b"receiver\0", &[b'x'; 256 * 1024][..]].concat();
        let mut writer = sender.writer();
        let writing = thread::spawn(move || {
            for n in 0..FRAMES {
                writer.send(n, Op::Message, Qos::Processed, &body);
            }
        });
        test.eventually("the receiver is full", |broker| {
            let mut clients = broker.clients().into_iter();
            clients.any(|client| client.name == "receiver" && client.queue > 0)
        });
        test.broker.set_access(rules([rule("me"), rule("receiver")]));
        let reading = thread::spawn(move || {
            let mut received = 0;
            while receiver.message().1.len() == 256 * 1024 {
                received += 1;
            }
            received
        });
        let mut acknowledged = 0;
        for n in 0..FRAMES {
            match sender.got() {
                Got::Ack(id, Ok(())) if id == n => acknowledged += 1,
                Got::Ack(id, Err(Code::Access)) if id == n => {}
                got => panic!("{got:?} as answer to {n}"),
            }
        }
        writing.join().unwrap();
        assert!(acknowledged < FRAMES, "none was refused");
        test.broker.set_access(AccessRules::default());
        assert_eq!(sender.ask(FRAMES, Op::Message, b"receiver\0the end"), Ok(()));
        assert_eq!(
            reading.join().unwrap(),
            acknowledged,
            "what was acknowledged arrived"
        );
    }
}

#[test]
fn what_is_asked_while_rules_change_is_judged_by_the_old_or_the_new_and_nothing_stays_behind() {
    let test = TestBroker::start();
    let open = || rules([everything("*")]);
    let strict = || rules([AccessRule::new("*").from([Source::Any])]);
    test.broker.set_access(open());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for transport in Transport::ALL {
            let (test, stop) = (&test, &stop);
            scope.spawn(move || {
                let mut client = test.client(transport, &format!("{transport:?}"));
                let mut n = 0;
                while !stop.load(Relaxed) {
                    let filter = format!("t/{}", n % 100);
                    let answer = client.ask(n, Op::Subscribe, filter.as_bytes());
                    assert!(matches!(answer, Ok(()) | Err(Code::Access)), "{answer:?}");
                    n += 1;
                }
                client.shutdown_write();
                client.expect_end();
            });
        }
        for _ in 0..200 {
            test.broker.set_access(open());
            test.broker.set_access(strict());
            // Nothing that old rules admitted is left, whenever it was asked for.
            assert_eq!(test.broker.stats().subscriptions, 0);
        }
        stop.store(true, Relaxed);
    });
}

#[test]
fn clients_that_come_while_rules_change_are_on_the_bus_only_if_the_last_rules_admit_them() {
    let test = TestBroker::start();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (test_, stop_) = (&test, &stop);
        for thread in 0..2 {
            scope.spawn(move || {
                while !stop_.load(Relaxed) {
                    if let Ok((client, inbox)) = test_.broker.client(&format!("me.{thread}")) {
                        drop((client, inbox));
                    }
                }
            });
        }
        for _ in 0..500 {
            test.broker.set_access(rules([]));
            test.broker.set_access(rules([rule("nobody")]));
            assert_eq!(test.broker.stats().clients, 0);
        }
        stop.store(true, Relaxed);
    });
}
