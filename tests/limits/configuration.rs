//! Settings that make no sense are refused, and the refusal names the field.
use std::time::Duration;

use elbus_broker::{Broker, Config, ConfigError, SlowConsumer, SlowConsumers};
use elbus_proto::{Code, Op};
use elbus_testkit::{Raw, TestBroker, Transport};

fn refused(change: impl FnOnce(&mut Config)) -> Option<ConfigError> {
    let mut config = Config::default();
    change(&mut config);
    Broker::new(config).err()
}

#[test]
fn a_setting_that_makes_no_sense_is_refused_by_its_name() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 22] = [
        ("high_water", |config| config.high_water = 0),
        ("stall_timeout", |config| config.stall_timeout = Duration::ZERO),
        ("stall_timeout", |config| config.stall_timeout = Duration::MAX),
        ("timeout", |config| config.timeout = Duration::ZERO),
        ("keep_alive", |config| config.keep_alive = Duration::from_secs(2)),
        ("keep_alive", |config| config.keep_alive = Duration::MAX),
        ("frame_limit", |config| config.frame_limit = 0),
        ("names.bytes", |config| config.names.bytes = 0),
        ("names.bytes", |config| config.names.bytes = 65_536),
        ("names.parts", |config| config.names.parts = 0),
        ("topics.bytes", |config| config.topics.bytes = 0),
        ("topics.levels", |config| config.topics.levels = 0),
        ("clients", |config| config.clients = 0),
        ("greetings", |config| config.greetings = 0),
        ("user_clients", |config| config.user_clients = 0),
        ("user_greetings", |config| config.user_greetings = 0),
        ("all_queued", |config| config.all_queued = usize::MAX),
        ("queue_size", |config| config.queue_size = 0),
        ("cached_routes", |config| config.cached_routes = 0),
        ("read_size", |config| config.read_size = 0),
        ("buf_ttl", |config| config.buf_ttl = Duration::from_secs(2)),
        ("slow_consumers", |config| {
            config.slow_consumers = SlowConsumers::default().but("*.a", SlowConsumer::Disconnect);
        }),
    ];
    for (field, change) in cases {
        let error = refused(change).unwrap_or_else(|| panic!("{field} is not refused"));
        assert_eq!(error.field, field);
        assert!(error.to_string().starts_with(field), "{error}");
    }
    assert_eq!(refused(|_| {}), None);
    // Left to the system.
    assert_eq!(refused(|config| config.keep_alive = Duration::ZERO), None);
}

/// A delivery carries a sender's name and a topic beside the payload: its length must fit 32 bits too.
#[test]
fn a_frame_limit_whose_deliveries_would_not_fit_32_bits_is_refused() {
    let largest = 1 << 31;
    assert_eq!(refused(|config| config.frame_limit = largest), None);
    for limit in [largest + 1, u32::MAX as usize, usize::MAX] {
        let error = refused(|config| config.frame_limit = limit).unwrap();
        assert_eq!((error.field, error.value), ("frame_limit", limit.to_string()));
    }
}

/// Limits that change while clients are connected: nobody is disconnected, and what is there stays.
#[test]
fn a_limit_that_changes_holds_for_what_comes_next() {
    let test = TestBroker::start();
    for transport in Transport::ALL {
        test.broker.reconfigure(&Config::default()).unwrap();
        let mut client = test.client(transport, "a");
        let mut other = test.client(transport, "b");
        client.subscribe("t/1");
        client.subscribe("t/2");
        let mut config = Config::default();
        config.clients = 1;
        config.subscriptions = 1;
        config.frame_limit = 10;
        assert_eq!(test.broker.reconfigure(&config), Ok(vec![]));
        let (_, answer) = Raw::try_register(test.address(transport), b"c");
        assert_eq!(Code::result(answer), Err(Code::Busy));
        assert_eq!(client.ask(1, Op::Subscribe, b"t/3"), Err(Code::Busy));
        assert_eq!(other.ask(2, Op::Publish, b"t/1\0x"), Ok(()));
        assert_eq!(client.message().1, b"x");
        assert_eq!(other.ask(3, Op::Publish, b"t/1\0 0123456"), Err(Code::Data));
        other.expect_end();
        assert_eq!(client.ask(4, Op::Unsubscribe, b"t/1"), Ok(()));
        assert_eq!(client.ask(5, Op::Unsubscribe, b"t/2"), Ok(()));
        assert_eq!(client.ask(6, Op::Subscribe, b"t/3"), Ok(()));
        drop(client);
        test.eventually("they have left", |broker| broker.stats().clients == 0);
    }
}

#[test]
fn a_time_out_that_changes_holds_for_clients_that_are_connected() {
    let test = TestBroker::with(|config| config.timeout = Duration::from_secs(86_400));
    for transport in Transport::ALL {
        test.broker.reconfigure(&Config::default()).unwrap();
        let mut client = test.client(transport, "a");
        let mut config = Config::default();
        config.timeout = Duration::from_millis(1);
        test.broker.reconfigure(&config).unwrap();
        assert_eq!(client.ask(1, Op::Nop, b""), Ok(()));
        client.write(b"half");
        client.expect_end();
    }
}

#[test]
fn what_cannot_change_is_told_and_a_configuration_that_makes_no_sense_changes_nothing() {
    let test = TestBroker::start();
    let mut config = Config::default();
    config.names.bytes = 10;
    config.names.parts = 2;
    config.topics.bytes = 10;
    config.topics.levels = 2;
    config.read_size = 1024;
    config.fifo_line = 1024;
    let fixed = [
        "names.bytes",
        "names.parts",
        "topics.bytes",
        "topics.levels",
        "read_size",
        "fifo_line",
    ];
    assert_eq!(test.broker.reconfigure(&config), Ok(fixed.to_vec()));
    let long = "a.b.c.d.e.f.g.h.i.j";
    let mut client = test.client(Transport::Unix, long);
    client.subscribe("a/b/c/d/e/f/g");
    let mut config = Config::default();
    config.clients = 1;
    config.buf_ttl = Duration::MAX;
    assert_eq!(test.broker.reconfigure(&config).unwrap_err().field, "buf_ttl");
    let _second = test.client(Transport::Unix, "second");
}
