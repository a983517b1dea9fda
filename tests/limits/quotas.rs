//! How many clients, greetings, subscriptions and waiting frames there may be.
use std::time::Duration;

use elbus_broker::RegisterError;
use elbus_client::Error;
use elbus_proto::{Code, OK, Op, greeting::GREETING};
use elbus_testkit::{Raw, TestBroker, Transport};

fn subscribe(client: &mut Raw, filters: &str) -> Result<(), Code> {
    client.ask(1, Op::Subscribe, filters.as_bytes())
}

#[test]
fn subscriptions_and_exclusions_together_are_granted_up_to_the_limit() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.subscriptions = 4);
        let held = || {
            let stats = test.broker.stats();
            (stats.subscriptions, stats.exclusions)
        };
        let mut client = test.client(transport, "client");
        assert_eq!(subscribe(&mut client, "a\0b\0c"), Ok(()));
        assert_eq!(client.ask(1, Op::Exclude, b"x"), Ok(()));
        assert_eq!(subscribe(&mut client, "d"), Err(Code::Busy));
        assert_eq!(client.ask(1, Op::Exclude, b"y"), Err(Code::Busy));
        assert_eq!(held(), (3, 1));
        // What is there already costs nothing more.
        assert_eq!(subscribe(&mut client, "a\0b"), Ok(()));
        assert_eq!(client.ask(1, Op::Exclude, b"x"), Ok(()));
        // Everybody has a quota of his own.
        let mut other = test.client(transport, "other");
        assert_eq!(subscribe(&mut other, "a\0b\0c\0d"), Ok(()));
        assert_eq!(subscribe(&mut other, "e"), Err(Code::Busy));
        // What is taken back can be used again.
        assert_eq!(client.ask(1, Op::Unexclude, b"x"), Ok(()));
        assert_eq!(subscribe(&mut client, "d"), Ok(()));
        assert_eq!(subscribe(&mut client, "e"), Err(Code::Busy));
        assert_eq!(held(), (8, 0));
        for mut client in [client, other] {
            client.shutdown_write();
            client.expect_end();
        }
        assert_eq!(held(), (0, 0));
    }
}

#[test]
fn of_too_many_filters_in_one_frame_the_first_are_granted() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.subscriptions = 4);
        let mut client = test.client(transport, "client");
        assert_eq!(subscribe(&mut client, "a\0b\0c\0d\0e\0f\0g"), Err(Code::Busy));
        assert_eq!(test.broker.stats().subscriptions, 4);
        assert_eq!(client.ask(1, Op::Unsubscribe, b"a\0b\0c\0d"), Ok(()));
        assert_eq!(test.broker.stats().subscriptions, 0);
    }
}

#[test]
fn the_quota_of_subscriptions_holds_for_clients_in_the_process_too() {
    let test = TestBroker::with(|config| config.subscriptions = 2);
    let (client, _inbox) = test.broker.client("client").unwrap();
    let answer = test.block_on(async { client.subscribe(&["a", "b", "c"]).await });
    assert_eq!(answer, Err(Error::Refused(Code::Busy)));
    assert_eq!(test.broker.stats().subscriptions, 2);
    client.close();
    assert_eq!(test.broker.stats().subscriptions, 0);
}

#[test]
fn clients_are_granted_up_to_the_limit_whatever_their_link() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.clients = 3);
        let mut first = test.client(transport, "first");
        let _second = test.client(transport, "first%%1");
        let (third, _inbox) = test.broker.client("third").unwrap();
        let (mut fourth, answer) = Raw::try_register(test.address(transport), b"fourth");
        assert_eq!(Code::result(answer), Err(Code::Busy));
        fourth.expect_end();
        let refused = test.broker.client("fourth").map(|_| ()).unwrap_err();
        assert_eq!(refused, RegisterError::TooManyClients { limit: 3 });
        third.close();
        let mut fourth = test.client(transport, "fourth");
        fourth.expect_nothing();
        first.shutdown_write();
        first.expect_end();
        assert_eq!(test.broker.stats().clients, 1, "the secondary left as well");
        drop(fourth);
        test.eventually("everybody has left", |broker| broker.stats().clients == 0);
    }
}

#[test]
fn a_taken_name_is_no_question_of_quota_and_a_takeover_needs_none() {
    let test = TestBroker::with(|config| (config.clients, config.force_register) = (1, true));
    let mut old = test.client(Transport::Unix, "client");
    let mut new = test.client(Transport::Unix, "client");
    old.expect_end();
    new.expect_nothing();
    let (_, answer) = Raw::try_register(test.address(Transport::Unix), b"other");
    assert_eq!(Code::result(answer), Err(Code::Busy));
}

#[test]
fn greetings_in_progress_are_granted_up_to_the_limit() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.greetings = 2);
        // A client that has said its name greets no more.
        let mut registered = test.client(transport, "registered");
        let mut first = test.connect(transport);
        let mut second = test.connect(transport);
        assert_eq!(first.read_exact(), GREETING);
        assert_eq!(second.read_exact(), GREETING);
        for _ in 0..3 {
            let mut third = test.connect(transport);
            assert_eq!(third.read_exact(), GREETING);
            assert_eq!(third.read_exact(), [Code::Busy.byte()]);
            third.expect_end();
        }
        first.write(&[&GREETING[..], &[5, 0], b"first"].concat());
        assert_eq!(first.read_exact(), [OK, OK]);
        // Its place is free, and so is that of one that hangs up.
        let mut third = test.connect(transport);
        third.greet();
        second.shutdown_write();
        second.expect_end();
        let mut fourth = test.connect(transport);
        fourth.greet();
        third.say_name(b"third");
        assert_eq!(third.read_exact(), [OK]);
        registered.expect_nothing();
    }
}

#[test]
fn refused_greetings_return_their_place_although_the_refused_linger() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.greetings = 1);
        let mut lingering = Vec::new();
        for _ in 0..5 {
            let (raw, answer) = Raw::try_register(test.address(transport), b".reserved");
            assert_eq!(answer, Code::Data.byte());
            lingering.push(raw);
        }
        let _client = test.client(transport, "client");
    }
}

#[test]
fn frames_wait_for_a_client_in_the_process_up_to_the_size_of_its_queue() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| {
            config.queue_size = 5;
            config.stall_timeout = Duration::from_millis(20);
        });
        let (_target, mut inbox) = test.broker.client("target").unwrap();
        let mut sender = test.client(transport, "sender");
        let waiting = || test.broker.clients()[1].queue;
        for n in 1..=5_u8 {
            assert_eq!(
                sender.ask(1, Op::Message, &[b"target\0", &[n][..]].concat()),
                Ok(())
            );
            assert_eq!(waiting(), usize::from(n));
        }
        assert_eq!(sender.ask(1, Op::Message, b"target\0x"), Err(Code::NotDelivered));
        assert_eq!((waiting(), test.broker.stats().shed), (5, 1));
        for n in 1..=5_u8 {
            assert_eq!(test.block_on(inbox.recv()).unwrap().payload()[..], [n]);
        }
        assert_eq!(waiting(), 0);
        assert_eq!(sender.ask(1, Op::Message, b"target\0y"), Ok(()));
        assert_eq!(test.block_on(inbox.recv()).unwrap().payload()[..], *b"y");
    }
}

#[test]
fn a_send_from_the_process_waits_for_room_no_longer_than_the_time_out() {
    let test = TestBroker::with(|config| {
        config.queue_size = 1;
        config.stall_timeout = Duration::from_secs(3600);
        config.timeout = Duration::from_millis(20);
    });
    let (client, mut inbox) = test.broker.client("client").unwrap();
    test.block_on(async { client.send("client", "1").await }).unwrap();
    let answer = test.block_on(async { client.send("client", "2").await });
    assert_eq!(answer, Err(Error::Refused(Code::NotDelivered)));
    assert_eq!(test.block_on(inbox.recv()).unwrap().payload()[..], *b"1");
    test.block_on(async { client.send("client", "3").await }).unwrap();
    assert_eq!(test.block_on(inbox.recv()).unwrap().payload()[..], *b"3");
}
