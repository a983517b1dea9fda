//! Cores that stay awake while messages come in quick succession, in virtual machines.
//!
//! A guest halts a core that has nothing to do, and its host wakes it: that takes ten times as long as passing a message
//! on. Linux lets a program say how long it may take ("PM QoS"): as long as somebody has written 0 to
//! `/dev/cpu_dma_latency` and has it open, idle cores look for work instead of sleeping. They give way to whatever wants
//! to run, unlike a program that spins. The price is power, and a tenth of the speed where cores share
//! their parts and hardly idle; so it is asked for when workers sleep and wake in quick succession while the machine has
//! time to spare, until they do so no more, and not on machines with many cores, all of which would look.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Where the request is made. Root may, and whom root lets.
const DEVICE: &str = "/dev/cpu_dma_latency";

/// What lets cores sleep: in a guest that is to keep them from it, this driver.
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";
const DRIVER_OF_GUESTS: &str = "haltpoll";

/// How cores have spent their time.
const TIMES: &str = "/proc/stat";

/// On machines with more cores they sleep as they like.
const MOST_CORES: usize = 8;

/// Microseconds that waking may take while cores are kept awake.
const AWAKE: i32 = 0;

/// What the kernel takes for no request.
const AS_IT_LIKES: i32 = 2_000_000_000;

/// From so many sleeps of workers a second on, cores are kept awake: one each 200 microseconds, which is as long as Linux
/// itself, unless told otherwise, looks for work in a guest before it halts a core.
const FROM: f64 = 5_000.0;

/// Until there are fewer than this.
const UNTIL: f64 = 2_500.0;

/// The part of their time for which cores have nothing to do, when they are to be kept awake: with less of it
/// somebody is awake as a rule.
const IDLE: f64 = 0.25;

/// Sleeps between two looks at their rate: the keeper is not woken for each, and never on a quiet bus.
const STEP: u64 = 1_024;

/// How often the keeper looks at most.
const INTERVAL: Duration = Duration::from_millis(50);

/// Keeps the cores of the machine awake while the workers of this process hardly get to sleep.
pub(crate) struct KeepAwake {
    sleeps: Arc<AtomicU64>,
    keeper: Thread,
}

impl KeepAwake {
    /// Starts the thread that does it, on a machine on which it is of use.
    pub(crate) fn start() -> io::Result<Self> {
        if fs::read_to_string(DRIVER).unwrap_or_default().trim() != DRIVER_OF_GUESTS {
            return Err(unsuitable(format!("the idle driver is not {DRIVER_OF_GUESTS}")));
        }
        let cores = cores(&fs::read_to_string(TIMES)?);
        if cores > MOST_CORES {
            return Err(unsuitable(format!("{cores} cores are more than {MOST_CORES}")));
        }
        // To have it open asks for nothing yet.
        let device = OpenOptions::new().write(true).open(DEVICE);
        let device = device.map_err(|error| io::Error::new(error.kind(), format!("{DEVICE}: {error}")))?;
        Self::start_with(device, || Ok(Times::read(&fs::read_to_string(TIMES)?)))
    }

    fn start_with(device: File, times: impl Fn() -> io::Result<Times> + Send + 'static) -> io::Result<Self> {
        let sleeps = Arc::new(AtomicU64::new(0));
        let keeper = Keeper {
            device,
            times,
            sleeps: Arc::clone(&sleeps),
        };
        let thread = thread::Builder::new()
            .name("elbus-awake".to_owned())
            .spawn(move || {
                if let Err(error) = keeper.run() {
                    tracing::warn!(%error, "cores are not kept awake any more");
                }
            })?;
        Ok(Self {
            sleeps,
            keeper: thread.thread().clone(),
        })
    }

    /// A worker has nothing to do and goes to sleep.
    pub(crate) fn worker_sleeps(&self) {
        if (self.sleeps.fetch_add(1, Relaxed) + 1).is_multiple_of(STEP) {
            self.keeper.unpark();
        }
    }
}

fn unsuitable(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// The cores of the machine, also those that this process may not use, by `/proc/stat`.
fn cores(stat: &str) -> usize {
    let names = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    names
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        .count()
}

/// The thread that asks and lets go.
struct Keeper<F> {
    device: File,
    times: F,
    sleeps: Arc<AtomicU64>,
}

impl<F: Fn() -> io::Result<Times>> Keeper<F> {
    fn run(mut self) -> io::Result<()> {
        let mut last = self.look()?;
        loop {
            thread::park();
            thread::sleep(INTERVAL.saturating_sub(last.at.elapsed()));
            let now = self.look()?;
            let wanted = now.sleeps_since(&last) >= FROM && now.idle_since(&last) >= IDLE;
            last = now;
            if wanted {
                last = self.keep_awake(last)?;
            }
        }
    }

    /// Until workers sleep longer again.
    fn keep_awake(&mut self, mut last: Look) -> io::Result<Look> {
        self.ask_for(AWAKE)?;
        tracing::debug!("messages come in quick succession: cores are kept awake");
        loop {
            thread::sleep(INTERVAL);
            let now = self.look()?;
            let wanted = now.sleeps_since(&last) >= UNTIL;
            last = now;
            if !wanted {
                break;
            }
        }
        self.ask_for(AS_IT_LIKES)?;
        tracing::debug!("cores may sleep again");
        Ok(last)
    }

    fn ask_for(&mut self, microseconds: i32) -> io::Result<()> {
        self.device.write_all(&microseconds.to_ne_bytes())
    }

    fn look(&self) -> io::Result<Look> {
        Ok(Look {
            at: Instant::now(),
            sleeps: self.sleeps.load(Relaxed),
            times: (self.times)()?,
        })
    }
}

/// How things stood at a moment.
struct Look {
    at: Instant,
    sleeps: u64,
    times: Times,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a moment are small")]
impl Look {
    /// Sleeps of workers a second.
    fn sleeps_since(&self, before: &Self) -> f64 {
        (self.sleeps - before.sleeps) as f64 / (self.at - before.at).as_secs_f64()
    }

    /// The part of their time for which cores had nothing to do.
    fn idle_since(&self, before: &Self) -> f64 {
        let idle = self.times.idle.saturating_sub(before.times.idle);
        let all = self.times.all.saturating_sub(before.times.all);
        idle as f64 / all.max(1) as f64
    }
}

/// How the cores have spent their time since the system started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Times {
    /// From the first line of `/proc/stat`: user, nice, system, idle, and what else there is.
    fn read(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        let ticks = line
            .split_whitespace()
            .skip(1)
            .map(|ticks| ticks.parse().unwrap_or(0));
        let ticks: Vec<u64> = ticks.collect();
        Self {
            idle: ticks.get(3).copied().unwrap_or(0),
            all: ticks.iter().sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use tempfile::NamedTempFile;

    use super::*;

    /// Far longer than anything here takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A file for the device, on a machine whose cores idle for so many of a hundred ticks.
    fn start(idle: u64) -> (KeepAwake, NamedTempFile) {
        let device = NamedTempFile::new().unwrap();
        let ticks = AtomicU64::new(0);
        let times = move || {
            let n = ticks.fetch_add(1, Relaxed);
            Ok(Times {
                idle: n * idle,
                all: n * 100,
            })
        };
        let awake = KeepAwake::start_with(device.reopen().unwrap(), times).unwrap();
        (awake, device)
    }

    /// What was written to the device.
    fn asked(device: &NamedTempFile) -> Vec<i32> {
        let bytes = fs::read(device.path()).unwrap();
        bytes
            .chunks(4)
            .map(|four| i32::from_ne_bytes(four.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn cores_are_kept_awake_while_workers_hardly_sleep_and_let_go_afterwards() {
        let (awake, device) = start(50);
        let began = Instant::now();
        while asked(&device).is_empty() {
            assert!(began.elapsed() < PATIENCE, "cores are not kept awake");
            (0..64).for_each(|_| awake.worker_sleeps());
        }
        while asked(&device).len() < 2 {
            assert!(began.elapsed() < 2 * PATIENCE, "cores are not let go");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(asked(&device)[..2], [AWAKE, AS_IT_LIKES]);
    }

    #[test]
    fn nothing_is_asked_for_while_workers_sleep_longer() {
        let (awake, device) = start(50);
        for _ in 0..3 * STEP {
            awake.worker_sleeps();
            thread::sleep(Duration::from_micros(500));
        }
        assert_eq!(asked(&device), []);
    }

    #[test]
    fn nothing_is_asked_for_while_cores_hardly_idle() {
        let (awake, device) = start(20);
        let began = Instant::now();
        while began.elapsed() < 4 * INTERVAL {
            (0..64).for_each(|_| awake.worker_sleeps());
        }
        assert_eq!(asked(&device), []);
    }

    #[test]
    fn times_are_read_from_what_the_kernel_says() {
        let stat = "cpu  10 1 5 70 4 0 2 8 0 0\ncpu0 5 1 2 35 2 0 1 4 0 0\n";
        assert_eq!(Times::read(stat), Times { idle: 70, all: 100 });
        assert_eq!(cores(stat), 1);
        assert_eq!(Times::read(""), Times { idle: 0, all: 0 });
    }
}
