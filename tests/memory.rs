//! What a client says costs no more memory than what it sends.
//!
//! These tests look at the memory of the whole process, so one runs at a time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
use std::sync::{Mutex, MutexGuard, PoisonError};

use elbus_proto::{Code, Op, Qos, request::RequestHeader};
use elbus_testkit::{Got, Raw, TestBroker, Transport};

const MIB: usize = 1 << 20;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The memory of this process from now on, while no other test runs.
struct Watch {
    resident: usize,
    reserved: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Watch {
    fn new(alone: MutexGuard<'static, ()>) -> Self {
        let (reserved, resident) = memory();
        Self {
            resident,
            reserved,
            _alone: alone,
        }
    }

    fn expect_grown_by_at_most(&self, resident: usize, reserved: usize) {
        let (now_reserved, now_resident) = memory();
        let grown = now_resident.saturating_sub(self.resident);
        assert!(grown <= resident, "{grown} bytes more are resident");
        let grown = now_reserved.saturating_sub(self.reserved);
        assert!(grown <= reserved, "{grown} bytes more are reserved");
    }
}

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes reserved and bytes resident.
fn memory() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bytes = |field: &str| {
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    };
    (bytes("VmSize:"), bytes("VmRSS:"))
}

/// Registers clients that are answered by both workers, so that those have what they need.
fn warm_up(test: &TestBroker, transport: Transport) {
    for n in 0..20 {
        test.client(transport, &format!("warm.{n}")).expect_nothing();
    }
}

#[test]
fn headers_that_announce_gigabytes_cost_no_memory() {
    for transport in Transport::ALL {
        let alone = alone();
        let limit = 1 << 31;
        let test = TestBroker::with(|config| config.frame_limit = limit);
        warm_up(&test, transport);
        let mut clients: Vec<_> = (0..4).map(|n| test.client(transport, &format!("c{n}"))).collect();
        let watch = Watch::new(alone);
        for client in &mut clients {
            let nop = RequestHeader::new(1, Op::Nop, Qos::Processed, 0).encode();
            let huge = RequestHeader::new(2, Op::Message, Qos::No, limit as u32).encode();
            client.write(&[nop, huge].concat());
            // Answered when everything that came with it has been looked at.
            assert_eq!(client.got(), Got::Ack(1, Ok(())));
        }
        watch.expect_grown_by_at_most(8 * MIB, 256 * MIB);
        for client in &mut clients {
            client.write(&[b"nobody\0", &vec![1; 2 * MIB][..]].concat());
        }
        // Four times what has arrived is asked for at most.
        watch.expect_grown_by_at_most(48 * MIB, 256 * MIB);
    }
}

#[test]
fn a_name_of_39_dots_is_refused_and_costs_no_memory() {
    for transport in Transport::ALL {
        let alone = alone();
        let test = TestBroker::start();
        warm_up(&test, transport);
        let watch = Watch::new(alone);
        for name in [format!("a{}", ".".repeat(38)), format!("a{}", ".b".repeat(19))] {
            let (mut raw, answer) = Raw::try_register(test.address(transport), name.as_bytes());
            assert_eq!(Code::result(answer), Err(Code::Data));
            raw.expect_end();
        }
        watch.expect_grown_by_at_most(4 * MIB, 128 * MIB);
    }
}

#[test]
fn a_name_of_many_dots_costs_memory_in_proportion_to_its_length() {
    for transport in Transport::ALL {
        let alone = alone();
        let test = TestBroker::with(|config| (config.names.bytes, config.names.parts) = (65_535, 65_535));
        warm_up(&test, transport);
        let watch = Watch::new(alone);
        for dots in [38, 1_000, 30_000] {
            let name = format!("a{}", ".".repeat(dots));
            let mut client = test.client(transport, &name);
            client.send(1, Op::Message, Qos::Processed, format!("{name}\0x").as_bytes());
            assert_eq!(client.message(), (name, b"x".to_vec()));
            assert_eq!(client.got(), Got::Ack(1, Ok(())));
        }
        // Of that many dots as a mask, too, which the client gets itself.
        let name = format!("b{}", ".".repeat(30_000));
        let mask = format!("{}\0x", name.replace('b', "?"));
        let mut client = test.client(transport, &name);
        client.send(1, Op::Broadcast, Qos::Processed, mask.as_bytes());
        assert_eq!(client.message(), (name, b"x".to_vec()));
        watch.expect_grown_by_at_most(64 * MIB, 512 * MIB);
    }
}

#[test]
fn a_subscription_of_ten_thousand_slashes_does_not_overflow_the_stack() {
    for transport in Transport::ALL {
        let alone = alone();
        let test = TestBroker::start();
        let mut client = test.client(transport, "client");
        let slashes = "/".repeat(10_000);
        assert_eq!(client.ask(1, Op::Subscribe, slashes.as_bytes()), Err(Code::Data));
        assert_eq!(
            client.ask(1, Op::Publish, format!("{slashes}\0x").as_bytes()),
            Err(Code::Data)
        );

        let test = TestBroker::with(|config| (config.topics.bytes, config.topics.levels) = (MIB, MIB));
        warm_up(&test, transport);
        let watch = Watch::new(alone);
        let mut client = test.client(transport, "client");
        for slashes in [slashes, "/".repeat(50_000)] {
            assert_eq!(client.ask(1, Op::Subscribe, slashes.as_bytes()), Ok(()));
            let plus = slashes.replace('/', "+/");
            assert_eq!(client.ask(1, Op::Subscribe, plus.as_bytes()), Ok(()));
            client.send(2, Op::Publish, Qos::No, format!("{slashes}\0x").as_bytes());
            assert_eq!(client.message().1, b"x");
        }
        watch.expect_grown_by_at_most(256 * MIB, 1024 * MIB);
        client.shutdown_write();
        client.expect_end();
        assert_eq!(test.broker.stats().subscriptions, 0);
    }
}
