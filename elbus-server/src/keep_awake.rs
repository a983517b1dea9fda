//! Cores that stay awake while messages come in quick succession.
//!
//! Waking a core that sleeps can take ten times as long as passing a message on. Linux lets a program say how long it
//! may take ("PM QoS"): as long as somebody has written 0 to `/dev/cpu_dma_latency` and has it open, idle cores look for
//! work instead of sleeping. They give way to whatever wants to run, so that nothing runs slower, as it does beside a
//! program that spins. The price is power; it is paid only while cores would sleep for less than 200 microseconds at a
//! time.
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Where the request is made. Root may, and whom root lets.
const DEVICE: &str = "/dev/cpu_dma_latency";

/// Microseconds that waking may take while cores are kept awake.
const AWAKE: i32 = 0;

/// What the kernel takes for no request.
const AS_IT_LIKES: i32 = 2_000_000_000;

/// From so many sleeps of workers a second on, cores are kept awake: one each 200 microseconds, which is as long as Linux
/// itself, unless told otherwise, looks for work in a guest before it halts a core.
const FROM: f64 = 5_000.0;

/// Until there are fewer than this.
const UNTIL: f64 = 2_500.0;

/// Sleeps between two looks at their rate: the keeper is not woken for each, and never on a quiet bus.
const STEP: u64 = 1_024;

/// How often the keeper looks whether it may let go.
const INTERVAL: Duration = Duration::from_millis(50);

/// Keeps the cores of the machine awake while the workers of this process hardly get to sleep.
pub(crate) struct KeepAwake {
    sleeps: Arc<AtomicU64>,
    keeper: Thread,
}

impl KeepAwake {
    /// Starts the thread that does it.
    pub(crate) fn start() -> io::Result<Self> {
        Self::start_at(DEVICE.as_ref())
    }

    fn start_at(device: &Path) -> io::Result<Self> {
        // To have it open asks for nothing yet.
        let device = OpenOptions::new().write(true).open(device)?;
        let sleeps = Arc::new(AtomicU64::new(0));
        let keeper = Keeper {
            device,
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

/// The thread that asks and lets go.
struct Keeper {
    device: File,
    sleeps: Arc<AtomicU64>,
}

impl Keeper {
    fn run(mut self) -> io::Result<()> {
        let mut rate = Rate::from_now(&self.sleeps);
        loop {
            thread::park();
            // Woken for a step that was counted before cores were let go.
            if rate.counted(&self.sleeps) < STEP {
                continue;
            }
            if rate.per_second(&self.sleeps) >= FROM {
                self.ask_for(AWAKE)?;
                tracing::debug!("messages come in quick succession: cores are kept awake");
                thread::sleep(INTERVAL);
                while rate.per_second(&self.sleeps) >= UNTIL {
                    thread::sleep(INTERVAL);
                }
                self.ask_for(AS_IT_LIKES)?;
                tracing::debug!("cores may sleep again");
            }
        }
    }

    fn ask_for(&mut self, microseconds: i32) -> io::Result<()> {
        self.device.write_all(&microseconds.to_ne_bytes())
    }
}

/// Sleeps from one look to the next.
struct Rate {
    since: Instant,
    seen: u64,
}

impl Rate {
    fn from_now(sleeps: &AtomicU64) -> Self {
        Self {
            since: Instant::now(),
            seen: sleeps.load(Relaxed),
        }
    }

    fn counted(&self, sleeps: &AtomicU64) -> u64 {
        sleeps.load(Relaxed) - self.seen
    }

    /// Sleeps a second since the last look, which this is from now on.
    #[expect(clippy::cast_precision_loss, reason = "counts of a moment are small")]
    fn per_second(&mut self, sleeps: &AtomicU64) -> f64 {
        let before = std::mem::replace(self, Self::from_now(sleeps));
        (self.seen - before.seen) as f64 / (self.since - before.since).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
    use std::fs;

    use tempfile::NamedTempFile;

    use super::*;

    /// What was written to the file that stands for the device.
    fn asked(device: &NamedTempFile) -> Vec<i32> {
        let bytes = fs::read(device.path()).unwrap();
        bytes
            .chunks(4)
            .map(|four| i32::from_ne_bytes(four.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn cores_are_kept_awake_while_workers_hardly_sleep_and_let_go_afterwards() {
        let device = NamedTempFile::new().unwrap();
        let awake = KeepAwake::start_at(device.path()).unwrap();
        while asked(&device).is_empty() {
            (0..16).for_each(|_| awake.worker_sleeps());
        }
        while asked(&device).len() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(asked(&device)[..2], [AWAKE, AS_IT_LIKES]);
    }

    #[test]
    fn nothing_is_asked_for_while_workers_sleep_longer() {
        let device = NamedTempFile::new().unwrap();
        let awake = KeepAwake::start_at(device.path()).unwrap();
        for _ in 0..2 * STEP + 1 {
            awake.worker_sleeps();
            thread::sleep(Duration::from_micros(500));
        }
        assert_eq!(asked(&device), []);
    }

    #[test]
    fn who_may_not_ask_is_told() {
        let nowhere = tempfile::tempdir().unwrap();
        let error = KeepAwake::start_at(&nowhere.path().join("cpu_dma_latency")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
