//! What the server does without: file descriptors, and what idle clients cost.
use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use elbus_proto::Op;
use elbus_testkit::Raw;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::tempdir;

use crate::support::{Server, command, eventually};

/// A server that cannot have more than `files` file descriptors.
fn server_with_few_files(directory: &Path, files: u32) -> Server {
    let server = command(directory);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!(r#"ulimit -n {files}; exec "$0" "$@""#)])
        .arg(server.get_program())
        .args(["-B", "bus.sock", "-B", "127.0.0.1:0", "-t", "3600"])
        .current_dir(directory);
    let mut server = Server::run(&mut limited);
    if let elbus_broker::Address::Unix(path) = &mut server.addresses[0] {
        *path = directory.join(&path);
    }
    server
}

#[test]
fn out_of_file_descriptors_it_rests_serves_on_and_accepts_again_when_some_are_free() {
    let directory = tempdir().unwrap();
    let mut server = server_with_few_files(directory.path(), 64);
    let [unix, tcp] = [server.addresses[0].clone(), server.addresses[1].clone()];
    let mut a = Raw::register(&unix, "client.a");
    let mut b = Raw::register(&tcp, "client.b");
    let crowd: Vec<_> = (0..64).map(|n| Raw::connect([&unix, &tcp][n % 2])).collect();
    let mut late = [Raw::connect(&unix), Raw::connect(&tcp)];
    server
        .process
        .wait_for_error("cannot accept connections; trying on");

    let (before, start) = (server.cpu(), Instant::now());
    thread::sleep(Duration::from_secs(1)); // what is measured is a second of it
    let share = (server.cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share < 0.2, "{:.0} % of a processor", share * 100.0);
    let log = server.process.errors();
    assert!(log.len() < 4096, "{} bytes of log:\n{log}", log.len());

    assert_eq!(a.ask(1, Op::Message, b"client.b\0still here"), Ok(()));
    assert_eq!(b.message(), ("client.a".to_owned(), b"still here".to_vec()));

    drop(crowd);
    for (client, name) in late.iter_mut().zip(["late.unix", "late.tcp"]) {
        client.greet();
        client.say_name(name.as_bytes());
        assert_eq!(client.read_exact(), [elbus_proto::OK]);
    }
}

/// Lets this process have as many files open as the system allows, and says whether those are enough.
fn raise_open_files(needed: u64) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "this test needs {needed} open files: raise the hard limit (ulimit -Hn), which is {maximum:?}"
    );
}

#[test]
fn an_idle_client_costs_at_most_4_kib_of_memory_and_no_processor() {
    const CLIENTS: usize = 2_000;
    raise_open_files(CLIENTS as u64 + 200);
    let directory = tempdir().unwrap();
    // What a worker sets up for itself is no cost of clients either, however many processors there are.
    let server = Server::start(directory.path(), &["-w", "2"]);
    let register = |n: usize| Raw::register(&server.addresses[n % 2], &format!("idle.client{n}"));
    // What the first clients make the server set up once is no cost of theirs.
    let _first: Vec<_> = (0..100).map(register).collect();
    let before = server.memory();
    let _clients: Vec<_> = (100..100 + CLIENTS).map(register).collect();
    let each = server.memory().saturating_sub(before) / CLIENTS;
    assert!(each <= 4096, "an idle client costs {each} bytes");

    // The last greetings are done when nothing is used any more; then a second of nothing is measured.
    let mut last = server.cpu();
    eventually("a second without processor time", || {
        thread::sleep(Duration::from_secs(1));
        let now = server.cpu();
        std::mem::replace(&mut last, now) == now
    });
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_bus() {
    let directory = tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_elbus-server"))
        .current_dir(directory.path())
        .args(["-v", "-B", "bus.sock", "-w", "2"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let address = elbus_broker::Address::Unix(directory.path().join("bus.sock"));
    eventually("the server listens", || {
        directory.path().join("bus.sock").exists()
    });
    eventually("the server accepts", || {
        std::os::unix::net::UnixStream::connect(directory.path().join("bus.sock")).is_ok()
    });
    // Every one of these is worth lines of the log; together they are several times what the pipe holds.
    for n in 0..2_000 {
        drop(Raw::register(&address, &format!("passing.by{n}")));
    }
    let mut client = Raw::register(&address, "client");
    client.expect_nothing();
    drop(client);
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
