//! The first words of a connection, on both kinds of socket.
use elbus_proto::{Code, OK, Op, Qos, greeting::GREETING};
use elbus_testkit::{Got, Raw, TestBroker, Transport, frame};

fn on_both_sockets(case: impl Fn(&TestBroker, Transport)) {
    for transport in Transport::ALL {
        println!("over {transport:?}");
        case(&TestBroker::start(), transport);
    }
}

fn name_field(name: &[u8]) -> Vec<u8> {
    let len = u16::try_from(name.len()).unwrap().to_le_bytes();
    [&len, name].concat()
}

#[test]
fn the_broker_speaks_first_and_answers_each_step() {
    on_both_sockets(|test, transport| {
        let mut raw = test.connect(transport);
        assert_eq!(raw.read_exact(), [0xEB, 0x01, 0x00]);
        raw.write(&[0xEB, 0x01, 0x00]);
        assert_eq!(raw.read_exact(), [0x01]);
        raw.write(&[3, 0, b'a', b'.', b'b']);
        assert_eq!(raw.read_exact(), [0x01]);
        raw.expect_nothing();
        assert_eq!(test.broker.clients()[0].name, "a.b");
    });
}

#[test]
fn a_greeting_may_come_byte_by_byte() {
    on_both_sockets(|test, transport| {
        let mut raw = test.connect(transport);
        for byte in [&GREETING[..], &name_field(b"slow.client")].concat() {
            raw.write(&[byte]);
        }
        assert_eq!(raw.read_exact(), [0xEB, 0x01, 0x00, OK, OK]);
        raw.expect_nothing();
    });
}

#[test]
fn a_greeting_may_be_split_anywhere() {
    on_both_sockets(|test, transport| {
        let whole = [&GREETING[..], &name_field(b"split")].concat();
        for at in 1..whole.len() {
            let mut raw = test.connect(transport);
            raw.write(&whole[..at]);
            let greeted = at >= GREETING.len();
            // Waiting for the answer makes sure that the first part is read by itself.
            assert_eq!(raw.read_exact(), GREETING);
            if greeted {
                assert_eq!(raw.read_exact(), [OK]);
            }
            raw.write(&whole[at..]);
            if !greeted {
                assert_eq!(raw.read_exact(), [OK]);
            }
            assert_eq!(raw.read_exact(), [OK], "split at {at}");
            raw.shutdown_write();
            raw.expect_end();
        }
    });
}

#[test]
fn frames_may_follow_the_name_in_the_same_packet() {
    on_both_sockets(|test, transport| {
        let mut raw = test.connect(transport);
        let all = [
            &GREETING[..],
            &name_field(b"eager"),
            &[0; 9],
            &frame(1, Op::Subscribe, Qos::Processed, b"t"),
            &frame(2, Op::Publish, Qos::Processed, b"t\0mine"),
            &frame(3, Op::Message, Qos::Processed, b"eager\0too"),
        ];
        raw.write(&all.concat());
        assert_eq!(raw.read_exact(), [0xEB, 0x01, 0x00, OK, OK]);
        let mut acknowledged = Vec::new();
        let mut payloads = Vec::new();
        while acknowledged.len() < 3 || payloads.len() < 2 {
            match raw.got() {
                Got::Ack(id, result) => acknowledged.push((id, result)),
                Got::Frame { payload, .. } => payloads.push(payload),
                Got::Ping => {}
            }
        }
        assert_eq!(acknowledged, [(1, Ok(())), (2, Ok(())), (3, Ok(()))]);
        assert_eq!(payloads, [b"mine".to_vec(), b"too".to_vec()]);
    });
}

#[test]
fn another_version_or_magic_is_answered_not_supported_and_closed() {
    on_both_sockets(|test, transport| {
        for other in [[0xEB, 2, 0], [0xEB, 0, 0], [0xEB, 1, 1], [0xEA, 1, 0], *b"GET"] {
            let mut raw = test.connect(transport);
            assert_eq!(raw.read_exact(), GREETING);
            raw.write(&other);
            assert_eq!(raw.read_exact(), [Code::NotSupported.byte()], "{other:?}");
            raw.expect_end();
        }
    });
}

#[test]
fn a_refused_name_is_answered_with_its_code_and_the_connection_closed() {
    on_both_sockets(|test, transport| {
        let _taken = test.client(transport, "taken");
        let other = match transport {
            Transport::Unix => Transport::Tcp,
            Transport::Tcp | Transport::Tls => Transport::Unix,
        };
        let _elsewhere = test.client(other, "elsewhere");
        let refused: [(&[u8], Code); 8] = [
            (b"", Code::Data),
            (b".broker", Code::Data),
            (b"\xFF\xFE", Code::Data),
            (b"a\0b", Code::Data),
            (b"taken", Code::Busy),
            (b"nobody%%1", Code::NotRegistered),
            (b"elsewhere%%1", Code::Access),
            (&[b'x'; 256], Code::Data),
        ];
        for (name, code) in refused {
            let (mut raw, answer) = Raw::try_register(test.address(transport), name);
            assert_eq!(
                Code::result(answer),
                Err(code),
                "{:?}",
                name.escape_ascii().to_string()
            );
            raw.expect_end();
        }
        assert_eq!(test.broker.stats().clients, 2);
    });
}

/// What follows a refused name was meant for a client that is not there.
#[test]
fn frames_behind_a_refused_name_are_not_carried_out() {
    on_both_sockets(|test, transport| {
        let mut taken = test.client(transport, "taken");
        let mut raw = test.connect(transport);
        let message = frame(1, Op::Message, Qos::Processed, b"taken\0x");
        raw.write(&[&GREETING[..], &name_field(b"taken"), &message].concat());
        assert_eq!(raw.read_exact(), [0xEB, 0x01, 0x00, OK, Code::Busy.byte()]);
        raw.expect_end();
        taken.expect_nothing();
    });
}

#[test]
fn a_client_that_closes_before_the_final_greeting_byte_leaves_its_name_free() {
    on_both_sockets(|test, transport| {
        let whole = [&GREETING[..], &name_field(b"hasty")].concat();
        for _ in 0..50 {
            let mut raw = test.connect(transport);
            raw.write(&whole);
            drop(raw);
        }
        test.eventually("the name is free", |_| {
            let (_, answer) = Raw::try_register(test.address(transport), b"hasty");
            answer == OK
        });
        test.eventually("nobody is left", |broker| broker.stats().clients == 0);
    });
}

#[test]
fn connections_that_end_inside_the_greeting_harm_nobody() {
    on_both_sockets(|test, transport| {
        let mut other = test.client(transport, "other");
        let whole = [&GREETING[..], &name_field(b"gone")].concat();
        for at in 0..whole.len() {
            let mut raw = test.connect(transport);
            raw.write(&whole[..at]);
            raw.shutdown_write();
            while raw.read_more() > 0 {}
        }
        other.expect_nothing();
        let _gone = test.client(transport, "gone");
    });
}
