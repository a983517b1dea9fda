//! Messages that the broker acknowledges, a fixed number of them on the way.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use elbus_proto::{
    Qos,
    delivery::{self, Delivery},
};

use super::{
    Bench, Sample,
    flood::{Pair, receive},
    measure::ns_since,
};
use crate::{
    control::Control,
    dialect::Dialect,
    failure::Failure,
    stamp::{Batch, operation_id},
    window::Window,
    wire::Connection,
};

const PAIRS: u32 = 4;
const PAYLOAD: usize = 100;

/// Runs four clients with `depth` operations on the way each; times every operation if `depth` is 1.
pub(crate) fn run(bench: &Bench, depth: u64, qos: Qos) -> Result<Sample, Failure> {
    // The acknowledgements limit the sender, not the window.
    let mut pairs = (0..PAIRS)
        .map(|number| Pair::connect(bench, number, qos, PAYLOAD, u64::MAX))
        .collect::<Result<Vec<_>, _>>()?;
    let done: Vec<AtomicU64> = pairs.iter().map(|_| AtomicU64::new(0)).collect();
    let control = bench.control();
    let (sample, times) = thread::scope(|scope| {
        let mut senders = Vec::new();
        for (pair, done) in pairs.iter_mut().zip(&done) {
            let Pair {
                flow,
                sender,
                receiver,
                window,
            } = pair;
            let (flow, window, control) = (&*flow, &*window, &control);
            let client = Client {
                batch: Batch::new(flow, depth),
                done,
                window,
                depth,
            };
            senders.push(scope.spawn(move || control.guard(|| client.run(sender, control))));
            scope.spawn(move || control.guard(|| receive(receiver, flow, window, control)));
        }
        let count = || done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
        let sample = bench.measure(&control, count);
        let times = senders.into_iter().filter_map(|sender| sender.join().ok()?);
        (sample, times.flatten().collect::<Vec<u32>>())
    });
    control.outcome()?;
    Ok(sample.with_times(times))
}

/// What the thread of one sender works with.
struct Client<'a> {
    batch: Batch,
    /// Operations acknowledged so far.
    done: &'a AtomicU64,
    window: &'a Window,
    depth: u64,
}

impl Client<'_> {
    /// Keeps `depth` operations on the way until told to stop; waits for the last one's acknowledgement. Returns
    /// how many ns each took, if there was only one at a time.
    fn run(mut self, sender: &mut Connection, control: &Control) -> Result<Vec<u32>, Failure> {
        let mut acks = Acknowledgements::default();
        let mut times = Vec::new();
        let mut sent = 0;
        while !control.is_stopping() {
            let room = (self.depth - (sent - acks.count)).min(self.batch.capacity());
            let start = Instant::now();
            sender.send(self.batch.numbered(sent, room), control)?;
            sent += room;
            acks.wait(sender, control)?;
            if self.depth == 1 {
                times.push(ns_since(start));
            }
            self.done.store(acks.count, Ordering::Relaxed);
        }
        while acks.count < sent {
            acks.wait(sender, control)?;
        }
        self.window.finish(sent);
        Ok(times)
    }
}

/// The acknowledgements of one connection, due in the order of its operations.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    /// How many have come.
    pub(crate) count: u64,
}

impl Acknowledgements {
    /// Waits for at least one and takes all that are there.
    pub(crate) fn wait(&mut self, sender: &mut Connection, control: &Control) -> Result<(), Failure> {
        let before = self.count;
        while self.count == before {
            sender.fill_or_tick("an acknowledgement", control)?;
            let used = match sender.dialect() {
                Dialect::Nats => self.take_lines(sender.unread())?,
                _ => self.take(sender.unread())?,
            };
            sender.consume(used);
            sender.counted(self.count);
        }
        Ok(())
    }

    fn take_lines(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut rest = bytes;
        loop {
            if let Some(behind) = rest.strip_prefix(b"+OK\r\n") {
                self.count += 1;
                rest = behind;
                continue;
            }
            match Dialect::Nats.other_frame(rest) {
                Ok(len) if len > 0 => rest = &rest[len..],
                // A line that is not all there.
                Ok(_) => return Ok(bytes.len() - rest.len()),
                Err(failure) => return Err(failure),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut rest = bytes;
        loop {
            if let Some(behind) =
                rest.strip_prefix(&delivery::acknowledgement(operation_id(self.count), Ok(())))
            {
                self.count += 1;
                rest = behind;
                continue;
            }
            match delivery::decode(rest) {
                Some(Ok((
                    Delivery::Acknowledgement {
                        result: Err(code), ..
                    },
                    _,
                ))) => {
                    return Err(Failure::Refused("a message", code));
                }
                Some(Ok((Delivery::Acknowledgement { id, .. }, _))) => {
                    return Err(Failure::Sequence {
                        expected: self.count,
                        found: id.into(),
                    });
                }
                _ => {}
            }
            match Dialect::Elbus.other_frame(rest)? {
                0 => return Ok(bytes.len() - rest.len()),
                len => rest = &rest[len..],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbus_proto::Code;

    #[test]
    fn acknowledgements_are_counted_between_pings() {
        let mut bytes = Vec::from(delivery::acknowledgement(0, Ok(())));
        bytes.extend_from_slice(&[0; delivery::HEADER_LEN]);
        bytes.extend_from_slice(&delivery::acknowledgement(1, Ok(())));
        bytes.push(0xFE);
        let mut acks = Acknowledgements::default();
        assert_eq!(acks.take(&bytes).unwrap(), bytes.len() - 1);
        assert_eq!(acks.count, 2);
    }

    #[test]
    fn a_refusal_and_a_missing_acknowledgement_are_failures() {
        let mut acks = Acknowledgements::default();
        let refused = delivery::acknowledgement(0, Err(Code::NotRegistered));
        assert!(matches!(
            acks.take(&refused),
            Err(Failure::Refused(_, Code::NotRegistered))
        ));
        let late = delivery::acknowledgement(1, Ok(()));
        assert!(matches!(
            acks.take(&late),
            Err(Failure::Sequence {
                expected: 0,
                found: 1
            })
        ));
    }
}
