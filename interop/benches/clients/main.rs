//! Our client library against the published ones, all on our broker, in one run.
//!
//! Every library in turn does the same work in this process, several rounds, and so do two programs without one, which are
//! the limit; the broker is a process of its own. The figures are medians, CPU is this process's own time.
//! `cargo bench … -- ROUNDS` for more than three rounds.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on panics")]
mod inside;
mod raw;

use std::{
    collections::VecDeque,
    future::Future,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use busrt::client::AsyncClient as _;
use elbus::client::AsyncClient as _;
use raw::{Blocking, OnTokio};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

const PAYLOAD: [u8; 100] = [b'x'; 100];
const IN_FLIGHT: usize = 64;

/// What carries messages.
trait Carrier: Sized + Send + 'static {
    const NAME: &'static str;

    /// Sends without an acknowledgement.
    fn send(&mut self, target: &str, realtime: bool) -> impl Future<Output = ()> + Send;
    /// Waits for the next frame.
    fn receive(&mut self) -> impl Future<Output = ()> + Send;
    /// Nothing more is sent: what was gathered is written. Libraries do that by themselves.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A client library as this bench drives it.
trait Library: Carrier {
    /// An acknowledgement that is on its way.
    type Verdict: Send;

    fn connect(address: &str, name: &str) -> impl Future<Output = Self> + Send;
    /// Sends and answers what to wait for.
    fn ask(&mut self, target: &str) -> impl Future<Output = Self::Verdict> + Send;
    fn hear(verdict: Self::Verdict) -> impl Future<Output = ()> + Send;
}

struct Ours(elbus_client::Client, elbus_client::Inbox);

impl Carrier for Ours {
    const NAME: &'static str = "elbus-client (ours)";

    async fn send(&mut self, target: &str, realtime: bool) {
        use elbus_client::Qos;
        let qos = if realtime { Qos::Realtime } else { Qos::No };
        self.0.send(target, &PAYLOAD).qos(qos).await.unwrap();
    }

    async fn receive(&mut self) {
        self.1.recv().await.unwrap();
    }
}

impl Library for Ours {
    type Verdict = elbus_client::Confirmation;

    async fn connect(address: &str, name: &str) -> Self {
        let options = elbus_client::Options::new(name).address(address);
        let (client, inbox) = options.connect().await.unwrap();
        Self(client, inbox)
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        self.0.send(target, &PAYLOAD).confirm().await.unwrap()
    }

    async fn hear(verdict: Self::Verdict) {
        verdict.await.unwrap();
    }
}

struct Elbus<C>(C, elbus::EventChannel);

impl<C: elbus::client::AsyncClient + 'static> Carrier for Elbus<C> {
    const NAME: &'static str = "elbus 0.2.21";

    async fn send(&mut self, target: &str, realtime: bool) {
        let qos = if realtime {
            elbus::QoS::Realtime
        } else {
            elbus::QoS::No
        };
        self.0.send(target, PAYLOAD[..].into(), qos).await.unwrap();
    }

    async fn receive(&mut self) {
        self.1.recv().await.unwrap();
    }
}

impl Library for Elbus<elbus::ipc::Client> {
    type Verdict = elbus::OpConfirm;

    async fn connect(address: &str, name: &str) -> Self {
        let config = elbus::ipc::Config::new(address, name);
        let mut client = elbus::ipc::Client::connect(&config).await.unwrap();
        let frames = client.take_event_channel().unwrap();
        Self(client, frames)
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        let qos = elbus::QoS::Processed;
        self.0.send(target, PAYLOAD[..].into(), qos).await.unwrap()
    }

    async fn hear(verdict: Self::Verdict) {
        verdict.unwrap().await.unwrap().unwrap();
    }
}

struct Busrt<C>(C, busrt::EventChannel);

impl<C: busrt::client::AsyncClient + 'static> Carrier for Busrt<C> {
    const NAME: &'static str = "busrt 0.5.6";

    async fn send(&mut self, target: &str, realtime: bool) {
        let qos = if realtime {
            busrt::QoS::Realtime
        } else {
            busrt::QoS::No
        };
        self.0.send(target, PAYLOAD[..].into(), qos).await.unwrap();
    }

    async fn receive(&mut self) {
        self.1.recv().await.unwrap();
    }
}

impl Library for Busrt<busrt::ipc::Client> {
    type Verdict = busrt::OpConfirm;

    async fn connect(address: &str, name: &str) -> Self {
        let config = busrt::ipc::Config::new(address, name);
        let mut client = busrt::ipc::Client::connect(&config).await.unwrap();
        let frames = client.take_event_channel().unwrap();
        Self(client, frames)
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        let qos = busrt::QoS::Processed;
        self.0.send(target, PAYLOAD[..].into(), qos).await.unwrap()
    }

    async fn hear(verdict: Self::Verdict) {
        verdict.unwrap().await.unwrap().unwrap();
    }
}

/// What one round gave: operations, the time they took, this process's CPU time, and the times of single ones.
struct Round {
    count: u32,
    took: Duration,
    cpu: Duration,
    each: Vec<Duration>,
}

#[derive(Clone, Copy)]
enum Case {
    /// One task sends, another receives, nothing acknowledged.
    Flood,
    /// One task keeps 64 acknowledged messages in flight; the receiver receives them.
    InFlight,
    /// One real-time message at a time, there and back.
    PingPong,
}

impl Case {
    const ALL: [Self; 3] = [Self::Flood, Self::InFlight, Self::PingPong];

    const fn name(self) -> &'static str {
        match self {
            Self::Flood => "send and receive",
            Self::InFlight => "64 acknowledged in flight",
            Self::PingPong => "ping-pong",
        }
    }

    const fn count(self) -> u32 {
        match self {
            Self::Flood => 4_000_000,
            Self::InFlight => 1_000_000,
            Self::PingPong => 20_000,
        }
    }

    /// Names are used once: published clients take a while to leave.
    async fn run<L: Library>(self, address: &str, names: [&str; 2]) -> Round {
        let [one_name, other_name] = names.map(str::to_owned);
        let mut one = L::connect(address, &one_name).await;
        let mut other = L::connect(address, &other_name).await;
        let count = self.count();
        let (start, cpu) = (Instant::now(), cpu());
        let mut each = Vec::new();
        match self {
            Self::Flood | Self::InFlight => {
                let receiving = tokio::spawn(async move {
                    for _ in 0..count {
                        other.receive().await;
                    }
                });
                let sending = tokio::spawn(async move {
                    match self {
                        Self::InFlight => keep_in_flight(&mut one, &other_name, count).await,
                        _ => {
                            for _ in 0..count {
                                one.send(&other_name, false).await;
                            }
                            one.finish().await;
                        }
                    }
                    one
                });
                let _one = sending.await.unwrap();
                receiving.await.unwrap();
            }
            Self::PingPong => {
                let target = other_name.clone();
                let answering = tokio::spawn(async move {
                    for _ in 0..count {
                        other.receive().await;
                        other.send(&one_name, true).await;
                    }
                    other
                });
                for _ in 0..count {
                    let start = Instant::now();
                    one.send(&target, true).await;
                    one.receive().await;
                    each.push(start.elapsed());
                }
                answering.await.unwrap();
            }
        }
        Round {
            count,
            took: start.elapsed(),
            cpu: self::cpu() - cpu,
            each,
        }
    }
}

async fn keep_in_flight<L: Library>(one: &mut L, target: &str, count: u32) {
    let mut verdicts = VecDeque::with_capacity(IN_FLIGHT);
    for _ in 0..count {
        if verdicts.len() == IN_FLIGHT {
            L::hear(verdicts.pop_front().unwrap()).await;
        }
        verdicts.push_back(one.ask(target).await);
    }
    for verdict in verdicts {
        L::hear(verdict).await;
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Our broker, killed when dropped.
struct Broker(Child);

impl Broker {
    fn start(socket: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--package", "elbus-server"])
            .args(["--target-dir", "target"])
            .current_dir(root)
            .status()
            .unwrap();
        assert!(built.success(), "elbus-server cannot be built");
        let mut process = Command::new(root.join("target/release/elbus-server"))
            .arg("-B")
            .arg(socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let introduction = BufReader::new(process.stdout.take().unwrap()).lines();
        let up = introduction
            .map_while(Result::ok)
            .any(|line| line.starts_with("Ctrl-C"));
        assert!(up, "elbus-server does not start");
        Self(process)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn percentile(each: &mut [Duration], percent: usize) -> f64 {
    each.sort_unstable();
    each[(each.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// The medians of one library in one case: operations a second, CPU nanoseconds each, p50 and p99 in microseconds.
struct Figures {
    library: &'static str,
    rate: f64,
    cpu: f64,
    times: Option<(f64, f64)>,
}

impl Figures {
    fn of(library: &'static str, rounds: &mut [Round]) -> Self {
        let count = |round: &Round| f64::from(round.count);
        let rate = median(rounds.iter().map(|r| count(r) / r.took.as_secs_f64()).collect());
        let cpu = median(
            rounds
                .iter()
                .map(|r| r.cpu.as_nanos() as f64 / count(r))
                .collect(),
        );
        let is_timed = !rounds[0].each.is_empty();
        let mut times = |percent| {
            median(
                rounds
                    .iter_mut()
                    .map(|r| percentile(&mut r.each, percent))
                    .collect(),
            )
        };
        let times = is_timed.then(|| (times(50), times(99)));
        Self {
            library,
            rate,
            cpu,
            times,
        }
    }
}

fn measure(runtime: &Runtime, address: &str, case: Case, rounds: usize) {
    let mut results: [Vec<Round>; 5] = Default::default();
    for round in 0..rounds {
        eprint!("\r{}: round {} of {rounds} ", case.name(), round + 1);
        // In turns, so that whatever else the machine does hits all of them.
        let names = ["a", "b", "c", "d", "e"].map(|library| {
            ["one", "other"].map(|end| format!("{end}.{library}.{round}.{}", case.name().replace(' ', "-")))
        });
        let [ours, elbus, busrt, tokio, raw] =
            names.each_ref().map(|names| names.each_ref().map(String::as_str));
        // Each is the first one in its turn: what the machine has to get used to is not always the same one's.
        for turn in 0..results.len() {
            let library = (round + turn) % results.len();
            results[library].push(match library {
                0 => runtime.block_on(case.run::<Ours>(address, ours)),
                1 => runtime.block_on(case.run::<Elbus<_>>(address, elbus)),
                2 => runtime.block_on(case.run::<Busrt<_>>(address, busrt)),
                3 => runtime.block_on(case.run::<OnTokio>(address, tokio)),
                _ => runtime.block_on(case.run::<Blocking>(address, raw)),
            });
        }
    }
    eprint!("\r\x1b[K");
    let names = [
        Ours::NAME,
        Elbus::<elbus::ipc::Client>::NAME,
        Busrt::<busrt::ipc::Client>::NAME,
        OnTokio::NAME,
        Blocking::NAME,
    ];
    print(case.name(), names, results);
}

/// Prints a line for each of `names`, whose rounds are in `results`; the first one is compared with the others.
fn print<const N: usize>(title: &str, names: [&'static str; N], mut results: [Vec<Round>; N]) {
    let figures: Vec<_> = names
        .into_iter()
        .zip(&mut results)
        .map(|(name, rounds)| Figures::of(name, rounds))
        .collect();
    println!("\n{title}");
    for figure in &figures {
        let times = figure.times.map_or_else(String::new, |(p50, p99)| {
            format!("  p50 {p50:.0} µs, p99 {p99:.0} µs")
        });
        println!(
            "  {:20} {:>8.0} k/s  {:>6.0} ns CPU each  ours: {:.1} times the rate, {:.2} of the CPU{times}",
            figure.library,
            figure.rate / 1e3,
            figure.cpu,
            figures[0].rate / figure.rate,
            figures[0].cpu / figure.cpu,
        );
    }
}

fn main() {
    // `cargo bench` adds flags of its own.
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(3);
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let _broker = Broker::start(&socket);
    let runtime = Runtime::new().unwrap();
    for case in Case::ALL {
        measure(&runtime, socket.to_str().unwrap(), case, rounds);
    }
    inside::measure(&runtime, rounds);
}
