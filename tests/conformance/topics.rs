//! Publish and subscribe: wildcards, exclusions, publications for one receiver.
use elbus_proto::{Code, delivery::Kind};

use crate::link::{Ask, Bus, Link, on_every_link, on_every_pair};

#[test]
fn a_publication_reaches_its_subscribers_and_nobody_else() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        let mut other = bus.far("o");
        subscriber.subscribe("a/b");
        other.subscribe("a/c");
        publisher.must(Ask::Publish("a/b", b"x"));
        subscriber.expect_publication("p", "a/b", b"x");
        for client in [&mut subscriber, &mut other, &mut publisher] {
            client.expect_nothing();
        }
    });
}

#[test]
fn a_publication_that_nobody_receives_is_acknowledged() {
    on_every_link(|bus| {
        let mut publisher = bus.near("p");
        publisher.must(Ask::Publish("a/b", b"x"));
        publisher.must(Ask::PublishFor("a/b", "nobody", b"x"));
    });
}

#[test]
fn wildcards_match_whole_levels() {
    /// Filter, topics it matches, topics it does not match.
    const CASES: [(&str, &[&str], &[&str]); 12] = [
        ("a/b", &["a/b"], &["a", "a/b/c", "a/B", "a/b/", "/a/b"]),
        ("a/+", &["a/b", "a/"], &["a", "a/b/c", "b/a"]),
        ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/c/d"]),
        ("+", &["a", "b"], &["a/b", "/"]),
        ("+/+", &["a/b", "/", "/b"], &["a", "a/b/c"]),
        ("a/#", &["a/b", "a/b/c", "a/"], &["a", "b/a", "ab/c"]),
        ("#", &["a", "a/b/c", "/", "a/"], &[]),
        ("+/#", &["a/b", "a/b/c", "/x"], &["a"]),
        ("+/b/#", &["a/b/c", "/b/c/d"], &["a/b", "a/c/b"]),
        ("a+/b", &["a+/b"], &["ax/b", "a/b"]),
        ("/a", &["/a"], &["a"]),
        ("größe/+", &["größe/1"], &["grösse/1"]),
    ];
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        for (filter, matched, others) in CASES {
            subscriber.subscribe(filter);
            for topic in matched {
                publisher.must(Ask::Publish(topic, filter.as_bytes()));
                subscriber.expect_publication("p", topic, filter.as_bytes());
            }
            for topic in others {
                publisher.must(Ask::Publish(topic, b"x"));
                assert_eq!(subscriber.arrived(), None, "{filter} does not match {topic}");
            }
            subscriber.must(Ask::Unsubscribe(&[filter]));
            for topic in matched {
                publisher.must(Ask::Publish(topic, b"x"));
            }
            subscriber.expect_nothing();
        }
    });
}

#[test]
fn a_client_that_matches_several_of_its_subscriptions_gets_one_copy() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        let filters = ["a/b", "a/+", "a/#", "#", "+/b", "+/+", "a/b"];
        subscriber.must(Ask::Subscribe(&filters));
        publisher.must(Ask::Publish("a/b", b"x"));
        subscriber.expect_publication("p", "a/b", b"x");
        subscriber.expect_nothing();
    });
}

#[test]
fn a_publisher_that_is_subscribed_gets_its_own_publication() {
    on_every_link(|bus| {
        let mut client = bus.near("c");
        client.subscribe("a/#");
        client.must(Ask::Publish("a/b", b"mine"));
        client.expect_publication("c", "a/b", b"mine");
        client.expect_nothing();
    });
}

#[test]
fn a_change_of_subscriptions_takes_effect_with_its_answer() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        for filter in ["a/b", "a/#", "+/b", "#"] {
            publisher.must(Ask::Publish("a/b", b"before"));
            subscriber.subscribe(filter);
            publisher.must(Ask::Publish("a/b", b"during"));
            subscriber.must(Ask::Unsubscribe(&[filter]));
            publisher.must(Ask::Publish("a/b", b"after"));
            subscriber.expect_publication("p", "a/b", b"during");
            subscriber.expect_nothing();
        }
    });
}

#[test]
fn a_subscription_made_twice_is_taken_back_at_once_and_others_stay() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        subscriber.must(Ask::Subscribe(&["a/b", "a/b", "a/c"]));
        subscriber.subscribe("a/b");
        subscriber.must(Ask::Unsubscribe(&["a/b", "never/subscribed"]));
        publisher.must(Ask::Publish("a/b", b"x"));
        publisher.must(Ask::Publish("a/c", b"y"));
        subscriber.expect_publication("p", "a/c", b"y");
        subscriber.expect_nothing();
        assert_eq!(bus.test.broker.stats().subscriptions, 1);
    });
}

#[test]
fn the_subscriptions_of_a_client_that_left_are_not_its_successors() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        subscriber.must(Ask::Subscribe(&["a/#", "b"]));
        subscriber.must(Ask::Exclude(&["a/x"]));
        publisher.must(Ask::Publish("a/b", b"1"));
        subscriber.leave();
        let mut successor = bus.far("s");
        publisher.must(Ask::Publish("a/b", b"2"));
        successor.expect_nothing();
        successor.subscribe("a/#");
        publisher.must(Ask::Publish("a/x", b"3"));
        successor.expect_publication("p", "a/x", b"3");
    });
}

#[test]
fn excluded_publications_are_not_delivered_to_who_excludes_them() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        let mut other = bus.far("o");
        subscriber.subscribe("a/#");
        other.subscribe("a/#");
        publisher.must(Ask::Publish("a/noise/1", b"heard"));
        subscriber.must(Ask::Exclude(&["a/noise/#", "+/quiet"]));
        publisher.must(Ask::Publish("a/noise/1", b"1"));
        publisher.must(Ask::Publish("a/quiet", b"2"));
        publisher.must(Ask::Publish("a/signal", b"3"));
        subscriber.must(Ask::Unexclude(&["a/noise/#"]));
        publisher.must(Ask::Publish("a/noise/1", b"4"));
        publisher.must(Ask::Publish("a/quiet", b"5"));
        subscriber.expect_publication("p", "a/noise/1", b"heard");
        subscriber.expect_publication("p", "a/signal", b"3");
        subscriber.expect_publication("p", "a/noise/1", b"4");
        subscriber.expect_nothing();
        for payload in [b"heard".as_slice(), b"1", b"2", b"3", b"4", b"5"] {
            assert_eq!(other.frame().payload, payload);
        }
    });
}

#[test]
fn an_exclusion_outlives_its_subscription_and_never_subscribes() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut client = bus.far("c");
        client.must(Ask::Exclude(&["a/b"]));
        publisher.must(Ask::Publish("a/b", b"1"));
        client.subscribe("a/b");
        publisher.must(Ask::Publish("a/b", b"2"));
        client.must(Ask::Unsubscribe(&["a/b"]));
        client.must(Ask::Unexclude(&["a/b"]));
        publisher.must(Ask::Publish("a/b", b"3"));
        client.expect_nothing();
    });
}

#[test]
fn a_publication_for_one_receiver_reaches_only_its_clients_that_are_subscribed() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut receiver = bus.far("r");
        let mut secondary = bus.far("r%%1");
        let mut deaf = bus.far("r%%2");
        let mut other = bus.far("o");
        for client in [&mut receiver, &mut secondary, &mut other] {
            client.subscribe("a/+");
        }
        publisher.must(Ask::PublishFor("a/b", "r", b"for r"));
        publisher.must(Ask::PublishFor("a/b", "nobody", b"for nobody"));
        publisher.must(Ask::PublishFor("a/b", "r%%1", b"not a primary's name"));
        receiver.expect_publication("p", "a/b", b"for r");
        secondary.expect_publication("p", "a/b", b"for r");
        for client in [&mut receiver, &mut secondary, &mut deaf, &mut other] {
            client.expect_nothing();
        }
    });
}

#[test]
fn publishing_under_the_brokers_topics_is_denied_to_everyone() {
    on_every_pair(|bus| {
        let mut publisher = bus.near("p");
        let mut subscriber = bus.far("s");
        subscriber.subscribe("#");
        for topic in [
            ".broker/warn",
            ".broker/info",
            ".broker",
            ".broker/",
            ".broker/a/b",
        ] {
            assert_eq!(
                publisher.ask(Ask::Publish(topic, b"x")),
                Err(Code::Access),
                "{topic}"
            );
            let for_one = Ask::PublishFor(topic, "s", b"x");
            assert_eq!(publisher.ask(for_one), Err(Code::Access), "{topic}");
        }
        subscriber.expect_nothing();
        publisher.must(Ask::Publish(".brokers/info", b"another topic"));
        subscriber.expect_publication("p", ".brokers/info", b"another topic");
    });
}

#[test]
fn of_several_filters_the_valid_ones_take_effect_and_the_first_error_is_the_answer() {
    on_every_pair(|bus| {
        if bus.far.checks_first() {
            return;
        }
        let mut publisher = bus.near("p");
        let mut client = bus.far("c");
        let filters = ["a/#/b", "a/b", "a#", "a/c", "#/a"];
        assert_eq!(client.ask(Ask::Subscribe(&filters)), Err(Code::Data));
        assert_eq!(client.ask(Ask::Exclude(&["x/#/y", "a/c"])), Err(Code::Data));
        publisher.must(Ask::Publish("a/b", b"1"));
        publisher.must(Ask::Publish("a/c", b"2"));
        assert_eq!(client.frame().payload, b"1");
        assert_eq!(client.ask(Ask::Unexclude(&["x/#/y", "a/c"])), Err(Code::Data));
        assert_eq!(client.ask(Ask::Unsubscribe(&["x/#/y", "a/b"])), Err(Code::Data));
        publisher.must(Ask::Publish("a/b", b"3"));
        publisher.must(Ask::Publish("a/c", b"4"));
        assert_eq!(client.frame().payload, b"4");
        client.expect_nothing();
    });
}

#[test]
fn changing_no_filter_at_all_is_granted_and_changes_nothing() {
    on_every_link(|bus| {
        let mut client = bus.near("c");
        client.subscribe("a");
        for ask in [
            Ask::Subscribe(&[]),
            Ask::Unsubscribe(&[]),
            Ask::Exclude(&[]),
            Ask::Unexclude(&[]),
        ] {
            client.must(ask);
        }
        client.must(Ask::Publish("a", b"x"));
        assert_eq!(client.frame().kind, Kind::Publication);
        let stats = bus.test.broker.stats();
        assert_eq!((stats.subscriptions, stats.exclusions), (1, 0));
    });
}

#[test]
fn publishing_to_a_wildcard_or_a_malformed_topic_is_answered_data() {
    on_every_link(|bus| {
        let mut client = bus.near("c");
        client.subscribe("#");
        for topic in ["+", "#", "a/+", "a/#", "a/+/b", "#/a", "", "a\nb", "a\u{7f}"] {
            assert_eq!(
                client.ask(Ask::Publish(topic, b"x")),
                Err(Code::Data),
                "{topic:?}"
            );
        }
        client.expect_nothing();
        client.must(Ask::Publish("a+/b#", b"no whole levels"));
        client.expect_publication("c", "a+/b#", b"no whole levels");
    });
}

/// Publications for one receiver are remembered by topic, NUL and receiver: no topic may look like that.
#[test]
fn a_topic_with_a_nul_is_malformed_also_when_its_bytes_are_remembered() {
    let bus = Bus::new(Link::Process, Link::Process, |_| {});
    let mut client = bus.near("c");
    client.subscribe("a/b");
    client.must(Ask::PublishFor("a/b", "c", b"1"));
    assert_eq!(client.ask(Ask::Publish("a/b\0c", b"2")), Err(Code::Data));
    client.expect_publication("c", "a/b", b"1");
    client.expect_nothing();
}
