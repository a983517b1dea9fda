//! ZMTP 3.0 without security: what a client of a ZeroMQ proxy says on its two connections.
//!
//! ```text
//!  0       1                2 or 9
//! +-------+----------------+------
//! | flags | length (1 or 8)| body      flags: 2 long length, 4 command
//! +-------+----------------+------
//! ```
//!
//! A client publishes on one connection and subscribes on the other. A message is `address`, a zero byte, the payload;
//! a subscription is the beginning of messages. Nothing is answered, so a client sends itself probes until one
//! arrives.
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use crate::{dialect::Framed, failure::Failure};

const LONG: u8 = 2;
const COMMAND: u8 = 4;
const GREETING_LEN: usize = 64;
/// How a message that proves a subscription ends.
const PROBE: &[u8] = b"\0probe";
/// How often a probe is sent, and how long in all.
const EVERY: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_secs(5);

/// A message.
pub(crate) fn message(address: &str, payload: &[u8]) -> Framed {
    let bytes = frame(0, &[address.as_bytes(), b"\0", payload].concat());
    let payload_at = bytes.len() - payload.len();
    Framed { bytes, payload_at }
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = match u8::try_from(body.len()) {
        Ok(len) => vec![flags, len],
        Err(_) => [&[flags | LONG][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    bytes.extend_from_slice(body);
    bytes
}

/// Greets as a socket of this type.
pub(crate) fn greet(stream: &mut UnixStream, socket_type: &str) -> io::Result<()> {
    let mut greeting = [0; GREETING_LEN];
    (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting)?;
    let property = [
        b"\x05READY\x0bSocket-Type",
        &(socket_type.len() as u32).to_be_bytes()[..],
        socket_type.as_bytes(),
    ];
    stream.write_all(&frame(COMMAND, &property.concat()))?;
    stream.read_exact(&mut greeting)?;
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let mut ready = vec![0; usize::from(head[1])];
    stream.read_exact(&mut ready)?;
    match (head[0], ready.starts_with(b"\x05READY")) {
        (COMMAND, true) => Ok(()),
        _ => Err(io::Error::other("no READY")),
    }
}

/// Subscribes to an address, and waits until it counts.
pub(crate) fn subscribe(
    publish: &mut UnixStream,
    subscribe: &mut UnixStream,
    address: &str,
) -> io::Result<()> {
    let body = [b"\x01", address.as_bytes(), b"\0"].concat();
    subscribe.write_all(&frame(0, &body))?;
    let before = subscribe.read_timeout()?;
    subscribe.set_read_timeout(Some(EVERY))?;
    let probe = message(address, &PROBE[1..]).bytes;
    let mut heard = Vec::new();
    let start = Instant::now();
    publish.write_all(&probe)?;
    // Probes for other addresses may stand in front, and one that is cut is read to its end.
    while !heard.ends_with(&probe) {
        let mut bytes = [0; 1024];
        match subscribe.read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => heard.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < LIMIT => {
                publish.write_all(&probe)?;
            }
            Err(error) => return Err(error),
        }
    }
    subscribe.set_read_timeout(before)
}

/// The length of a frame that belongs to no flow, a command or a probe; 0 when it is not all there.
pub(crate) fn other_frame(bytes: &[u8]) -> Result<usize, Failure> {
    let Some((flags, head, len)) = head(bytes) else {
        return Ok(0);
    };
    let Some(body) = bytes.get(head..).and_then(|rest| rest.get(..len)) else {
        return Ok(0);
    };
    if flags & COMMAND != 0 || body.ends_with(PROBE) {
        return Ok(head + len);
    }
    let start = String::from_utf8_lossy(&body[..len.min(40)]).into_owned();
    Err(Failure::Unexpected(format!(
        "message of {len} bytes that begins with {start:?}"
    )))
}

/// The flags, how long the head is, and how long the body.
fn head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&flags, rest) = bytes.split_first()?;
    if flags & LONG == 0 {
        return Some((flags, 2, usize::from(*rest.first()?)));
    }
    let len = u64::from_be_bytes(*rest.first_chunk()?);
    Some((flags, 9, usize::try_from(len).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_probes_are_no_messages() {
        let probe = message("a", &PROBE[1..]).bytes;
        assert_eq!(other_frame(&probe).unwrap(), probe.len());
        assert_eq!(other_frame(&probe[..probe.len() - 1]).unwrap(), 0);
        let command = frame(COMMAND, &[0; 300]);
        assert_eq!(other_frame(&command).unwrap(), command.len());
        assert_eq!(command.len(), 309);
        assert!(other_frame(&message("a", b"foreign").bytes).is_err());
    }
}
