//! The command FIFO obeys rules like any client.
use std::{fs, io::Write, path::PathBuf};

use elbus_broker::{
    SocketOptions,
    access::{AccessRule, Source},
};
use elbus_proto::delivery::Kind;
use tempfile::TempDir;

use crate::{
    common::{everything, restrain, rule, rules},
    link::{Ask, Bus, on_every_link},
};

struct Pipe {
    path: PathBuf,
    _directory: TempDir,
}

impl Pipe {
    fn of(bus: &Bus) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commands");
        let options = SocketOptions::default();
        let listening = bus.test.broker.listen_fifo(&path, &options);
        bus.test.block_on(listening).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    fn echo(&self, lines: &str) {
        let mut pipe = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        pipe.write_all(lines.as_bytes()).unwrap();
    }

    /// Waits until so many commands were denied.
    fn wait_for_denied(&self, bus: &Bus, denied: u64) {
        bus.test.eventually("the commands are denied", |broker| {
            broker.stats().denied == denied
        });
    }
}

#[test]
fn commands_are_carried_out_as_far_as_the_rule_for_the_fifo_admits_them() {
    on_every_link(|bus| {
        let pipe = Pipe::of(bus);
        restrain(
            bus,
            AccessRule::new(".fifo")
                .from([Source::Fifo])
                .send(["other.a"])
                .publish(["t/#"])
                .broadcast(["other.?"]),
        );
        let mut client = bus.near("other.a");
        client.must(Ask::Subscribe(&["t/#", "u"]));
        let mut forbidden = bus.near("other.b.c");
        pipe.echo("other.b.c x\n=u x\nother.* x\n");
        pipe.wait_for_denied(bus, 3);
        pipe.echo("other.a 1\n=t/x 2\nother.? 3\n");
        client.expect(Kind::Message, ".fifo", b"1");
        client.expect_publication(".fifo", "t/x", b"2");
        client.expect(Kind::Broadcast, ".fifo", b"3");
        forbidden.expect_nothing();
    });
}

#[test]
fn without_a_rule_the_fifo_does_nothing_and_with_one_it_does_again() {
    on_every_link(|bus| {
        bus.test.broker.set_access(rules([everything("other.*")]));
        let pipe = Pipe::of(bus);
        let mut client = bus.near("other.a");
        pipe.echo("other.a denied\n");
        pipe.wait_for_denied(bus, 1);
        restrain(bus, everything(".fifo"));
        pipe.echo("other.a admitted\n");
        client.expect(Kind::Message, ".fifo", b"admitted");
        restrain(bus, rule("nobody"));
        pipe.echo("other.a denied\n");
        pipe.wait_for_denied(bus, 2);
        bus.test.broker.set_access(rules([]));
        pipe.echo("other.a again\n");
        client.expect(Kind::Message, ".fifo", b"again");
        client.must(Ask::Message(".fifo", b"nobody reads it"));
    });
}

#[test]
fn a_rule_for_clients_of_the_process_is_none_for_the_fifo() {
    on_every_link(|bus| {
        let pipe = Pipe::of(bus);
        let inside = AccessRule::new("*").from([Source::Process, Source::Unix, Source::Tcp]);
        bus.test.broker.set_access(rules([inside.send(["*"])]));
        let mut client = bus.near("a");
        pipe.echo("a x\n");
        pipe.wait_for_denied(bus, 1);
        client.must(Ask::Message("a", b"own"));
        client.expect(Kind::Message, "a", b"own");
    });
}
