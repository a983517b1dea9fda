//! How large a frame may be.
use elbus_client::Error;
use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, TestBroker, Transport, frame};

/// Below, at and above what the broker reads at once.
const LIMITS: [usize; 4] = [100, 64 * 1024 - 9, 64 * 1024, 200_000];

const ADDRESSES: [(Op, &[u8]); 4] = [
    (Op::Message, b"target\0"),
    (Op::Broadcast, b"targe.*\0"),
    (Op::Publish, b"topic\0"),
    (Op::PublishFor, b"topic\0target\0"),
];

#[test]
fn a_frame_of_the_limit_is_granted_and_one_byte_more_refused() {
    for transport in Transport::ALL {
        for limit in LIMITS {
            let test = TestBroker::with(|config| config.frame_limit = limit);
            let mut target = test.client(transport, "target");
            target.subscribe("topic");
            for (op, address) in ADDRESSES {
                println!("{transport:?}, limit {limit}, {op:?}");
                let mut client = test.client(transport, "client");
                let payload = vec![7; limit - address.len()];
                assert_eq!(client.ask(1, op, &[address, &payload].concat()), Ok(()));
                if op != Op::Broadcast {
                    assert!(target.message().1 == payload);
                }
                // Refused by its header: the body is not waited for.
                let over = frame(2, op, Qos::Processed, &[address, &payload, b"x"].concat());
                client.write(&over[..9]);
                assert_eq!(client.got(), Got::Ack(2, Err(Code::Data)));
                client.expect_end();
                target.expect_nothing();
            }
        }
    }
}

#[test]
fn what_follows_a_frame_over_the_limit_does_not_hide_its_answer() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.frame_limit = 1_000);
        let mut client = test.client(transport, "client");
        let over = frame(1, Op::Message, Qos::Processed, &vec![b'a'; 500_000]);
        // The broker discards it, so that closing does not reset the connection before the answer is read.
        let mut writer = client.writer();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = writer.try_write(&over);
                writer.finish_writing();
            });
            assert_eq!(client.got(), Got::Ack(1, Err(Code::Data)));
            client.expect_end();
        });
    }
}

#[test]
fn the_limit_of_frames_holds_for_clients_in_the_process_too() {
    let test = TestBroker::with(|config| config.frame_limit = 100);
    let (client, mut inbox) = test.broker.client("c").unwrap();
    test.block_on(async { client.subscribe(&["t"]).await }).unwrap();
    for payload in [vec![1; 98], vec![1; 99]] {
        let fits = payload.len() == 98;
        let refused = Err(Error::TooLarge { len: 101, limit: 100 });
        let expected = if fits { Ok(()) } else { refused };
        let sent = test.block_on(async { client.send("c", &payload[..]).await });
        assert_eq!(sent, expected);
        let sent = test.block_on(async { client.broadcast("c", &payload[..]).await });
        assert_eq!(sent, expected);
        let sent = test.block_on(async { client.publish("t", &payload[..]).await });
        assert_eq!(sent, expected);
        let shorter = &payload[2..];
        let sent = test.block_on(async { client.publish("t", shorter).only_for("c").await });
        assert_eq!(sent, expected);
    }
    let mut received = 0;
    while inbox.try_recv().is_some() {
        received += 1;
    }
    assert_eq!(received, 4);
    test.block_on(async { client.send("c", "still here").await })
        .unwrap();
}
