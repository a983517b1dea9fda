//! A connection, byte by byte, that does not wait for ever.
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

use elbus_proto::{
    Op, Qos,
    delivery::{self, Delivery},
    greeting,
    request::RequestHeader,
};

use crate::subject::Subject;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    kept: Vec<u8>,
}

/// What comes.
#[derive(Debug)]
pub(crate) enum Got {
    Acknowledgement(u32, bool),
    Frame { sender: String, topic: String },
}

impl Wire {
    pub(crate) fn connect(subject: &Subject) -> io::Result<Self> {
        let stream = UnixStream::connect(&subject.unix)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::of(Box::new(stream)))
    }

    pub(crate) fn connect_tcp(subject: &Subject) -> io::Result<Self> {
        let stream = TcpStream::connect(&subject.tcp)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self::of(Box::new(stream)))
    }

    fn of(stream: Box<dyn Stream>) -> Self {
        let kept = Vec::new();
        Self { stream, kept }
    }

    /// Greets up to the name, which is said, and no further.
    pub(crate) fn say_name(&mut self, name: &[u8]) -> io::Result<()> {
        let mut theirs = [0; greeting::LEN];
        self.stream.read_exact(&mut theirs)?;
        self.stream.write_all(&theirs)?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)?;
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        self.stream.write_all(&[&len, name].concat())
    }

    /// Greets; an error also when the name is refused.
    pub(crate) fn register(mut self, name: &[u8]) -> io::Result<Self> {
        self.say_name(name)?;
        let mut answer = [0];
        self.stream.read_exact(&mut answer)?;
        match answer {
            [elbus_proto::OK] => Ok(self),
            [code] => Err(io::Error::other(format!("refused with {code:#x}"))),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub(crate) fn send(&mut self, id: u32, op: Op, body: &[u8]) -> io::Result<()> {
        let header = RequestHeader::new(id, op, Qos::Processed, u32::try_from(body.len()).unwrap());
        self.write(&[&header.encode()[..], body].concat())
    }

    /// The next thing that comes.
    pub(crate) fn got(&mut self) -> io::Result<Got> {
        loop {
            if let Some(decoded) = delivery::decode(&self.kept) {
                let (delivery, len) = decoded.map_err(io::Error::other)?;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let got = match delivery {
                    Delivery::Ping => None,
                    Delivery::Acknowledgement { id, result } => {
                        Some(Got::Acknowledgement(id, result.is_ok()))
                    }
                    Delivery::Frame { sender, topic, .. } => Some(Got::Frame {
                        sender: text(sender),
                        topic: text(topic),
                    }),
                };
                self.kept.drain(..len);
                match got {
                    Some(got) => return Ok(got),
                    None => continue,
                }
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.kept.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Sends, and waits for the acknowledgement; whether it was granted.
    pub(crate) fn ask(&mut self, id: u32, op: Op, body: &[u8]) -> io::Result<bool> {
        self.send(id, op, body)?;
        loop {
            if let Got::Acknowledgement(answered, granted) = self.got()?
                && answered == id
            {
                return Ok(granted);
            }
        }
    }
}
