//! The greeting beside traffic: nothing precedes its end, nothing behind it is lost.
use elbus_proto::{OK, Op, Qos, greeting};
use elbus_testkit::{Got, Raw, TestBroker, Transport, frame};

use super::common::{addressed, flood, is_on, message};

#[test]
fn nothing_precedes_the_end_of_a_greeting() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let noisy = bus.client(Transport::Unix, "noisy.one");
        let _flood = flood(
            &noisy,
            frame(0, Op::Broadcast, Qos::No, &addressed("new.*", b"noise")),
        );
        for n in 0..300 {
            // Asserts that the first byte behind the name is the 01.
            let mut newcomer = bus.client(transport, &format!("new.{n}"));
            assert_eq!(newcomer.message(), ("noisy.one".to_owned(), b"noise".to_vec()));
        }
    }
}

/// Everything up to the end of the name.
fn says_its_name(bus: &TestBroker, transport: Transport, name: &str) -> Raw {
    let mut raw = bus.connect(transport);
    raw.greet();
    raw.say_name(name.as_bytes());
    raw
}

#[test]
fn a_client_that_closes_before_the_final_greeting_byte_leaves_its_name_free() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        for _ in 0..100 {
            drop(says_its_name(&bus, transport, "hasty"));
            // It may not have been registered yet, so the name is asked for until it stays free.
            bus.eventually("the hasty client is gone", |broker| !is_on(broker, "hasty"));
        }
        bus.eventually("its name can be had", |_| {
            Raw::try_register(bus.address(transport), b"hasty").1 == OK
        });
        bus.eventually("nobody is left", |broker| broker.stats().clients == 0);
    }
}

#[test]
fn frames_right_behind_the_name_are_served() {
    for transport in Transport::ALL {
        let bus = TestBroker::start();
        let mut receiver = bus.client(transport, "receiver");
        for n in 0..50 {
            let name = format!("eager.{n}");
            let mut eager = bus.connect(transport);
            let len = u16::try_from(name.len()).unwrap().to_le_bytes();
            let all = [
                &greeting::GREETING[..],
                &len,
                name.as_bytes(),
                &frame(1, Op::Subscribe, Qos::Processed, b"a"),
                &frame(2, Op::Message, Qos::Processed, &addressed("receiver", b"hello")),
                &message("receiver", b"again"),
            ]
            .concat();
            eager.write(&all);
            assert_eq!(eager.read_exact(), greeting::GREETING);
            assert_eq!(eager.read_exact(), [OK, OK]);
            assert_eq!(eager.got(), Got::Ack(1, Ok(())));
            assert_eq!(eager.got(), Got::Ack(2, Ok(())));
            assert_eq!(receiver.message(), (name.clone(), b"hello".to_vec()));
            assert_eq!(receiver.message(), (name, b"again".to_vec()));
        }
    }
}
