//! One-to-one messages and broadcasts.
use elbus_proto::{Code, Qos, delivery::Kind};

use crate::link::{Ask, on_every_link, on_every_pair};

/// Every quality of service.
pub(crate) const ALL_QOS: [Qos; 4] = [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed];

#[test]
fn a_message_reaches_its_target_and_nobody_else() {
    on_every_pair(|bus| {
        let mut sender = bus.near("plant.sender");
        let mut target = bus.far("plant.target");
        let mut other = bus.far("plant.other");
        sender.must(Ask::Message("plant.target", b"hello"));
        target.expect(Kind::Message, "plant.sender", b"hello");
        target.expect_nothing();
        other.expect_nothing();
        sender.expect_nothing();
    });
}

#[test]
fn a_client_can_send_to_itself() {
    on_every_link(|bus| {
        let mut client = bus.near("a");
        client.must(Ask::Message("a", b"to myself"));
        client.expect(Kind::Message, "a", b"to myself");
        client.expect_nothing();
    });
}

#[test]
fn a_message_to_nobody_is_answered_not_registered() {
    on_every_link(|bus| {
        let mut sender = bus.near("a");
        assert_eq!(sender.ask(Ask::Message("b", b"x")), Err(Code::NotRegistered));
        assert_eq!(sender.ask(Ask::Message("a.b", b"x")), Err(Code::NotRegistered));
        sender.must(Ask::Message("a", b"still here"));
    });
}

#[test]
fn a_message_to_a_client_that_left_is_answered_not_registered() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        sender.must(Ask::Message("target", b"1"));
        target.expect(Kind::Message, "sender", b"1");
        target.leave();
        assert_eq!(sender.ask(Ask::Message("target", b"2")), Err(Code::NotRegistered));
    });
}

#[test]
fn a_target_that_left_and_came_back_is_reached_again() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let target = bus.far("target");
        sender.must(Ask::Message("target", b"to the first"));
        target.leave();
        let mut target = bus.far("target");
        sender.must(Ask::Message("target", b"to the second"));
        target.expect(Kind::Message, "sender", b"to the second");
        target.expect_nothing();
    });
}

#[test]
fn what_one_client_sends_another_arrives_in_order_across_all_qos_levels() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        target.subscribe("t");
        for n in 0..400_u32 {
            let payload = n.to_le_bytes();
            let ask = match n % 5 {
                0 => Ask::Broadcast("target", &payload),
                1 => Ask::Publish("t", &payload),
                _ => Ask::Message("target", &payload),
            };
            assert_eq!(sender.ask_with(ask, ALL_QOS[n as usize * 7 / 3 % 4]), Ok(()));
        }
        for n in 0..400_u32 {
            assert_eq!(target.frame().payload, n.to_le_bytes());
        }
    });
}

#[test]
fn the_receiver_sees_whether_a_frame_is_real_time() {
    on_every_pair(|bus| {
        let mut sender = bus.near("sender");
        let mut target = bus.far("target");
        target.subscribe("t");
        for qos in ALL_QOS {
            let asks = [
                Ask::Message("target", b"x"),
                Ask::Broadcast("target", b"x"),
                Ask::Publish("t", b"x"),
                Ask::PublishFor("t", "target", b"x"),
            ];
            for ask in asks {
                assert_eq!(sender.ask_with(ask, qos), Ok(()));
                assert_eq!(target.frame().realtime, qos.is_realtime(), "{ask:?} with {qos:?}");
            }
        }
    });
}

#[test]
fn a_broadcast_reaches_whom_its_mask_stands_for() {
    const NAMES: [&str; 7] = [
        "g1.test.client1",
        "g1.test.sub.client2",
        "g2.test.client3",
        "a",
        "a.b",
        "a.b.c",
        "x.test",
    ];
    const MASKS: [(&str, &[&str]); 10] = [
        (
            "?.test.*",
            &["g1.test.client1", "g1.test.sub.client2", "g2.test.client3"],
        ),
        ("g1.test.?", &["g1.test.client1"]),
        ("?.?.?", &["g1.test.client1", "g2.test.client3", "a.b.c"]),
        ("a.*", &["a.b", "a.b.c"]),
        ("a", &["a"]),
        ("?", &["a", "s"]),
        ("?.?", &["a.b", "x.test"]),
        (
            "*",
            &[
                "g1.test.client1",
                "g1.test.sub.client2",
                "g2.test.client3",
                "a",
                "a.b",
                "a.b.c",
                "x.test",
                "s",
            ],
        ),
        ("a.b.c.*", &[]),
        ("nobody.?", &[]),
    ];
    on_every_pair(|bus| {
        let mut sender = bus.near("s");
        let mut clients: Vec<_> = NAMES.iter().map(|name| (*name, bus.far(name))).collect();
        for (mask, reached) in MASKS {
            sender.must(Ask::Broadcast(mask, mask.as_bytes()));
            for (name, client) in &mut clients {
                if reached.contains(name) {
                    client.expect(Kind::Broadcast, "s", mask.as_bytes());
                }
                client.expect_nothing();
            }
            if reached.contains(&"s") {
                sender.expect(Kind::Broadcast, "s", mask.as_bytes());
            }
            sender.expect_nothing();
        }
    });
}

#[test]
fn a_broadcast_reaches_those_who_came_since_the_last_one_and_not_those_who_left() {
    on_every_pair(|bus| {
        let mut sender = bus.near("s");
        let first = bus.far("c.1");
        sender.must(Ask::Broadcast("c.*", b"1"));
        let mut second = bus.far("c.2");
        first.leave();
        sender.must(Ask::Broadcast("c.*", b"2"));
        second.expect(Kind::Broadcast, "s", b"2");
        second.expect_nothing();
    });
}

#[test]
fn malformed_targets_and_masks_are_answered_data() {
    on_every_link(|bus| {
        let mut sender = bus.near("s");
        for target in [
            "",
            "a*",
            "?",
            "*",
            "a.?",
            "line\nbreak",
            "%%",
            "a%%",
            "%%a",
            "a%%b%%c",
        ] {
            assert_eq!(
                sender.ask(Ask::Message(target, b"x")),
                Err(Code::Data),
                "{target:?}"
            );
        }
        for mask in ["", "*.a", "a.*.b", "a*", "*a", "a?", "?a.b", "line\nbreak", "**"] {
            assert_eq!(
                sender.ask(Ask::Broadcast(mask, b"x")),
                Err(Code::Data),
                "{mask:?}"
            );
        }
        sender.expect_nothing();
    });
}
