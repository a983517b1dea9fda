//! Several connections that do what the input says, step by step.
use std::cell::RefCell;

use elbus_proto::{Op, Qos};

use crate::bus::{Bus, WITNESS, Wire, frame};

thread_local! {
    static BUS: RefCell<Bus> = RefCell::new(Bus::new());
}

const NAMES: [&str; 4] = ["a.b", "a.c", "a.b%%1", "d"];

const OPS: [Op; 9] = [
    Op::Nop,
    Op::Publish,
    Op::Subscribe,
    Op::Unsubscribe,
    Op::Exclude,
    Op::Unexclude,
    Op::PublishFor,
    Op::Message,
    Op::Broadcast,
];
const QOS: [Qos; 4] = [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed];

/// Times that a repeated frame is sent: enough to fill a queue.
const REPEATED: usize = 200;

/// One step of an input.
enum Step<'a> {
    /// Bytes as they are.
    Raw(&'a [u8]),
    /// A frame with a good header.
    Frame { op: Op, qos: Qos, body: &'a [u8] },
    /// The same, many times over.
    Repeated { op: Op, qos: Qos, body: &'a [u8] },
    /// Says that nothing more will be written.
    Finish,
    /// Closes the connection and comes again.
    Again,
    /// Lets the broker read.
    Rest,
}

/// Takes the next step off the input:
///
/// ```text
/// connection (2 bits) + kind (3 bits) + QoS (2 bits)   [op]   [length, bytes]
/// ```
fn step<'a>(data: &mut &'a [u8]) -> Option<(usize, Step<'a>)> {
    let first = byte(data)?;
    let qos = QOS[usize::from(first >> 5) % QOS.len()];
    let step = match first >> 2 & 7 {
        0 | 1 => Step::Raw(bytes(data)),
        2 | 3 => Step::Frame {
            op: OPS[usize::from(byte(data)?) % OPS.len()],
            qos,
            body: bytes(data),
        },
        4 => Step::Repeated {
            op: OPS[usize::from(byte(data)?) % OPS.len()],
            qos,
            body: bytes(data),
        },
        5 => Step::Finish,
        6 => Step::Again,
        _ => Step::Rest,
    };
    Some((usize::from(first & 3), step))
}

fn byte(data: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = data.split_first()?;
    *data = rest;
    Some(first)
}

fn bytes<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(byte(data).unwrap_or(0)).min(data.len());
    let (bytes, rest) = data.split_at(len);
    *data = rest;
    bytes
}

/// Steps of four connections, of which one is the secondary of another.
pub fn session(mut data: &[u8]) {
    BUS.with_borrow_mut(|bus| {
        bus.run(async |bus| {
            let mut wires = Vec::new();
            for name in NAMES {
                wires.push(bus.client(name).await);
            }
            let mut id = 0;
            while let Some((which, step)) = step(&mut data) {
                id += 1;
                match step {
                    Step::Raw(bytes) => write(bus, &mut wires, which, bytes).await,
                    Step::Frame { op, qos, body } => {
                        write(bus, &mut wires, which, &frame(id, op, qos, body)).await;
                    }
                    Step::Repeated { op, qos, body } => {
                        let frames = frame(id, op, qos, body).repeat(REPEATED);
                        write(bus, &mut wires, which, &frames).await;
                    }
                    Step::Finish => {
                        // The broker may have closed it already.
                        let _ = tokio::io::AsyncWriteExt::shutdown(&mut wires[which].stream).await;
                    }
                    Step::Again => again(bus, &mut wires, which).await,
                    Step::Rest => rest(bus, &mut wires).await,
                }
            }
            rest(bus, &mut wires).await;
            for wire in &wires {
                let names = NAMES.map(str::as_bytes);
                wire.expect_frames(|sender| {
                    names.contains(&sender) || sender == WITNESS.as_bytes() || sender == b".broker"
                });
            }
        });
        bus.expect_order();
    });
}

/// Writes all of it, while the others read; or as much as the broker takes.
async fn write(bus: &Bus, wires: &mut [Wire], which: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match wires[which].try_write(bytes) {
            None => return,
            Some(0) => rest(bus, wires).await,
            Some(n) => bytes = &bytes[n..],
        }
    }
}

async fn rest(bus: &Bus, wires: &mut [Wire]) {
    tokio::task::yield_now().await;
    wires.iter_mut().for_each(Wire::try_hear);
    bus.witness_hears();
}

/// Closes a connection, and comes again under the same name when that is free. A secondary may find its primary gone.
async fn again(bus: &Bus, wires: &mut [Wire], which: usize) {
    if NAMES[which].contains("%%") {
        return;
    }
    let is_on = || {
        bus.broker
            .clients()
            .iter()
            .any(|client| client.name == NAMES[which])
    };
    wires[which] = bus.connect().await;
    while is_on() {
        // What it had sent is carried out first, for which the others have to read.
        rest(bus, wires).await;
    }
    wires[which] = bus.client(NAMES[which]).await;
}
