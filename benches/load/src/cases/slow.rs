//! A receiver that reads more slowly than its sender sends: nothing may be lost, and both must stay connected.
use std::{
    thread,
    time::{Duration, Instant},
};

use elbus_proto::{Op, Qos, delivery::Kind};

use super::{Bench, Sample, ack::Acknowledgements, measure::per};
use crate::{
    control::Control,
    dialect::Dialect,
    failure::Failure,
    stamp::{Batch, Checker, Flow},
    usage::CpuTime,
    wire::{Connection, request},
};

const MESSAGES: u64 = 300_000;
const PAYLOAD: usize = 100;
/// The receiver reads this many bytes at once.
const READ: usize = 4 << 10;
/// And at most this many in a second.
const BYTES_PER_SECOND: f64 = 12e6;
/// How long everything may take; the pace alone makes it 3 s.
const LIMIT: Duration = Duration::from_secs(60);
const SENDER: &str = "load.fast";
const RECEIVER: &str = "load.slow";
const AFTERWARDS: &[u8] = b"still there?";

/// Sends everything as fast as the broker takes it, and then one more message to see that both are still there.
pub(crate) fn run(bench: &Bench) -> Result<Sample, Failure> {
    let flow = Flow {
        number: 0,
        sender: SENDER.into(),
        addresses: vec![RECEIVER.into()],
        kind: Kind::Message,
        qos: Qos::No,
        payload: PAYLOAD,
        dialect: bench.target.dialect,
    };
    if bench.target.dialect != Dialect::Elbus {
        return Err(Failure::NotOffered(
            "its last message is acknowledged as elbus does",
        ));
    }
    let mut receiver = Connection::client(&bench.target, RECEIVER, "receiver", READ)?;
    let mut sender = Connection::client(&bench.target, SENDER, "sender", READ)?;
    let control = Control::new(LIMIT);
    let cpu = CpuTime::of(bench.broker);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| control.guard(|| send_all(&mut sender, &flow, &control)));
        scope.spawn(|| control.guard(|| receive_all(&mut receiver, &flow, &control)));
    });
    let elapsed = start.elapsed();
    let spent = CpuTime::of(bench.broker).since(&cpu);
    control.guard(|| prove_presence(&mut sender, &mut receiver, &control));
    control.outcome()?;
    Ok(Sample {
        headline: elapsed.as_secs_f64(),
        cpu_ns: per(spent, MESSAGES as f64),
        // Not the generator's: its threads have ended, and their time with them. It mostly sleeps here.
        ..Sample::default()
    })
}

fn send_all(sender: &mut Connection, flow: &Flow, control: &Control) -> Result<(), Failure> {
    let mut batch = Batch::new(flow, MESSAGES);
    let mut sent = 0;
    while sent < MESSAGES {
        let count = batch.capacity().min(MESSAGES - sent);
        sender.send(batch.numbered(sent, count), control)?;
        sent += count;
        sender.counted(sent);
    }
    Ok(())
}

fn receive_all(receiver: &mut Connection, flow: &Flow, control: &Control) -> Result<(), Failure> {
    let mut checker = Checker::new(flow);
    let start = Instant::now();
    let mut bytes = 0;
    while checker.count() < MESSAGES {
        receiver.fill_or_tick("messages to arrive", control)?;
        let used = checker.check(receiver.unread())?;
        receiver.consume(used);
        receiver.counted(checker.count());
        bytes += used;
        let due = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
    Ok(())
}

/// One acknowledged message from the sender to the receiver.
fn prove_presence(
    sender: &mut Connection,
    receiver: &mut Connection,
    control: &Control,
) -> Result<(), Failure> {
    let frame = request(0, Op::Message, Qos::Processed, RECEIVER, Some(AFTERWARDS));
    sender.send(&frame, control)?;
    Acknowledgements::default().wait(sender, control)?;
    while !receiver.unread().ends_with(AFTERWARDS) {
        receiver.fill_or_tick("the last message", control)?;
    }
    Ok(())
}
