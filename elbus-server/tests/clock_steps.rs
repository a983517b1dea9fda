//! The system's clock jumps: by days, forward and back. Needs libfaketime (Debian's package `faketime`), which shows
//! programs another time than the system has: `cargo test -p elbus-server --test clock_steps -- --ignored`.
//!
//! The test runs itself once more as a client that lives with the same clock as the server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use elbus_client::Qos;
use elbus_proto::{BROKER_INFO_TOPIC, Code, Op};
use elbus_testkit::{Got, PATIENCE, Raw, frame};
use rustix::process::Signal;
use support::{Process, Server};
use tempfile::tempdir;

/// Of the server: long enough for what is done in it on a machine that stands still for seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

const ADDRESS: &str = "ELBUS_TEST_ADDRESS";

/// The clock that programs are shown.
struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    fn new(directory: &Path) -> Self {
        let found = fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
            let library = entry.unwrap().path().join("faketime/libfaketimeMT.so.1");
            library.exists().then_some(library)
        });
        let library = found.expect("this test needs libfaketime: install Debian's package faketime");
        let clock = Self {
            file: directory.join("clock"),
            library,
        };
        clock.step("+0");
        clock
    }

    fn show(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }

    /// From now on it shows so much more, or less, than the system's clock.
    fn step(&self, difference: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, difference).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

/// Not a test by itself: a client that asks for acknowledgements, and says when it got so many.
#[test]
#[ignore = "run by the test below, with another clock"]
fn is_a_client() {
    let Ok(address) = env::var(ADDRESS) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connecting = elbus_client::Options::new("runner").address(address.as_str());
        let (client, mut inbox) = connecting.connect().await.unwrap();
        for lap in 0_u64.. {
            let payload = lap.to_le_bytes();
            // While there is no connection this fails.
            let sending = client.send("runner", &payload[..]).qos(Qos::Processed);
            sending.await.unwrap();
            assert_eq!(inbox.recv().await.unwrap().payload(), &payload[..]);
            if lap % 100 == 0 {
                println!("{LAPS} {lap}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

const LAPS: &str = "laps:";

fn expect_laps(runner: &mut Process) {
    for _ in 0..3 {
        while !runner.line().expect("the client goes on").contains(LAPS) {}
    }
}

/// What the server's clock shows: it says so when a client comes.
fn server_clock(server: &Server, listener: &mut Raw) -> Duration {
    let stranger = server.client("stranger");
    let (_, announcement) = listener.message();
    drop(stranger);
    let _left = listener.message();
    // `{s, d, t}` in MessagePack: the last eight bytes are nanoseconds since 1970.
    Duration::from_nanos(u64::from_be_bytes(*announcement.last_chunk().unwrap()))
}

#[test]
#[ignore = "needs libfaketime, to let the clock jump"]
fn nobody_is_dropped_and_no_time_out_ends_early_or_late_when_the_clock_jumps() {
    let directory = tempdir().unwrap();
    let clock = Clock::new(directory.path());
    let socket = directory.path().join("bus.sock");
    let mut command = support::command(directory.path());
    clock.show(
        command
            .arg("-B")
            .arg(&socket)
            .args(["--timeout", &TIMEOUT.as_secs().to_string()]),
    );
    let mut server = Server::run(&mut command);
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "is_a_client", "--ignored", "--nocapture"])
        .env(ADDRESS, &socket);
    clock.show(&mut command);
    let mut runner = Process::spawn(&mut command);
    expect_laps(&mut runner);
    let mut listener = server.client("listener");
    listener.subscribe(BROKER_INFO_TOPIC);

    let mut shown = server_clock(&server, &mut listener);
    for step in ["+10d", "-10d", "+1d"] {
        // In the middle of a frame, and of a greeting.
        let mut halfway = server.client("halfway");
        let _ = listener.message();
        let whole = frame(1, Op::Message, Qos::Processed, b"nobody\0late");
        halfway.write(&whole[..12]);
        let mut greeting = Raw::connect(&server.addresses[0]);
        greeting.greet();
        let start = Instant::now();
        let mut never_whole = Raw::connect(&server.addresses[0]);
        never_whole.greet();

        clock.step(step);
        let now = server_clock(&server, &mut listener);
        assert!(
            now.abs_diff(shown) > Duration::from_secs(86_400),
            "{step}: it did not jump"
        );
        shown = now;

        halfway.write(&whole[12..]);
        assert_eq!(halfway.got(), Got::Ack(1, Err(Code::NotRegistered)), "{step}");
        drop(halfway);
        let _ = listener.message();
        greeting.say_name(b"greeted");
        let _ = listener.message();
        drop(greeting);
        let _ = listener.message();
        expect_laps(&mut runner);
        // Time-outs last as long as ever.
        never_whole.expect_end();
        let took = start.elapsed();
        assert!(took >= TIMEOUT && took < PATIENCE + TIMEOUT, "{step}: {took:?}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}
