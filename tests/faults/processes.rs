//! Clients that are processes: killed, stopped, and with children of their own.
//!
//! The test runs itself once more, as the client.
use std::{
    env,
    process::{Child, Command, Stdio},
};

use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, Raw, TestBroker, Transport};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Bystander, block_on, expect_nothing_left, soon};

const ADDRESS: &str = "ELBUS_TEST_ADDRESS";
const ROLE: &str = "ELBUS_TEST_ROLE";

/// A client in a process of its own; killed when dropped.
struct Process(Child);

impl Process {
    fn start(test: &TestBroker, transport: Transport, role: &str) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::is_a_client", "--ignored"])
            .env(ADDRESS, test.address(transport).to_string())
            .env(ROLE, role)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self(child);
        test.eventually("the process is on the bus", |broker| {
            broker.clients().iter().any(|client| client.name == "process")
        });
        process
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Stops it, and waits until it does nothing any more.
    fn stop(&self) {
        self.signal(Signal::STOP);
        let end = std::time::Instant::now() + elbus_testkit::PATIENCE;
        while self.runs() {
            assert!(std::time::Instant::now() < end, "it does not stop");
            std::thread::yield_now();
        }
    }

    /// Whether one of its threads does anything.
    fn runs(&self) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let mut stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
        stats.any(|stat| !stat.contains(") T"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "run by the other tests, as another process"]
fn is_a_client() {
    let (Ok(address), Ok(role)) = (env::var(ADDRESS), env::var(ROLE)) else {
        return;
    };
    let mut client = Raw::register(&address.parse().unwrap(), "process");
    match role.as_str() {
        "sends" => {
            client.subscribe("news/#");
            for number in 0_u64.. {
                let body = [b"receiver\0", &number.to_le_bytes()[..], &[b'.'; 500]].concat();
                client.send(0, Op::Message, Qos::No, &body);
            }
        }
        "answers" => {
            while let Some(got) = client.got_or_end() {
                if let Got::Frame { sender, payload, .. } = got {
                    let body = [sender.as_bytes(), b"\0", &payload].concat();
                    client.send(0, Op::Message, Qos::No, &body);
                }
            }
        }
        role => panic!("there is no role {role}"),
    }
}

#[test]
fn a_client_that_is_killed_frees_its_name_and_leaves_whole_messages_in_order() {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let mut bystander = Bystander::new(&test);
        let mut receiver = test.client(transport, "receiver");
        let process = Process::start(&test, transport, "sends");
        let mut next = 0_u64;
        let mut take = |receiver: &mut Raw| {
            let Got::Frame { sender, payload, .. } = receiver.got() else {
                return false;
            };
            assert_eq!(sender, "process");
            assert_eq!(payload[..8], next.to_le_bytes(), "each once, and in order");
            assert_eq!(payload.len(), 8 + 500, "and whole");
            next += 1;
            true
        };
        for _ in 0..2_000 {
            assert!(take(&mut receiver));
        }
        process.signal(Signal::KILL);
        // Its successor takes the name as soon as it is free; until then what it had sent has to be read.
        receiver.send(1, Op::Nop, Qos::Processed, b"");
        while take(&mut receiver)
            || test
                .broker
                .clients()
                .iter()
                .any(|client| client.name == "process")
        {
            receiver.send(1, Op::Nop, Qos::Processed, b"");
        }
        drop(test.client(transport, "process"));
        bystander.is_served();
        drop((bystander, receiver));
        expect_nothing_left(&test);
    }
}

#[test]
fn a_client_that_is_stopped_for_a_moment_loses_nothing() {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let process = Process::start(&test, transport, "answers");
        let mut sender = test.client(transport, "sender");
        for round in 0..3_u32 {
            process.stop();
            for number in 0..200_u32 {
                let body = [b"process\0", &[round, number].map(u32::to_le_bytes).concat()[..]].concat();
                assert_eq!(
                    sender.ask(number, Op::Message, &body),
                    Ok(()),
                    "while it is stopped"
                );
            }
            process.signal(Signal::CONT);
            for number in 0..200_u32 {
                let expected = [round, number].map(u32::to_le_bytes).concat();
                assert_eq!(sender.message(), ("process".to_owned(), expected));
            }
        }
        drop((process, sender));
        expect_nothing_left(&test);
    }
}

#[test]
fn a_client_that_stays_stopped_is_cut_when_it_is_full_and_nobody_else_is_harmed() {
    for transport in Transport::ALL {
        let test = TestBroker::with(|config| config.high_water = 64 * 1024);
        let mut bystander = Bystander::new(&test);
        let mut process = Process::start(&test, transport, "answers");
        process.stop();
        let mut sender = test.client(transport, "sender");
        let body = [b"process\0", &[b'.'; 4096][..]].concat();
        let mut placed = 0_u32;
        while sender.ask(placed, Op::Message, &body).is_ok() {
            placed += 1;
            bystander.is_served();
        }
        assert!(placed > 10, "{placed} were placed before it was full");
        assert_eq!(test.broker.stats().stalled, 1);
        // It goes on, finds its connection closed, and ends by itself; what it may have answered is read.
        process.signal(Signal::CONT);
        let sink = sender.writer();
        sink.set_patience(std::time::Duration::from_millis(1));
        process.0.wait().unwrap();
        bystander.is_served();
        drop((bystander, sender, sink));
        expect_nothing_left(&test);
    }
}

#[test]
fn a_program_that_a_client_starts_does_not_hold_its_connection() {
    for transport in Transport::ALL {
        let test = TestBroker::start();
        let mut program = block_on(async {
            let options = elbus_client::Options::new("parent").address(test.address(transport).clone());
            let (client, inbox) = options.connect().await.unwrap();
            let program = Command::new("sleep").arg("600").spawn().unwrap();
            drop(inbox);
            soon("the client's end", client.close()).await.unwrap();
            program
        });
        expect_nothing_left(&test);
        assert_eq!(program.try_wait().unwrap(), None, "the program still runs");
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
