//! What is acknowledged, when, and how often.
use std::time::Duration;

use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, Raw, TestBroker, Transport, frame};

use crate::{
    link::{Ask, Bus, Link, on_every_link},
    messages::ALL_QOS,
};

fn on_both_sockets(case: impl Fn(&TestBroker, Transport)) {
    for transport in Transport::ALL {
        println!("over {transport:?}");
        case(&TestBroker::start(), transport);
    }
}

/// Reads acknowledgements up to that of `last`, past other frames.
fn acknowledgements(raw: &mut Raw, last: u32) -> Vec<(u32, Result<(), Code>)> {
    let mut read = Vec::new();
    while read.last().is_none_or(|&(id, _)| id != last) {
        if let Got::Ack(id, result) = raw.got() {
            read.push((id, result));
        }
    }
    read
}

#[test]
fn acknowledgements_come_once_each_and_in_the_order_of_the_operations() {
    on_both_sockets(|test, transport| {
        let _other = test.client(transport, "other");
        let mut raw = test.client(transport, "client");
        let operations: [(Op, &[u8], Result<(), Code>); 14] = [
            (Op::Nop, b"", Ok(())),
            (Op::Message, b"other\0x", Ok(())),
            (Op::Message, b"nobody\0x", Err(Code::NotRegistered)),
            (Op::Subscribe, b"a\0b/#", Ok(())),
            (Op::Subscribe, b"b/#/c", Err(Code::Data)),
            (Op::Subscribe, b"", Ok(())),
            (Op::Publish, b"a\0x", Ok(())),
            (Op::Publish, b".broker/warn\0x", Err(Code::Access)),
            (Op::PublishFor, b"a\0client\0x", Ok(())),
            (Op::Broadcast, b"nobody.*\0x", Ok(())),
            (Op::Broadcast, b"*.x\0x", Err(Code::Data)),
            (Op::Exclude, b"a", Ok(())),
            (Op::Unexclude, b"a", Ok(())),
            (Op::Unsubscribe, b"a\0never", Ok(())),
        ];
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for id in 0..400_u32 {
            let (op, body, result) = operations[id as usize % operations.len()];
            let qos = ALL_QOS[id as usize / 5 % 4];
            stream.extend(frame(id, op, qos, body));
            if qos.is_acknowledged() {
                expected.push((id, result));
            }
        }
        stream.extend(frame(1000, Op::Nop, Qos::Processed, b""));
        expected.push((1000, Ok(())));
        raw.write(&stream);
        assert_eq!(acknowledgements(&mut raw, 1000), expected);
        raw.expect_nothing();
    });
}

#[test]
fn an_acknowledgement_echoes_whatever_id_the_client_chose() {
    on_both_sockets(|test, transport| {
        let mut raw = test.client(transport, "client");
        for id in [0, 7, 7, 0xFE, 0xFEFE_FEFE, u32::MAX, 1] {
            assert_eq!(raw.ask(id, Op::Nop, b""), Ok(()));
        }
    });
}

#[test]
fn an_acknowledged_message_has_been_placed_with_its_target() {
    on_both_sockets(|test, transport| {
        let mut sender = test.client(transport, "sender");
        let mut target = test.client(transport, "target");
        for n in 0..50_u8 {
            assert_eq!(
                sender.ask(1, Op::Message, &[b"target\0", &[n][..]].concat()),
                Ok(())
            );
            // Asked only now, so what comes in front of the answer was placed before.
            target.send(2, Op::Nop, Qos::Processed, b"");
            assert_eq!(target.message().1, [n]);
            assert_eq!(target.got(), Got::Ack(2, Ok(())));
        }
    });
}

#[test]
fn a_partly_refused_subscribe_is_acknowledged_once() {
    on_both_sockets(|test, transport| {
        let mut raw = test.client(transport, "client");
        let refused = b"a/#/b\0ok/1\0b#\0ok/2\0#/c";
        assert_eq!(raw.ask(1, Op::Subscribe, refused), Err(Code::Data));
        raw.expect_nothing();
        assert_eq!(raw.ask(2, Op::Exclude, refused), Err(Code::Data));
        raw.expect_nothing();
        let stats = test.broker.stats();
        assert_eq!((stats.subscriptions, stats.exclusions), (2, 2));
    });
}

#[test]
fn a_ping_is_not_answered_whatever_its_other_bits() {
    on_both_sockets(|test, transport| {
        let mut raw = test.client(transport, "client");
        let pings = [
            [0; 9],
            [0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF],
            [0, 0, 0, 0, 0, 1, 0, 0, 0],
            [1, 2, 3, 4, 0, 0, 0, 0, 0x80],
        ];
        for ping in pings {
            raw.write(&ping);
            raw.expect_nothing();
        }
        raw.write(&pings.concat());
        raw.expect_nothing();
    });
}

#[test]
fn a_ping_that_asks_for_an_acknowledgement_gets_one() {
    on_both_sockets(|test, transport| {
        let mut raw = test.client(transport, "client");
        for (id, qos) in (0..).zip(ALL_QOS) {
            raw.send(id, Op::Nop, qos, b"");
            if qos.is_acknowledged() {
                assert_eq!(raw.got(), Got::Ack(id, Ok(())));
            }
            raw.expect_nothing();
        }
    });
}

#[test]
fn bad_utf8_is_acknowledged_and_keeps_the_connection() {
    on_both_sockets(|test, transport| {
        let mut raw = test.client(transport, "client");
        let operations: [(Op, &[u8]); 8] = [
            (Op::Message, b"\xFF\0x"),
            (Op::Broadcast, b"\xC3\x28.*\0x"),
            (Op::Publish, b"a/\xFF\0x"),
            (Op::PublishFor, b"a\0\xFF\0x"),
            (Op::Subscribe, b"a/\xFF"),
            (Op::Unsubscribe, b"a/\xFF"),
            (Op::Exclude, b"\xED\xA0\x80"),
            (Op::Unexclude, b"\xFF"),
        ];
        for (op, body) in operations {
            assert_eq!(raw.ask(1, op, body), Err(Code::Data), "{op:?}");
            raw.expect_nothing();
        }
    });
}

#[test]
fn what_cannot_be_carried_out_and_is_not_acknowledged_is_ignored_and_counted() {
    on_every_link(|bus| {
        if bus.near.checks_first() {
            return;
        }
        let mut client = bus.near("client");
        let asks = [
            Ask::Message("nobody", b"x"),
            Ask::Message("a*", b"x"),
            Ask::Broadcast("*.a", b"x"),
            Ask::Publish("a/#", b"x"),
            Ask::Publish(".broker/warn", b"x"),
            Ask::PublishFor("a", "?", b"x"),
            Ask::Subscribe(&["#/a"]),
            Ask::Unsubscribe(&["#/a"]),
            Ask::Exclude(&["#/a"]),
            Ask::Unexclude(&["#/a"]),
        ];
        for (n, ask) in (1..).zip(asks) {
            assert_eq!(client.ask_with(ask, Qos::No), Ok(()), "{ask:?}");
            client.expect_nothing();
            assert_eq!(bus.test.broker.stats().ignored, n, "{ask:?}");
        }
    });
}

#[test]
fn a_message_to_a_client_in_the_process_that_does_not_read_is_answered_not_delivered() {
    for near in Link::ALL {
        let bus = Bus::new(near, Link::Process, |config| {
            config.queue_size = 2;
            config.stall_timeout = Duration::from_millis(20);
        });
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        sender.must(Ask::Message("target", b"1"));
        sender.must(Ask::Message("target", b"2"));
        for _ in 0..3 {
            assert_eq!(sender.ask(Ask::Message("target", b"x")), Err(Code::NotDelivered));
        }
        assert_eq!(bus.test.broker.stats().shed, 3);
        assert_eq!(target.frame().payload, b"1");
        sender.must(Ask::Message("target", b"3"));
        assert_eq!(target.frame().payload, b"2");
        assert_eq!(target.frame().payload, b"3");
        target.expect_nothing();
    }
}

#[test]
fn a_slow_subscriber_in_the_process_does_not_disconnect_the_publisher() {
    for near in Link::ALL {
        let bus = Bus::new(near, Link::Process, |config| {
            config.queue_size = 2;
            config.stall_timeout = Duration::from_millis(20);
        });
        let mut publisher = bus.near("publisher");
        let mut slow = bus.far("slow");
        slow.subscribe("t");
        for n in 0..10 {
            publisher.must(Ask::Publish("t", &[n]));
            publisher.must(Ask::Broadcast("slow", &[n]));
        }
        assert_eq!(bus.test.broker.stats().shed, 18);
        assert_eq!(slow.frame().payload, [0]);
        publisher.must(Ask::Publish("t", b"reads again"));
        assert_eq!(slow.frame().payload, [0]);
        assert_eq!(slow.frame().payload, b"reads again");
    }
}

#[test]
fn a_message_that_waits_for_a_client_which_then_leaves_is_answered_not_registered() {
    for near in Link::ALL {
        let bus = Bus::new(near, Link::Process, |config| {
            config.queue_size = 1;
            config.stall_timeout = Duration::from_secs(3600);
        });
        for _ in 0..10 {
            let target = bus.far("target");
            let mut sender = bus.near("sender");
            sender.must(Ask::Message("target", b"fills the queue"));
            // Whether it waits or comes too late, there is nobody to give it to.
            let answer = std::thread::scope(|scope| {
                scope.spawn(|| target.leave());
                sender.ask(Ask::Message("target", b"x"))
            });
            assert_eq!(answer, Err(Code::NotRegistered));
            sender.leave();
        }
    }
}
