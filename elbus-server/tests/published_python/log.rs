//! A real log goes over the bus whole: line by line, in order, byte for byte.
use std::{fmt::Write, fs};

use tempfile::tempdir;

use crate::{finish, start, support::Server};

const LINES: u64 = 100_000;

/// A log as a machine writes it: the same on every run, with lines of very different lengths, some of them in other
/// languages, some empty, and none at the end of the last one.
fn log() -> String {
    let mut random = Random(0x5EED);
    let mut log = String::new();
    for n in 0..LINES {
        let (day, second) = (n / 20_000 + 1, n % 86_400);
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            log,
            "2024-05-{day:02}T{h:02}:{m:02}:{s:02}.{:06}Z ",
            random.below(1_000_000)
        )
        .unwrap();
        match random.below(12) {
            0 => write!(
                log,
                "kernel: [{:>5}.{:06}] eth0: link becomes ready",
                n / 7,
                random.below(1_000_000)
            ),
            1 => write!(
                log,
                "sshd[{}]: Failed password for root from 203.0.113.{} port {} ssh2",
                900 + n % 100,
                random.below(256),
                1024 + random.below(60_000)
            ),
            2 => write!(
                log,
                "nginx: 198.51.100.{} \"GET /items/{}?q=a%20b HTTP/1.1\" 200 {} \"-\" \"Mozilla/5.0\"",
                random.below(256),
                random.below(1_000_000),
                random.below(100_000)
            ),
            3 => write!(
                log,
                "cron[{}]: (root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
                random.below(32_768)
            ),
            4 => write!(
                log,
                "panel: Temperatur {}.{} °C – Lüfter läuft, 温度正常",
                random.below(90),
                random.below(10)
            ),
            5 => write!(
                log,
                "app: {{\"level\":\"warn\",\"trace\":\"{:016x}\",\"tags\":[\"a\",\"b\\u0000\"]}}",
                random.next()
            ),
            6 => write!(
                log,
                "app: Traceback (most recent call last):\n\tFile \"app.py\", line {}\n\n",
                random.below(500)
            ),
            7 => write!(
                log,
                "db: slow query: SELECT {}1",
                "column, ".repeat(random.below(60) as usize)
            ),
            8 => write!(
                log,
                "\x1b[31mERROR\x1b[0m disk: I/O error, dev sda, sector {}\r",
                random.next() >> 24
            ),
            _ => write!(
                log,
                "pump.{}: flow={}l/min pressure={}kPa",
                random.below(40),
                random.below(900),
                random.below(500)
            ),
        }
        .unwrap();
        if n + 1 < LINES {
            log.push('\n');
        }
    }
    log
}

/// A generator of numbers that look random and are the same on every run (xorshift64).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    const fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// One client publishes the log, another writes what it receives to a file.
fn carry(transport: usize, publisher: &str, receiver: &str) {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &["--stall-timeout", "20"]);
    let address = server.addresses[transport].to_string();
    let [sent, received] = ["sent.log", "received.log"].map(|name| directory.path().join(name));
    fs::write(&sent, log()).unwrap();
    let mut receiving = start(
        "receive_log.py",
        &[receiver, &address, received.to_str().unwrap()],
    );
    assert_eq!(
        receiving.line().as_deref(),
        Some("ready"),
        "{}",
        receiving.errors()
    );
    finish(start(
        "publish_log.py",
        &[publisher, &address, sent.to_str().unwrap()],
    ));
    finish(receiving);
    let (sent, received) = (fs::read(sent).unwrap(), fs::read(received).unwrap());
    assert!(
        sent == received,
        "{} bytes sent, {} received, or others",
        sent.len(),
        received.len()
    );
}

#[test]
fn a_log_of_100_000_lines_goes_from_elbus_to_busrt_over_a_unix_socket() {
    carry(0, "elbus", "busrt");
}

#[test]
fn a_log_of_100_000_lines_goes_from_busrt_to_busrt_async_over_tcp() {
    carry(1, "busrt", "busrt_async");
}

#[test]
#[ignore = "takes 90 s; the second stage of .ci/run runs it"]
fn a_log_of_100_000_lines_goes_from_each_library_to_each_other_one() {
    let libraries = ["elbus", "busrt", "busrt_async"];
    for transport in 0..2 {
        for publisher in libraries {
            for receiver in libraries {
                carry(transport, publisher, receiver);
            }
        }
    }
}
