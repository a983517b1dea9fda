//! Pairs of a sender and a receiver, as many messages a second as the broker passes on.
use std::thread;

use elbus_proto::{Qos, delivery::Kind};

use super::{Bench, Sample, idle};
use crate::{
    control::Control,
    failure::Failure,
    stamp::{Batch, Checker, Flow},
    window::Window,
    wire::Connection,
};

/// A receiver's buffer holds at least this many bytes.
const BUFFER: usize = 256 << 10;

/// How many pairs send what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Pairs of a sender and a receiver.
    pub(crate) pairs: u32,
    /// Payload bytes.
    pub(crate) payload: usize,
    /// Most messages on the way, for each pair.
    pub(crate) window: u64,
}

/// A flow between two clients, with the window that limits it.
#[derive(Debug)]
pub(crate) struct Pair {
    /// What is sent.
    pub(crate) flow: Flow,
    /// Sends.
    pub(crate) sender: Connection,
    /// Receives.
    pub(crate) receiver: Connection,
    /// Limits what is on the way.
    pub(crate) window: Window,
}

impl Pair {
    /// Registers both clients of pair `number`; the sender can read acknowledgements.
    pub(crate) fn connect(
        bench: &Bench,
        number: u32,
        qos: Qos,
        payload: usize,
        window: u64,
    ) -> Result<Self, Failure> {
        let flow = Flow {
            number,
            sender: format!("load.s{number}"),
            addresses: vec![format!("load.r{number}")],
            kind: Kind::Message,
            qos,
            payload,
            dialect: bench.target.dialect,
        };
        let buffer = BUFFER.max(4 * flow.delivered_len());
        let (sender, receiver) = (&flow.sender[..], &flow.addresses[0][..]);
        Ok(Self {
            receiver: Connection::linked(&bench.target, [receiver, sender], "receiver", buffer)?,
            sender: match qos.is_acknowledged() {
                true => Connection::acknowledged(&bench.target, sender, "sender", BUFFER)?,
                false => Connection::linked(&bench.target, [sender, receiver], "sender", BUFFER)?,
            },
            window: Window::new(window),
            flow,
        })
    }
}

/// Runs the pairs for the measured time, beside so many clients that say nothing.
pub(crate) fn run(bench: &Bench, shape: Shape, idle: u32) -> Result<Sample, Failure> {
    let _idle = idle::connect(bench, idle)?;
    let mut pairs = (0..shape.pairs)
        .map(|number| Pair::connect(bench, number, Qos::No, shape.payload, shape.window))
        .collect::<Result<Vec<_>, _>>()?;
    let control = bench.control();
    let sample = thread::scope(|scope| {
        let mut windows = Vec::new();
        for pair in &mut pairs {
            let Pair {
                flow,
                sender,
                receiver,
                window,
            } = pair;
            let (flow, window, control) = (&*flow, &*window, &control);
            let batch = Batch::new(flow, shape.window / 2);
            scope.spawn(move || control.guard(|| send(sender, batch, window, control)));
            scope.spawn(move || control.guard(|| receive(receiver, flow, window, control)));
            windows.push(window);
        }
        bench.measure(&control, || windows.iter().map(|window| window.received()).sum())
    });
    control.outcome()?;
    Ok(sample)
}

/// Sends whole batches as the window permits, until the run is told to stop.
pub(crate) fn send(
    sender: &mut Connection,
    mut batch: Batch,
    window: &Window,
    control: &Control,
) -> Result<(), Failure> {
    let count = batch.capacity();
    let mut sent = 0;
    while !control.is_stopping() {
        window.wait_for_room(sent, count, control)?;
        sender.send(batch.numbered(sent, count), control)?;
        sent += count;
        sender.counted(sent);
    }
    window.finish(sent);
    Ok(())
}

/// Receives and checks everything that is sent.
pub(crate) fn receive(
    receiver: &mut Connection,
    flow: &Flow,
    window: &Window,
    control: &Control,
) -> Result<(), Failure> {
    let mut checker = Checker::new(flow);
    while !window.is_complete(checker.count()) {
        receiver.fill_or_tick("messages to arrive", control)?;
        let used = checker.check(receiver.unread())?;
        receiver.consume(used);
        receiver.counted(checker.count());
        window.advance(checker.count());
    }
    Ok(())
}
