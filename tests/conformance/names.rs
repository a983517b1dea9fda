//! Names: taken, reserved, malformed, and free again.
use elbus_proto::Code;

use crate::link::{Link, on_every_link, on_every_pair};

#[test]
fn a_taken_name_is_refused_whatever_link_has_it() {
    on_every_pair(|bus| {
        let mut first = bus.far("taken");
        assert_eq!(bus.try_over(bus.near, "taken").err(), Some(Code::Busy));
        first.expect_nothing();
        assert_eq!(bus.test.broker.stats().clients, 1);
    });
}

#[test]
fn a_name_is_free_at_once_after_its_client_left() {
    on_every_pair(|bus| {
        for _ in 0..5 {
            bus.far("a.b").leave();
            bus.near("a.b").leave();
        }
        assert_eq!(bus.test.broker.stats().clients, 0);
    });
}

#[test]
fn names_with_a_leading_dot_are_reserved() {
    on_every_link(|bus| {
        for name in [".", ".broker", ".broker.x", ".anything", "..", ".a%%b"] {
            assert_eq!(bus.try_over(bus.near, name).err(), Some(Code::Data), "{name:?}");
        }
    });
}

#[test]
fn a_name_with_a_forbidden_character_is_refused() {
    on_every_link(|bus| {
        let names = [
            "",
            "admin\0fake",
            "*",
            "?",
            "a.*",
            "a.?",
            "a*b",
            "a\u{1b}[31mb",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            "%%x",
            "a%%",
            "a%%b%%c",
        ];
        for name in names {
            assert_eq!(bus.try_over(bus.near, name).err(), Some(Code::Data), "{name:?}");
        }
        assert_eq!(bus.test.broker.stats().clients, 0);
    });
}

#[test]
fn unusual_but_harmless_names_are_accepted() {
    on_every_link(|bus| {
        for name in [
            "übung.größe",
            "a b",
            "名前",
            "a..b",
            "a.",
            "-",
            "a%b",
            "#",
            "+",
            "a/b",
            "A",
            "a",
        ] {
            let mut client = bus.near(name);
            client.must(crate::link::Ask::Message(name, b"x"));
            assert_eq!(client.frame().sender, name);
            client.leave();
        }
    });
}

/// A name is the only thing a receiver knows of a sender.
#[test]
fn nul_in_a_name_or_a_target_does_not_make_a_client_pass_for_another() {
    on_every_link(|bus| {
        let admin = bus.far("admin");
        assert_eq!(bus.try_over(bus.near, "admin\0fake").err(), Some(Code::Data));
        admin.leave();
    });
    // On a socket NUL ends the target; only a call in the process can hand one over.
    let bus = crate::link::Bus::new(Link::Process, Link::Process, |_| {});
    let mut admin = bus.far("admin");
    let mut sender = bus.near("s");
    let asked = sender.ask(crate::link::Ask::Message("admin\0fake", b"x"));
    assert_eq!(asked, Err(Code::Data));
    admin.expect_nothing();
}
