//! One publisher, many subscribers of one topic.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use elbus_proto::{Qos, delivery::Kind};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
};

use super::{Bench, Sample, flood::send};
use crate::{
    control::Control,
    failure::Failure,
    stamp::{Batch, Checker, Flow},
    window::Window,
    wire::Connection,
};

const READERS: usize = 2;
const PAYLOAD: usize = 100;
/// Publications ahead of the slowest subscriber at most.
const WINDOW: u64 = 1024;
/// And copies of them, so that a thousand subscribers do not have 128 MiB on the way.
const COPIES: u64 = 64 * 1024;
const TOPIC: &str = "load/fanout";
/// Bytes of a subscriber's read buffer.
const BUFFER: usize = 64 << 10;
/// How long a reader waits before it looks whether the run goes on.
const SLICE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Runs the publisher for the measured time.
pub(crate) fn run(bench: &Bench, count: usize) -> Result<Sample, Failure> {
    let flow = Flow {
        number: 0,
        sender: "load.publisher".into(),
        addresses: vec![TOPIC.into()],
        kind: Kind::Publication,
        qos: Qos::No,
        payload: PAYLOAD,
        dialect: bench.target.dialect,
    };
    let control = bench.control();
    let mut subscribers = (0..count)
        .map(|number| subscribe(bench, number, &control))
        .collect::<Result<Vec<_>, _>>()?;
    let mut publisher = Connection::client(&bench.target, &flow.sender, "publisher", BUFFER)?;
    let most = WINDOW.min(COPIES / count as u64);
    let window = Window::new(most);
    let share = count.div_ceil(READERS);
    let readers: Vec<Progress> = (0..count.div_ceil(share)).map(|_| Progress::default()).collect();
    let sample = thread::scope(|scope| {
        let (flow, window, control, readers) = (&flow, &window, &control, &readers[..]);
        let batch = Batch::new(flow, most / 2);
        let publisher = &mut publisher;
        scope.spawn(move || control.guard(|| send(publisher, batch, window, control)));
        for (share, progress) in subscribers.chunks_mut(share).zip(readers) {
            scope.spawn(move || {
                control.guard(|| {
                    let mut reader = Reader::new(share, flow)?;
                    reader.run(control, |delivered, slowest| {
                        progress.delivered.store(delivered, Ordering::Relaxed);
                        progress.slowest.store(slowest, Ordering::Relaxed);
                        let all = readers
                            .iter()
                            .map(|reader| reader.slowest.load(Ordering::Relaxed));
                        window.advance(all.min().unwrap_or(0));
                        window.is_complete(slowest)
                    })
                })
            });
        }
        bench.measure(control, || {
            let delivered = |reader: &Progress| reader.delivered.load(Ordering::Relaxed);
            readers.iter().map(delivered).sum()
        })
    });
    control.outcome()?;
    Ok(sample)
}

/// How far one reader thread has come.
#[derive(Debug, Default)]
struct Progress {
    /// Copies received by all of its subscribers.
    delivered: AtomicU64,
    /// Publications received by the last of its subscribers.
    slowest: AtomicU64,
}

fn subscribe(bench: &Bench, number: usize, control: &Control) -> Result<Connection, Failure> {
    let name = format!("load.subscriber{number}");
    let mut subscriber = Connection::client(&bench.target, &name, "subscriber", BUFFER)?;
    subscriber.subscribe(&[TOPIC.into()], 0, control)?;
    subscriber.set_nonblocking()?;
    Ok(subscriber)
}

/// Several subscribers, read by one thread.
struct Reader<'a> {
    subscribers: Vec<(&'a mut Connection, Checker)>,
    epoll: rustix::fd::OwnedFd,
}

impl<'a> Reader<'a> {
    fn new(share: &'a mut [Connection], flow: &Flow) -> Result<Self, Failure> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(polling)?;
        for (index, subscriber) in (0..).zip(share.iter()) {
            let data = epoll::EventData::new_u64(index);
            epoll::add(&epoll, subscriber, data, epoll::EventFlags::IN).map_err(polling)?;
        }
        let subscribers = share
            .iter_mut()
            .map(|subscriber| (subscriber, Checker::new(flow)))
            .collect();
        Ok(Self { subscribers, epoll })
    }

    /// Reads whatever comes; `report` gets what all received and what the slowest received, and says whether that
    /// is everything.
    fn run(&mut self, control: &Control, report: impl Fn(u64, u64) -> bool) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(self.subscribers.len());
        while !self.is_complete(&report) {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&SLICE)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(polling(error)),
            }
            if events.is_empty() {
                control.tick("publications to arrive")?;
            }
            for event in &events {
                let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                if let Some((subscriber, checker)) = self.subscribers.get_mut(index) {
                    subscriber.fill()?;
                    let used = checker.check(subscriber.unread())?;
                    subscriber.consume(used);
                    subscriber.counted(checker.count());
                }
            }
        }
        Ok(())
    }

    fn is_complete(&self, report: impl Fn(u64, u64) -> bool) -> bool {
        let counts = || self.subscribers.iter().map(|(_, checker)| checker.count());
        report(counts().sum(), counts().min().unwrap_or(0))
    }
}

fn polling(error: Errno) -> Failure {
    Failure::Io("polling", error.into())
}
