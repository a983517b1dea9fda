//! How long and deep names, masks, topics and filters may be.
use elbus_broker::{Config, RegisterError};
use elbus_proto::{Code, NameError, Op, Qos};
use elbus_testkit::{Raw, TestBroker, Transport};

fn on_both_sockets(change: impl Fn(&mut Config), case: impl Fn(&TestBroker, Transport)) {
    for transport in Transport::ALL {
        println!("over {transport:?}");
        case(&TestBroker::with(&change), transport);
    }
}

/// `depth` parts with this separator in `len` bytes.
fn path(separator: &str, depth: usize, len: usize) -> String {
    let mut path = vec!["a"; depth].join(separator);
    path.extend(std::iter::repeat_n('x', len - path.len()));
    path
}

fn register(test: &TestBroker, transport: Transport, name: &str) -> Result<Raw, Code> {
    let (raw, answer) = Raw::try_register(test.address(transport), name.as_bytes());
    Code::result(answer).map(|()| raw)
}

fn ask(client: &mut Raw, op: Op, body: &str) -> Result<(), Code> {
    client.ask(1, op, body.as_bytes())
}

#[test]
fn a_name_of_255_bytes_or_16_parts_is_granted_and_one_more_refused() {
    on_both_sockets(
        |_| {},
        |test, transport| {
            for (depth, len) in [(1, 255), (16, 255), (16, 31)] {
                let name = path(".", depth, len);
                let mut client = register(test, transport, &name).unwrap();
                client.send(1, Op::Message, Qos::No, format!("{name}\0x").as_bytes());
                assert_eq!(client.message(), (name, b"x".to_vec()));
            }
            for (depth, len) in [(1, 256), (16, 256), (17, 33), (128, 255)] {
                let refused = register(test, transport, &path(".", depth, len)).err();
                assert_eq!(refused, Some(Code::Data), "{depth} parts in {len} bytes");
            }
            for name in [vec![b'a'; 65_535], vec![b'.'; 65_535]] {
                let (mut raw, answer) = Raw::try_register(test.address(transport), &name);
                assert_eq!(answer, Code::Data.byte());
                // The name follows unread.
                raw.expect_end();
            }
        },
    );
}

#[test]
fn the_limits_of_names_hold_for_clients_in_the_process_too() {
    let test = TestBroker::with(|config| (config.names.bytes, config.names.parts) = (10, 3));
    let reason = |name: &str| match test.broker.client(name) {
        Err(RegisterError::Name { reason, .. }) => reason,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(reason("a1234567890"), NameError::TooLong { len: 11, limit: 10 });
    assert_eq!(reason("a.b.c.d"), NameError::TooDeep { parts: 4, limit: 3 });
    assert!(test.broker.client("a123456789").is_ok());
    assert!(test.broker.client("a.b.c").is_ok());
}

#[test]
fn targets_receivers_and_masks_are_limited_as_names_are() {
    on_both_sockets(
        |config| (config.names.bytes, config.names.parts) = (20, 4),
        |test, transport| {
            let mut client = register(test, transport, "client").unwrap();
            for (depth, len) in [(1, 20), (4, 20), (4, 7)] {
                let name = path(".", depth, len);
                let message = ask(&mut client, Op::Message, &format!("{name}\0x"));
                assert_eq!(message, Err(Code::NotRegistered));
                assert_eq!(ask(&mut client, Op::Broadcast, &format!("{name}\0x")), Ok(()));
                assert_eq!(ask(&mut client, Op::PublishFor, &format!("t\0{name}\0x")), Ok(()));
            }
            for (depth, len) in [(1, 21), (5, 9)] {
                let name = path(".", depth, len);
                let message = ask(&mut client, Op::Message, &format!("{name}\0x"));
                assert_eq!(message, Err(Code::Data));
                let publication = ask(&mut client, Op::PublishFor, &format!("t\0{name}\0x"));
                assert_eq!(publication, Err(Code::Data));
                assert_eq!(
                    ask(&mut client, Op::Broadcast, &format!("{name}\0x")),
                    Err(Code::Data)
                );
            }
            assert_eq!(ask(&mut client, Op::Broadcast, "?.?.?.*\0x"), Ok(()));
            assert_eq!(ask(&mut client, Op::Broadcast, "?.?.?.?.*\0x"), Err(Code::Data));
        },
    );
}

#[test]
fn a_topic_of_1024_bytes_or_32_levels_is_granted_and_one_more_refused() {
    on_both_sockets(
        |_| {},
        |test, transport| {
            let mut client = register(test, transport, "client").unwrap();
            for (depth, len) in [(1, 1024), (32, 1024), (32, 63)] {
                let topic = path("/", depth, len);
                assert_eq!(ask(&mut client, Op::Subscribe, &topic), Ok(()));
                client.send(2, Op::Publish, Qos::No, format!("{topic}\0x").as_bytes());
                assert_eq!(client.message().1, b"x");
                assert_eq!(ask(&mut client, Op::Exclude, &topic), Ok(()));
                assert_eq!(ask(&mut client, Op::Unexclude, &topic), Ok(()));
                assert_eq!(ask(&mut client, Op::Unsubscribe, &topic), Ok(()));
            }
            for (depth, len) in [(1, 1025), (32, 1025), (33, 65)] {
                let topic = path("/", depth, len);
                for op in [Op::Subscribe, Op::Unsubscribe, Op::Exclude, Op::Unexclude] {
                    assert_eq!(ask(&mut client, op, &topic), Err(Code::Data));
                }
                assert_eq!(
                    ask(&mut client, Op::Publish, &format!("{topic}\0x")),
                    Err(Code::Data)
                );
                assert_eq!(
                    ask(&mut client, Op::PublishFor, &format!("{topic}\0c\0x")),
                    Err(Code::Data)
                );
            }
            let deepest = "+/".repeat(31);
            assert_eq!(ask(&mut client, Op::Subscribe, &format!("{deepest}#")), Ok(()));
            assert_eq!(
                ask(&mut client, Op::Subscribe, &format!("{deepest}+/#")),
                Err(Code::Data)
            );
            assert_eq!(test.broker.stats().subscriptions, 1);
        },
    );
}
