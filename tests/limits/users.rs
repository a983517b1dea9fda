//! What the clients of one UNIX user may use together, and what all may.
use std::time::Duration;

use elbus_broker::{Broker, Usage, Use};
use elbus_proto::{Code, Op, Qos, greeting::GREETING};
use elbus_testkit::{PATIENCE, Raw, TestBroker, Transport, frame};

fn subscribe(client: &mut Raw, filters: &str) -> Result<(), Code> {
    client.ask(1, Op::Subscribe, filters.as_bytes())
}

/// What this process's user uses.
fn own(broker: &Broker) -> Usage {
    let uid = rustix::process::geteuid().as_raw();
    let users = broker.users();
    users.into_iter().find(|(user, _)| *user == uid).unwrap().1
}

fn used(this: Use) -> (usize, usize) {
    (this.used, this.limit)
}

fn leave(mut client: Raw) {
    client.shutdown_write();
    client.expect_end();
}

#[test]
fn clients_of_one_user_are_granted_up_to_the_limit_and_others_beside_them() {
    let test = TestBroker::with(|config| (config.user_clients, config.force_register) = (2, true));
    let first = test.client(Transport::Unix, "first");
    let _second = test.client(Transport::Unix, "first%%1");
    let (mut third, answer) = Raw::try_register(test.address(Transport::Unix), b"third");
    assert_eq!(Code::result(answer), Err(Code::Busy));
    third.expect_end();
    assert_eq!(used(own(&test.broker).clients), (2, 2));
    let _from_network = test.client(Transport::Tcp, "network");
    let _inside = test.broker.client("inside").unwrap();

    // Whoever takes his own name over needs no more than he has.
    let again = test.client(Transport::Unix, "first");
    drop(first);
    assert_eq!(used(own(&test.broker).clients), (1, 2));
    leave(again);
    assert_eq!(used(own(&test.broker).clients), (0, 2));
    let _third = test.client(Transport::Unix, "third");
}

#[test]
fn greetings_of_one_user_are_granted_up_to_the_limit_and_others_beside_them() {
    let test = TestBroker::with(|config| (config.user_greetings, config.timeout) = (2, 2 * PATIENCE));
    let dangling = [(); 2].map(|()| {
        let mut raw = test.connect(Transport::Unix);
        assert_eq!(raw.read_exact(), GREETING);
        raw
    });
    let mut third = test.connect(Transport::Unix);
    let [a, b, c] = GREETING;
    assert_eq!(third.read_exact(), [a, b, c, Code::Busy.byte()]);
    assert_eq!(used(own(&test.broker).greetings), (2, 2));
    let _from_network = test.client(Transport::Tcp, "network");
    drop(dangling);
    test.eventually("the places are returned", |broker| {
        own(broker).greetings.used == 0
    });
    let _third = test.client(Transport::Unix, "third");
}

#[test]
fn filters_of_one_user_and_of_all_are_granted_up_to_their_limits_and_return() {
    let test = TestBroker::with(|config| (config.user_subscriptions, config.all_subscriptions) = (3, 5));
    let mut one = test.client(Transport::Unix, "one");
    let mut other = test.client(Transport::Unix, "other");
    assert_eq!(subscribe(&mut one, "a\0b"), Ok(()));
    assert_eq!(other.ask(1, Op::Exclude, b"x"), Ok(()));
    assert_eq!(subscribe(&mut other, "c"), Err(Code::Busy));
    // What is there already costs nothing more.
    assert_eq!(subscribe(&mut one, "a\0b"), Ok(()));

    let mut network = test.client(Transport::Tcp, "network");
    assert_eq!(subscribe(&mut network, "a\0b"), Ok(()));
    assert_eq!(subscribe(&mut network, "c"), Err(Code::Busy));
    assert_eq!(used(test.broker.stats().usage.subscriptions), (5, 5));

    assert_eq!(one.ask(1, Op::Unsubscribe, b"a"), Ok(()));
    assert_eq!(used(own(&test.broker).subscriptions), (2, 3));
    assert_eq!(subscribe(&mut network, "c"), Ok(()));
    for client in [one, other, network] {
        leave(client);
    }
    assert_eq!(used(own(&test.broker).subscriptions), (0, 3));
    assert_eq!(used(test.broker.stats().usage.subscriptions), (0, 5));
}

#[test]
fn receivers_that_do_not_read_hold_no_more_than_all_may_and_the_others_go_on() {
    const LIMIT: usize = 2 * 1024 * 1024;
    /// What nobody counts of each, and what the last append may add.
    const SLACK: usize = 128 * 1024 + 100 * 1024;
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| {
            config.all_queued = LIMIT;
            config.stall_timeout = 2 * PATIENCE;
        });
        let body = |target: &str| [target.as_bytes(), b"\0", &[7; 10_000]].concat();
        let dead: Vec<_> = (0..4)
            .map(|n| test.client(transport, &format!("dead.{n}")))
            .collect();
        let senders: Vec<_> = (0..4)
            .map(|n| {
                let sender = test.client(transport, &format!("sender.{n}"));
                let mut writer = sender.writer();
                let one = frame(0, Op::Message, Qos::No, &body(&format!("dead.{n}")));
                let thread = std::thread::spawn(move || while writer.try_write(&one).is_ok() {});
                (sender, thread)
            })
            .collect();
        test.eventually("every sender is held back", |broker| {
            let clients = broker.clients();
            let held = clients.iter().filter(|client| client.name.starts_with("sender"));
            held.filter(|client| client.held > 0).count() == 4
        });
        let queued: usize = test.broker.clients().iter().map(|client| client.queue).sum();
        assert!(queued <= LIMIT + 4 * SLACK, "{queued}");
        assert!(test.broker.stats().usage.queued.used <= LIMIT);

        let (mut one, mut other) = (test.client(transport, "one"), test.client(transport, "other"));
        for _ in 0..20 {
            one.send(0, Op::Message, Qos::No, &body("other"));
            assert_eq!(other.message().0, "one");
        }
        drop(dead);
        for (n, (sender, thread)) in senders.into_iter().enumerate() {
            assert!(test.broker.disconnect(&format!("sender.{n}")));
            drop(sender);
            thread.join().unwrap();
        }
        test.eventually("what was held is returned", |broker| {
            broker.stats().usage.queued.used == 0
        });
    }
}

#[test]
fn a_receiver_that_takes_nothing_is_dead_below_its_mark_too_when_all_is_used() {
    let test = TestBroker::with(|config| {
        config.user_queued = 512 * 1024;
        config.stall_timeout = Duration::from_millis(100);
    });
    let _dead = test.client(Transport::Unix, "dead");
    let mut sender = test.client(Transport::Unix, "sender");
    let body = [b"dead\0", &[7; 100_000][..]].concat();
    let verdict = (1..1_000).find_map(|id| sender.ask(id, Op::Message, &body).err());
    assert_eq!(verdict, Some(Code::NotDelivered));
    assert_eq!(test.broker.stats().stalled, 1);
    test.eventually("what was held is returned", |broker| own(broker).queued.used == 0);
}
