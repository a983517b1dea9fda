//! One connection to a broker: greeting, sends, and reads that are parsed in place.
use std::{
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use elbus_proto::{
    Code, Op, Qos,
    greeting::{self, GREETING},
    request::RequestHeader,
};

use crate::{
    cases::Acknowledgements,
    control::Control,
    dialect::{Dialect, nats_introduction},
    failure::Failure,
    stream::{Endpoint, Stream},
    zmtp,
};

/// A broker that listens.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) dialect: Dialect,
}

/// How long the broker may take for one step of the greeting.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// How long one read or write blocks before the run's control is asked whether to go on.
const SLICE: Duration = Duration::from_millis(100);
/// A read buffer that holds less than this after its last frame is moved to the front first.
const SMALL_REST: usize = 4 << 10;
/// A read has at least this much room, unless the whole buffer is smaller.
const ROOM: usize = 64 << 10;

/// A registered client.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    dialect: Dialect,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// What the client is to the case, for failures.
    role: &'static str,
    /// Messages (or acknowledgements) counted by [`Connection::counted`], for failures.
    count: u64,
}

impl Connection {
    /// Connects and greets, without a buffer to read frames.
    pub(crate) fn open(target: &Target, name: &str) -> Result<Self, Failure> {
        Self::introduce(target, |stream| match target.dialect {
            Dialect::Elbus => greet(stream, name),
            Dialect::Nats => greet_nats(stream, name, false),
            Dialect::Zmtp => greet_zmtp(stream, name),
            Dialect::Relay => Ok(()),
        })
    }

    fn introduce(
        target: &Target,
        greet: impl FnOnce(&mut Stream) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let connected = target.endpoint.connect();
        let mut stream = connected.map_err(|error| Failure::Io("connecting", error))?;
        let limit = |stream: &Stream, time| {
            let set = stream.set_limit(time);
            set.map_err(|error| Failure::Io("setting a time limit", error))
        };
        limit(&stream, GREETING_LIMIT)?;
        greet(&mut stream)?;
        limit(&stream, SLICE)?;
        Ok(Self {
            stream,
            dialect: target.dialect,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            role: "client",
            count: 0,
        })
    }

    /// Connects and greets; a buffer of `buffer` bytes must hold the longest frame.
    pub(crate) fn client(
        target: &Target,
        name: &str,
        role: &'static str,
        buffer: usize,
    ) -> Result<Self, Failure> {
        if target.dialect == Dialect::Relay {
            return Err(Failure::NotOffered("a relay knows nobody"));
        }
        let connection = Self::open(target, name)?;
        Ok(connection.with_buffer(role, buffer))
    }

    /// The same for one that sends to `peer` alone and hears from it alone.
    pub(crate) fn linked(
        target: &Target,
        [name, peer]: [&str; 2],
        role: &'static str,
        buffer: usize,
    ) -> Result<Self, Failure> {
        if target.dialect != Dialect::Relay {
            return Self::client(target, name, role, buffer);
        }
        let connection = Self::introduce(target, |stream| {
            transmit(stream, format!("{name}>{peer}\n").as_bytes())
        })?;
        Ok(connection.with_buffer(role, buffer))
    }

    /// The same for one whose messages are acknowledged, if they ask for it.
    pub(crate) fn acknowledged(
        target: &Target,
        name: &str,
        role: &'static str,
        buffer: usize,
    ) -> Result<Self, Failure> {
        match target.dialect {
            Dialect::Elbus => Self::client(target, name, role, buffer),
            Dialect::Nats => {
                let connection = Self::introduce(target, |stream| greet_nats(stream, name, true))?;
                Ok(connection.with_buffer(role, buffer))
            }
            Dialect::Zmtp => Err(Failure::NotOffered("a ZeroMQ proxy acknowledges nothing")),
            Dialect::Relay => Err(Failure::NotOffered("a relay acknowledges nothing")),
        }
    }

    fn with_buffer(self, role: &'static str, buffer: usize) -> Self {
        let mut connection = self;
        connection.buffer = vec![0; buffer];
        connection.role = role;
        connection
    }

    /// What the broker speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Subscribes to filters, of which `from` were subscribed before, and waits until they count.
    pub(crate) fn subscribe(
        &mut self,
        filters: &[String],
        from: usize,
        control: &Control,
    ) -> Result<(), Failure> {
        if let Stream::Two { publish, subscribe } = &mut self.stream {
            if filters.iter().any(|filter| filter.contains(['+', '#'])) {
                return Err(Failure::NotOffered("it has no wildcards"));
            }
            let mut filters = filters.iter();
            return filters.try_for_each(|filter| {
                let subscribed = zmtp::subscribe(publish, subscribe, filter);
                subscribed.map_err(|error| Failure::Io("subscribing", error))
            });
        }
        let frame = self.dialect.subscription(filters, from)?;
        self.send(&frame, control)?;
        match self.dialect {
            Dialect::Nats => self.wait_for_line(b"PONG\r\n", control),
            _ => Acknowledgements::default().wait(self, control),
        }
    }

    /// Waits for a line, in front of which others may come.
    fn wait_for_line(&mut self, line: &[u8], control: &Control) -> Result<(), Failure> {
        while !self.unread().starts_with(line) {
            match self.dialect.other_frame(self.unread())? {
                0 => self.fill_or_tick("the broker to answer", control)?,
                other => self.consume(other),
            }
        }
        self.consume(line.len());
        Ok(())
    }

    /// Makes reads return at once when there is nothing.
    pub(crate) fn set_nonblocking(&self) -> Result<(), Failure> {
        self.stream
            .set_nonblocking()
            .map_err(|error| Failure::Io("setting non-blocking", error))
    }

    /// Sends all of `bytes`, until the run's limit.
    pub(crate) fn send(&mut self, mut bytes: &[u8], control: &Control) -> Result<(), Failure> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(self.closed()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_pause(&error) => control.tick("the broker to read")?,
                Err(error) => return Err(self.failed("sending", error)),
            }
        }
        Ok(())
    }

    /// Reads once, and says whether anything came; nothing may have come because of the time slice.
    pub(crate) fn fill(&mut self) -> Result<bool, Failure> {
        let rest = self.end - self.start;
        if rest <= SMALL_REST || self.buffer.len() - self.end < ROOM {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = rest;
        }
        if self.end == self.buffer.len() {
            return Err(Failure::Unexpected("frame longer than any that was sent".into()));
        }
        match self.stream.read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(self.closed()),
            Ok(read) => {
                self.end += read;
                Ok(true)
            }
            Err(error) if is_pause(&error) => Ok(false),
            Err(error) => Err(self.failed("receiving", error)),
        }
    }

    /// As [`Connection::fill`], and asks the run's control when nothing came.
    pub(crate) fn fill_or_tick(&mut self, what: &'static str, control: &Control) -> Result<(), Failure> {
        if !self.fill()? {
            control.tick(what)?;
        }
        Ok(())
    }

    /// What was read and not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes `bytes` off the front of what was read.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Tells how many messages went over this connection, for failures.
    pub(crate) fn counted(&mut self, count: u64) {
        self.count = count;
    }

    fn closed(&self) -> Failure {
        Failure::Closed(self.role, self.count)
    }

    /// A broken connection is the broker's decision, as an orderly end is.
    fn failed(&self, what: &'static str, error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => self.closed(),
            _ => Failure::Io(what, error),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A request frame: header, address, separator, payload. For a subscription, `address` is the filter and `payload`
/// is `None`.
pub(crate) fn request(id: u32, op: Op, qos: Qos, address: &str, payload: Option<&[u8]>) -> Vec<u8> {
    let payload_len = payload.map_or(0, |payload| payload.len() + 1);
    let body_len = u32::try_from(address.len() + payload_len).unwrap_or(u32::MAX);
    let mut frame = Vec::from(RequestHeader::new(id, op, qos, body_len).encode());
    frame.extend_from_slice(address.as_bytes());
    if let Some(payload) = payload {
        frame.push(0);
        frame.extend_from_slice(payload);
    }
    frame
}

/// The introduction to NATS; `verbose`: it acknowledges everything with a line.
fn greet_nats(stream: &mut Stream, name: &str, verbose: bool) -> Result<(), Failure> {
    let mut info = Vec::new();
    read_line(stream, &mut info)?;
    transmit(stream, nats_introduction(name, verbose).as_bytes())?;
    loop {
        let mut line = Vec::new();
        read_line(stream, &mut line)?;
        match &line[..] {
            b"PONG\r\n" => return Ok(()),
            b"+OK\r\n" | b"PING\r\n" => {}
            other => return Err(Failure::Said(String::from_utf8_lossy(other).trim().to_owned())),
        }
    }
}

/// The introduction to a proxy: a name is what a client subscribes to.
fn greet_zmtp(stream: &mut Stream, name: &str) -> Result<(), Failure> {
    let Stream::Two { publish, subscribe } = stream else {
        return Err(Failure::NotOffered("a proxy has two sockets"));
    };
    zmtp::greet(publish, "PUB")
        .and_then(|()| zmtp::greet(subscribe, "SUB"))
        .and_then(|()| zmtp::subscribe(publish, subscribe, name))
        .map_err(in_greeting)
}

/// Byte by byte, so that nothing behind the line is read.
fn read_line(stream: &mut Stream, line: &mut Vec<u8>) -> Result<(), Failure> {
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        receive(stream, &mut byte)?;
        line.extend_from_slice(&byte);
    }
    Ok(())
}

fn greet(stream: &mut Stream, name: &str) -> Result<(), Failure> {
    let mut hello = [0; greeting::LEN];
    receive(stream, &mut hello)?;
    greeting::check(hello).map_err(Failure::Greeting)?;
    transmit(stream, &GREETING)?;
    answer(stream, "the protocol version")?;
    let len = u16::try_from(name.len()).unwrap_or(u16::MAX);
    let mut introduction = Vec::from(len.to_le_bytes());
    introduction.extend_from_slice(name.as_bytes());
    transmit(stream, &introduction)?;
    answer(stream, "a name")
}

fn answer(stream: &mut Stream, what: &'static str) -> Result<(), Failure> {
    let mut result = [0];
    receive(stream, &mut result)?;
    Code::result(result[0]).map_err(|code| Failure::Refused(what, code))
}

fn receive(stream: &mut Stream, bytes: &mut [u8]) -> Result<(), Failure> {
    stream.read_exact(bytes).map_err(in_greeting)
}

fn transmit(stream: &mut Stream, bytes: &[u8]) -> Result<(), Failure> {
    stream.write_all(bytes).map_err(in_greeting)
}

fn in_greeting(error: io::Error) -> Failure {
    if is_pause(&error) {
        return Failure::TimedOut("the greeting");
    }
    Failure::Io("greeting", error)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
