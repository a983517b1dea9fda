//! Each operation, admitted and denied.
use elbus_proto::{Code, Qos, delivery::Kind};

use crate::{
    common::{everything, expect_denied, restrain, rule, rules},
    link::{Ask, on_every_link, on_every_pair},
};

#[test]
fn a_client_may_send_to_those_whom_its_rule_names_and_to_nobody_else() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").send(["other.panel", "other.?.display"]));
        let mut client = bus.near("me");
        let mut panel = bus.far("other.panel");
        let mut display = bus.far("other.hall.display");
        let mut pump = bus.far("other.pump");
        client.must(Ask::Message("other.panel", b"x"));
        client.must(Ask::Message("other.hall.display", b"y"));
        expect_denied(&mut *client, Ask::Message("other.pump", b"z"));
        expect_denied(&mut *client, Ask::Message("other.panel.1", b"z"));
        panel.expect(Kind::Message, "me", b"x");
        display.expect(Kind::Message, "me", b"y");
        pump.expect_nothing();
    });
}

#[test]
fn who_may_not_send_to_a_name_is_not_told_whether_it_is_there() {
    on_every_link(|bus| {
        restrain(bus, rule("me").send(["other.panel"]));
        let mut client = bus.near("me");
        let _pump = bus.far("other.pump");
        expect_denied(&mut *client, Ask::Message("other.pump", b"x"));
        expect_denied(&mut *client, Ask::Message("other.valve", b"x"));
        let answer = client.ask(Ask::Message("other.panel", b"x"));
        assert_eq!(answer, Err(Code::NotRegistered));
    });
}

#[test]
fn who_may_send_to_a_client_may_send_to_its_secondaries() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").send(["other.panel"]));
        let mut client = bus.near("me");
        let _primary = bus.far("other.panel");
        let mut secondary = bus.far("other.panel%%a.b");
        client.must(Ask::Message("other.panel%%a.b", b"x"));
        secondary.expect(Kind::Message, "me", b"x");
    });
}

#[test]
fn a_client_may_publish_to_the_topics_of_its_rule_and_to_no_others() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").publish(["plant/#", "+/status"]));
        let mut client = bus.near("me");
        let mut reader = bus.far("other.reader");
        reader.subscribe("#");
        for topic in ["plant/pump", "plant/pump/rpm", "office/status"] {
            client.must(Ask::Publish(topic, b"x"));
            reader.expect_publication("me", topic, b"x");
            client.must(Ask::PublishFor(topic, "other.reader", b"y"));
            reader.expect_publication("me", topic, b"y");
        }
        for topic in ["plant", "office/hall/status", "office/light"] {
            expect_denied(&mut *client, Ask::Publish(topic, b"x"));
            expect_denied(&mut *client, Ask::PublishFor(topic, "other.reader", b"x"));
        }
        reader.expect_nothing();
    });
}

#[test]
fn nobody_publishes_as_the_broker_whatever_the_rules_say() {
    on_every_link(|bus| {
        restrain(bus, everything("me"));
        let mut client = bus.near("me");
        expect_denied(&mut *client, Ask::Publish(".broker/warn", b"x"));
        expect_denied(&mut *client, Ask::PublishFor(".broker/x", "me", b"x"));
    });
}

#[test]
fn a_client_may_subscribe_to_what_its_rule_covers_completely() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").subscribe(["plant/#", "+/status"]));
        let mut client = bus.near("me");
        let mut writer = bus.far("other.writer");
        for filter in [
            "plant/#",
            "plant/+/rpm",
            "plant/pump",
            "+/status",
            "office/status",
        ] {
            client.must(Ask::Subscribe(&[filter]));
            client.must(Ask::Unsubscribe(&[filter]));
        }
        for filter in ["#", "+", "+/+", "+/#", "plant", "#", "+/status/#", ".broker/info"] {
            expect_denied(&mut *client, Ask::Subscribe(&[filter]));
        }
        writer.must(Ask::Publish("plant/pump", b"x"));
        writer.must(Ask::Publish("office/light", b"x"));
        client.expect_nothing();
        client.subscribe("plant/#");
        writer.must(Ask::Publish("plant/pump", b"x"));
        client.expect_publication("other.writer", "plant/pump", b"x");
    });
}

#[test]
fn of_several_filters_those_that_are_admitted_take_effect() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").subscribe(["a", "c"]));
        let mut client = bus.near("me");
        let mut writer = bus.far("other.writer");
        assert_eq!(client.ask(Ask::Subscribe(&["a", "b", "c"])), Err(Code::Access));
        for topic in ["a", "b", "c"] {
            writer.must(Ask::Publish(topic, b"x"));
        }
        client.expect_publication("other.writer", "a", b"x");
        client.expect_publication("other.writer", "c", b"x");
        client.expect_nothing();
    });
}

#[test]
fn announcements_of_clients_need_a_right_and_warnings_of_the_broker_none() {
    on_every_link(|bus| {
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        expect_denied(&mut *client, Ask::Subscribe(&[".broker/info"]));
        client.must(Ask::Subscribe(&[".broker/warn"]));
        restrain(bus, rule("me").subscribe([".broker/info"]));
        client.must(Ask::Subscribe(&[".broker/info"]));
        let _other = bus.near("other.client");
        assert_eq!(client.frame().topic, ".broker/info");
    });
}

#[test]
fn to_receive_less_needs_no_right() {
    on_every_link(|bus| {
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        client.must(Ask::Exclude(&["#"]));
        client.must(Ask::Unexclude(&["#"]));
        client.must(Ask::Unsubscribe(&["#"]));
    });
}

#[test]
fn a_client_may_broadcast_to_masks_that_its_rule_covers_completely() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").broadcast(["?.pub", "other.*"]));
        let mut client = bus.near("me");
        let mut other = bus.far("other.pub");
        for mask in ["?.pub", "other.?", "other.*", "other.pub"] {
            client.must(Ask::Broadcast(mask, mask.as_bytes()));
            other.expect(Kind::Broadcast, "me", mask.as_bytes());
        }
        for mask in ["*", "?.?", "?.*", "other", "?"] {
            expect_denied(&mut *client, Ask::Broadcast(mask, b"x"));
        }
        other.expect_nothing();
    });
}

#[test]
fn a_right_to_one_operation_is_none_to_another() {
    on_every_link(|bus| {
        let asks = [
            Ask::Message("other.a", b"x"),
            Ask::Broadcast("other.*", b"x"),
            Ask::Publish("t", b"x"),
            Ask::Subscribe(&["t"]),
        ];
        let one_each = [
            rule("me").send(["*"]),
            rule("me").broadcast(["*"]),
            rule("me").publish(["#"]),
            rule("me").subscribe(["#"]),
        ];
        let _other = bus.far("other.a");
        let mut client = bus.near("me");
        for (given, rule) in one_each.into_iter().enumerate() {
            restrain(bus, rule);
            for (asked, ask) in asks.into_iter().enumerate() {
                let expected = if asked == given { Ok(()) } else { Err(Code::Access) };
                assert_eq!(client.ask(ask), expected, "{ask:?}");
            }
            client.must(Ask::Unsubscribe(&["t"]));
        }
    });
}

#[test]
fn the_rights_of_all_rules_that_name_a_client_add_up() {
    on_every_link(|bus| {
        bus.test.broker.set_access(rules([
            rule("plant.*").publish(["plant/#"]),
            rule("?.pump").publish(["pumps/#"]),
            rule("office.*").publish(["office/#"]),
        ]));
        let mut client = bus.near("plant.pump");
        client.must(Ask::Publish("plant/1", b"x"));
        client.must(Ask::Publish("pumps/1", b"x"));
        expect_denied(&mut *client, Ask::Publish("office/1", b"x"));
    });
}

#[test]
fn one_right_has_to_cover_what_is_asked_alone() {
    on_every_link(|bus| {
        restrain(
            bus,
            rule("me").subscribe(["a/+", "a/+/#"]).broadcast(["a.?", "a.?.*"]),
        );
        let mut client = bus.near("me");
        // Together they would.
        expect_denied(&mut *client, Ask::Subscribe(&["a/#"]));
        expect_denied(&mut *client, Ask::Broadcast("a.*", b"x"));
    });
}

#[test]
fn what_is_malformed_is_refused_as_such_and_not_for_lack_of_a_right() {
    on_every_link(|bus| {
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        for ask in [
            Ask::Message("a*", b"x"),
            Ask::Broadcast("*.a", b"x"),
            Ask::Publish("a/+", b"x"),
            Ask::Subscribe(&["#/a"]),
        ] {
            assert_eq!(client.ask(ask), Err(Code::Data), "{ask:?}");
        }
    });
}

#[test]
fn what_is_denied_without_an_acknowledgement_is_counted_and_the_client_goes_on() {
    on_every_pair(|bus| {
        restrain(bus, rule("me").send(["other.a"]));
        let mut client = bus.near("me");
        let mut other = bus.far("other.a");
        let mut forbidden = bus.far("other.b");
        forbidden.subscribe("#");
        for ask in [
            Ask::Message("other.b", b"x"),
            Ask::Broadcast("other.*", b"x"),
            Ask::Publish("t", b"x"),
        ] {
            assert_eq!(client.ask_with(ask, Qos::No), Ok(()));
        }
        client.must(Ask::Message("other.a", b"y"));
        other.expect(Kind::Message, "me", b"y");
        other.expect_nothing();
        forbidden.expect_nothing();
        let stats = bus.test.broker.stats();
        assert_eq!((stats.denied, stats.ignored), (3, 3));
    });
}

#[test]
fn what_was_admitted_once_is_remembered_and_what_was_denied_is_denied_again() {
    on_every_pair(|bus| {
        restrain(
            bus,
            rule("me").send(["other.a"]).publish(["t"]).broadcast(["other.?"]),
        );
        let mut client = bus.near("me");
        let mut other = bus.far("other.a");
        other.subscribe("#");
        for _ in 0..3 {
            client.must(Ask::Message("other.a", b"1"));
            client.must(Ask::Publish("t", b"2"));
            client.must(Ask::Broadcast("other.?", b"3"));
            expect_denied(&mut *client, Ask::Message("other.b", b"1"));
            expect_denied(&mut *client, Ask::Publish("u", b"2"));
            expect_denied(&mut *client, Ask::Broadcast("*", b"3"));
            other.expect(Kind::Message, "me", b"1");
            other.expect_publication("me", "t", b"2");
            other.expect(Kind::Broadcast, "me", b"3");
        }
        other.expect_nothing();
        assert_eq!(bus.test.broker.stats().denied, 9);
    });
}
