//! Senders remember receivers; what changes takes effect all the same.
use elbus_proto::{Code, Op};
use elbus_testkit::{Got, Raw, TestBroker, Transport};

use super::common::addressed;

/// Publishes, and expects that `subscriber` gets it or gets nothing.
fn publishes(publisher: &mut Raw, subscriber: &mut Raw, topic: &str, arrives: bool) {
    assert_eq!(publisher.ask(1, Op::Publish, &addressed(topic, b"x")), Ok(()));
    if arrives {
        let got = subscriber.got();
        assert!(
            matches!(&got, Got::Frame { topic: its, .. } if its == topic),
            "{got:?}"
        );
    } else {
        subscriber.expect_nothing();
    }
}

#[test]
fn subscriptions_and_exclusions_take_effect_for_the_very_next_publication() {
    let bus = TestBroker::start();
    let mut publisher = bus.client(Transport::Unix, "publisher");
    let mut subscriber = bus.client(Transport::Tcp, "subscriber");
    for filter in ["a/b", "a/+", "+/b", "#"] {
        for _ in 0..100 {
            publishes(&mut publisher, &mut subscriber, "a/b", false);
            for (op, arrives) in [
                (Op::Subscribe, true),
                (Op::Exclude, false),
                (Op::Unexclude, true),
                (Op::Unsubscribe, false),
            ] {
                assert_eq!(subscriber.ask(2, op, filter.as_bytes()), Ok(()));
                publishes(&mut publisher, &mut subscriber, "a/b", arrives);
            }
        }
    }
}

#[test]
fn changes_of_clients_in_the_process_take_effect_at_once_as_well() {
    let bus = TestBroker::start();
    let mut publisher = bus.client(Transport::Unix, "publisher");
    let (client, mut inbox) = bus.broker.client("inside").unwrap();
    for n in 0..200_u32 {
        let payload = n.to_le_bytes();
        bus.block_on(async { client.subscribe(&["a/#"]).await.unwrap() });
        assert_eq!(publisher.ask(n, Op::Publish, &addressed("a/b", &payload)), Ok(()));
        let frame = bus.block_on(inbox.recv()).unwrap();
        assert_eq!(frame.payload()[..], payload);
        bus.block_on(async { client.unsubscribe(&["a/#"]).await.unwrap() });
        assert_eq!(
            publisher.ask(n, Op::Publish, &addressed("a/b", b"missed")),
            Ok(())
        );
        assert!(inbox.try_recv().is_none());
    }
}

#[test]
fn a_target_that_registers_again_gets_the_next_message_of_those_who_remember_it() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut sender = bus.client(transport, "sender");
        for n in 0..100_u32 {
            let mut target = bus.client(transport, "target");
            let body = addressed("target", &n.to_le_bytes());
            assert_eq!(sender.ask(n, Op::Message, &body), Ok(()));
            assert_eq!(target.message().1, n.to_le_bytes());
            assert!(bus.broker.disconnect("target"));
            if n % 2 == 0 {
                assert_eq!(sender.ask(n, Op::Message, &body), Err(Code::NotRegistered));
            }
        }
    }
}

#[test]
fn a_broadcast_reaches_who_has_come_and_not_who_has_left() {
    let bus = TestBroker::start();
    let mut sender = bus.client(Transport::Unix, "sender");
    let mut stays = bus.client(Transport::Unix, "g.stays");
    for n in 0..50_u32 {
        let mut comes = bus.client(Transport::Unix, "g.comes");
        assert_eq!(
            sender.ask(n, Op::Broadcast, &addressed("g.*", &n.to_le_bytes())),
            Ok(())
        );
        assert_eq!(comes.message().1, n.to_le_bytes());
        assert_eq!(stays.message().1, n.to_le_bytes());
        assert!(bus.broker.disconnect("g.comes"));
        assert_eq!(sender.ask(n, Op::Broadcast, &addressed("g.*", b"again")), Ok(()));
        assert_eq!(stays.message().1, b"again");
    }
}

#[test]
fn the_same_holds_when_a_sender_remembers_only_a_few() {
    let bus = TestBroker::with(|config| config.cached_routes = 2);
    let mut sender = bus.client(Transport::Unix, "sender");
    let mut targets: Vec<_> = (0..5)
        .map(|n| bus.client(Transport::Unix, &format!("t.{n}")))
        .collect();
    for round in 0..20_u8 {
        for (n, target) in targets.iter_mut().enumerate() {
            let name = format!("t.{n}");
            assert_eq!(sender.ask(1, Op::Message, &addressed(&name, &[round])), Ok(()));
            assert_eq!(target.message().1, [round]);
            assert_eq!(sender.ask(1, Op::Broadcast, &addressed(&name, &[round])), Ok(()));
            assert_eq!(target.message().1, [round]);
        }
    }
}
