//! The command FIFO.
use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf};

use elbus_broker::{Config, ListenError, SocketOptions};
use elbus_proto::{delivery::Kind, rpc};
use elbus_testkit::{TestBroker, Transport};
use tempfile::TempDir;

use crate::link::{Ask, Bus, Party, on_every_link};

pub(crate) struct Pipe {
    path: PathBuf,
    _directory: TempDir,
}

impl Pipe {
    pub(crate) fn of(bus: &TestBroker) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commands");
        bus.block_on(bus.broker.listen_fifo(&path, &SocketOptions::default()))
            .unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    /// Writes as a shell does: opens the FIFO, writes, closes it.
    fn echo(&self, line: &[u8]) {
        let mut pipe = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        pipe.write_all(line).unwrap();
    }
}

fn on_every_link_with_a_pipe(case: impl Fn(&Bus, &Pipe, &mut dyn Party)) {
    on_every_link(|bus| {
        let pipe = Pipe::of(&bus.test);
        let mut client = bus.near("a.b");
        case(bus, &pipe, &mut *client);
    });
}

#[test]
fn lines_send_broadcast_and_publish_the_rest_of_the_line() {
    on_every_link_with_a_pipe(|_, pipe, client| {
        client.must(Ask::Subscribe(&["t/#"]));
        pipe.echo(b"a.b two words  \n");
        client.expect(Kind::Message, ".fifo", b"two words  ");
        pipe.echo(b"a.* k=v all\n?.b again\n");
        client.expect(Kind::Broadcast, ".fifo", b"k=v all");
        client.expect(Kind::Broadcast, ".fifo", b"again");
        pipe.echo(b"=t/x \xff\0 any bytes\n");
        client.expect_publication(".fifo", "t/x", b"\xff\0 any bytes");
    });
}

#[test]
fn lines_notify_and_call() {
    on_every_link_with_a_pipe(|_, pipe, client| {
        pipe.echo(b"a.b .take note\na.b :start pump=1 why=x=y\n");
        client.expect(Kind::Message, ".fifo", b"\0take note");
        let call = client.frame();
        let Ok(rpc::Payload::Request {
            id: 0,
            method,
            params,
        }) = rpc::decode(&call.payload)
        else {
            panic!("no call without a reply: {call:?}");
        };
        assert_eq!(method, b"start");
        let params: serde_json::Value = rmp_serde::from_slice(params).unwrap();
        assert_eq!(params, serde_json::json!({"pump": 1, "why": "x=y"}));
        // A call of the broker itself is no exception.
        pipe.echo(b".broker :test\na.b still here\n");
        client.expect(Kind::Message, ".fifo", b"still here");
    });
}

#[test]
fn a_line_in_pieces_is_one_command_and_a_bad_line_costs_only_itself() {
    on_every_link_with_a_pipe(|_, pipe, client| {
        pipe.echo(b"a.b in ");
        pipe.echo(b"pieces\n\nalone\nnobody x\na.b :m x\na.**.c x\n");
        pipe.echo(&[b'x'; 65_537]);
        pipe.echo(b" is too long\na.b behind\n");
        client.expect(Kind::Message, ".fifo", b"in pieces");
        client.expect(Kind::Message, ".fifo", b"behind");
    });
}

#[test]
fn a_line_as_long_as_the_limit_is_a_command_and_one_byte_more_is_none() {
    on_every_link_with_a_pipe(|_, pipe, client| {
        let limit = Config::default().fifo_line;
        let line = |len: usize, byte: u8| [b"a.b ", &vec![byte; len - 4][..], b"\n"].concat();
        pipe.echo(&line(limit, b'x'));
        pipe.echo(&line(limit + 1, b'y'));
        pipe.echo(&line(limit, b'z'));
        client.expect(Kind::Message, ".fifo", &vec![b'x'; limit - 4]);
        client.expect(Kind::Message, ".fifo", &vec![b'z'; limit - 4]);
    });
}

#[test]
fn several_fifos_share_a_name_and_their_files_are_private_and_go_with_the_broker() {
    let bus = TestBroker::start();
    let (one, other) = (Pipe::of(&bus), Pipe::of(&bus));
    let mut client = bus.client(Transport::Unix, "a");
    for pipe in [&one, &other] {
        let mode = fs::metadata(&pipe.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        pipe.echo(b"a x\n");
        assert_eq!(client.message(), (".fifo".to_owned(), b"x".to_vec()));
    }

    // What is in the pipe is carried out before the broker ends.
    one.echo(b"a the last\n");
    bus.block_on(async {
        let (_, last) = tokio::join!(bus.broker.shutdown(), async {
            tokio::task::spawn_blocking(move || {
                let heard = client.message();
                if heard.1 == b"the last" {
                    heard
                } else {
                    client.message()
                }
            })
            .await
            .unwrap()
        });
        assert_eq!(last, (".fifo".to_owned(), b"the last".to_vec()));
    });
    assert!(!one.path.exists() && !other.path.exists());
}

#[test]
fn a_fifo_that_another_reads_or_that_is_none_is_refused_and_a_left_one_is_taken_over() {
    let bus = TestBroker::start();
    let pipe = Pipe::of(&bus);
    let listen = |path: &PathBuf| bus.block_on(bus.broker.listen_fifo(path, &SocketOptions::default()));
    assert!(matches!(listen(&pipe.path), Err(ListenError::InUse { .. })));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"mine").unwrap();
    assert!(matches!(listen(&file), Err(ListenError::NotAFifo { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"mine");

    let left = directory.path().join("left");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, &left, mode).unwrap();
    listen(&left).unwrap();
    assert_eq!(fs::metadata(&left).unwrap().permissions().mode() & 0o7777, 0o600);
}
