//! Calls of the broker's own methods.
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use elbus_proto::{
    BROKER_NAME, Op, Qos,
    delivery::{self, Delivery, Kind},
};

use super::{Bench, Sample, measure::ns_since};
use crate::{
    control::Control,
    dialect::Dialect,
    failure::Failure,
    wire::{Connection, request},
};

const CLIENTS: u32 = 4;
const BUFFER: usize = 256 << 10;
/// First bytes of a request and of its reply.
const REQUEST: u8 = 0x01;
const REPLY: u8 = 0x11;

/// A method that the broker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Says that it is there.
    Test,
    /// Gives back 100 bytes.
    Benchmark,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Benchmark => "benchmark.test",
        }
    }

    /// MessagePack: nothing, or a string.
    fn params(self) -> Vec<u8> {
        match self {
            Self::Test => Vec::new(),
            Self::Benchmark => [&[0xD9, 98][..], &[b'x'; 98]].concat(),
        }
    }
}

/// Runs four clients with `depth` calls on the way each; times every call if `depth` is 1.
pub(crate) fn run(bench: &Bench, depth: u64, method: Method) -> Result<Sample, Failure> {
    if bench.target.dialect != Dialect::Elbus {
        return Err(Failure::NotOffered("it has no methods"));
    }
    let mut clients = (0..CLIENTS)
        .map(|number| Connection::client(&bench.target, &format!("load.c{number}"), "caller", BUFFER))
        .collect::<Result<Vec<_>, _>>()?;
    let done: Vec<AtomicU64> = clients.iter().map(|_| AtomicU64::new(0)).collect();
    let control = bench.control();
    let (sample, times) = thread::scope(|scope| {
        let callers: Vec<_> = clients
            .iter_mut()
            .zip(&done)
            .map(|(client, done)| {
                let control = &control;
                scope.spawn(move || control.guard(|| call(client, depth, method, done, control)))
            })
            .collect();
        let count = || done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
        let sample = bench.measure(&control, count);
        let times = callers.into_iter().filter_map(|caller| caller.join().ok()?);
        (sample, times.flatten().collect::<Vec<u32>>())
    });
    control.outcome()?;
    Ok(sample.with_times(times))
}

/// Keeps `depth` calls on the way until told to stop. Replies of one broker may overtake each other: each call must be
/// answered once.
fn call(
    client: &mut Connection,
    depth: u64,
    method: Method,
    done: &AtomicU64,
    control: &Control,
) -> Result<Vec<u32>, Failure> {
    let mut times = Vec::new();
    let (mut sent, mut answered) = (0, 0);
    let mut open = vec![false; usize::try_from(depth).unwrap_or_default()];
    while !control.is_stopping() || answered < sent {
        let start = Instant::now();
        if !control.is_stopping() {
            let mut calls = Vec::new();
            // A call with the id 0 wants no reply.
            for slot in (1..).zip(&mut open).filter(|(_, open)| !**open) {
                *slot.1 = true;
                calls.extend_from_slice(&frame(slot.0, method));
                sent += 1;
            }
            client.send(&calls, control)?;
        }
        let before = answered;
        while answered == before {
            client.fill_or_tick("a reply", control)?;
            while let Some((id, len)) = reply(client.unread(), method)? {
                if let Some(id) = id {
                    let slot = usize::try_from(id)
                        .ok()
                        .and_then(|id| open.get_mut(id.checked_sub(1)?));
                    match slot {
                        Some(open) if *open => *open = false,
                        _ => return Err(Failure::Unexpected(format!("reply to call {id}"))),
                    }
                    answered += 1;
                }
                client.consume(len);
            }
            client.counted(answered);
        }
        if depth == 1 {
            times.push(ns_since(start));
        }
        done.store(answered, Ordering::Relaxed);
    }
    Ok(times)
}

fn frame(id: u32, method: Method) -> Vec<u8> {
    let mut call = vec![REQUEST];
    call.extend_from_slice(&id.to_le_bytes());
    call.extend_from_slice(method.name().as_bytes());
    call.push(0);
    call.extend_from_slice(&method.params());
    request(id, Op::Message, Qos::Realtime, BROKER_NAME, Some(&call))
}

/// The call that the frame in front answers, and the frame's length; no call if it is something else that may come.
fn reply(bytes: &[u8], method: Method) -> Result<Option<(Option<u32>, usize)>, Failure> {
    let Some(decoded) = delivery::decode(bytes) else {
        return Ok(None);
    };
    let (delivery, len) = decoded.map_err(Failure::Unreadable)?;
    if let Delivery::Frame {
        kind: Kind::Message,
        sender,
        payload,
        ..
    } = delivery
        && sender == BROKER_NAME.as_bytes()
    {
        let id = payload.strip_prefix(&[REPLY]).and_then(<[u8]>::split_first_chunk);
        return match id {
            Some((id, result)) if method == Method::Test || result == method.params() => {
                Ok(Some((Some(u32::from_le_bytes(*id)), len)))
            }
            _ => Err(Failure::Unexpected(format!("answer {payload:02x?}"))),
        };
    }
    match Dialect::Elbus.other_frame(bytes)? {
        0 => Ok(None),
        len => Ok(Some((None, len))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(payload: &[u8]) -> Vec<u8> {
        let body = [BROKER_NAME.as_bytes(), b"\0", payload].concat();
        let len = u32::try_from(body.len()).unwrap();
        [&delivery::header(Kind::Message, len, true)[..], &body].concat()
    }

    #[test]
    fn a_reply_with_what_was_sent_is_one_and_any_other_is_a_failure() {
        let good = [&[REPLY, 7, 0, 0, 0][..], &Method::Benchmark.params()].concat();
        let frame = delivered(&good);
        let answer = reply(&frame, Method::Benchmark).unwrap();
        assert_eq!(answer, Some((Some(7), frame.len())));
        assert_eq!(reply(&frame[..frame.len() - 1], Method::Benchmark).unwrap(), None);
        let changed = delivered(&good[..good.len() - 1]);
        assert!(reply(&changed, Method::Benchmark).is_err());
        let error = delivered(&[0x12, 7, 0, 0, 0, 0, 0]);
        assert!(reply(&error, Method::Test).is_err());
    }
}
