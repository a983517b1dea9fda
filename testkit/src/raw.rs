//! A raw socket that speaks the protocol byte by byte.
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    os::unix::net::UnixStream,
    time::Duration,
};

use elbus_broker::Address;
use elbus_proto::{
    Code, Op, Qos,
    delivery::{self, Delivery, Kind},
    greeting,
    request::RequestHeader,
};
use socket2::{Domain, Socket, Type};

use crate::PATIENCE;

/// A request, header and body.
#[must_use]
pub fn frame(id: u32, op: Op, qos: Qos, body: &[u8]) -> Vec<u8> {
    let header = RequestHeader::new(id, op, qos, u32::try_from(body.len()).unwrap());
    [&header.encode()[..], body].concat()
}

/// What a broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A ping.
    Ping,
    /// An acknowledgement.
    Ack(u32, Result<(), Code>),
    /// A message, broadcast or publication.
    Frame {
        /// How it came.
        kind: Kind,
        /// Whether it is real-time.
        realtime: bool,
        /// Who sent it.
        sender: String,
        /// The topic; empty unless it is a publication.
        topic: String,
        /// The payload.
        payload: Vec<u8>,
    },
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// A raw connection: blocking, with a limit to every wait.
pub struct Raw {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Raw {
    /// Connects without greeting.
    #[must_use]
    pub fn connect(address: &Address) -> Self {
        let stream = match address {
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).unwrap()),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                Stream::Tcp(stream)
            }
            other => panic!("no test connects to {other}"),
        };
        let raw = Self {
            stream,
            buffer: Vec::new(),
        };
        raw.set_patience(PATIENCE);
        raw
    }

    /// Connects over TCP from an address of this host, such as `127.0.0.2`, without greeting.
    #[must_use]
    pub fn connect_from(source: &str, address: &Address) -> Self {
        let Address::Tcp(address) = address else {
            panic!("{address} is not reached from another address");
        };
        let from = SocketAddr::new(source.parse().unwrap(), 0);
        let to: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&to.into()).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
        let raw = Self {
            stream: Stream::Tcp(socket.into()),
            buffer: Vec::new(),
        };
        raw.set_patience(PATIENCE);
        raw
    }

    /// Connects and registers.
    #[must_use]
    pub fn register(address: &Address, name: &str) -> Self {
        let (raw, answer) = Self::try_register(address, name.as_bytes());
        assert_eq!(Code::result(answer), Ok(()), "registering {name}");
        raw
    }

    /// Connects and says a name; answers the broker's answer.
    #[must_use]
    pub fn try_register(address: &Address, name: &[u8]) -> (Self, u8) {
        let mut raw = Self::connect(address);
        raw.greet();
        raw.say_name(name);
        let [answer] = raw.read_exact();
        (raw, answer)
    }

    /// The greeting up to the name.
    pub fn greet(&mut self) {
        assert_eq!(self.read_exact(), greeting::GREETING);
        self.write(&greeting::GREETING);
        assert_eq!(self.read_exact(), [elbus_proto::OK]);
    }

    /// Says a name.
    pub fn say_name(&mut self, name: &[u8]) {
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        self.write(&[&len, name].concat());
    }

    /// A second handle of the same connection, without the bytes this one has buffered: to write from another
    /// thread.
    #[must_use]
    pub fn writer(&self) -> Self {
        let stream = match &self.stream {
            Stream::Unix(stream) => Stream::Unix(stream.try_clone().unwrap()),
            Stream::Tcp(stream) => Stream::Tcp(stream.try_clone().unwrap()),
        };
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Limits how long a read or a write waits.
    pub fn set_patience(&self, limit: Duration) {
        match &self.stream {
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(limit)).unwrap();
                stream.set_write_timeout(Some(limit)).unwrap();
            }
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(limit)).unwrap();
                stream.set_write_timeout(Some(limit)).unwrap();
            }
        }
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).unwrap();
    }

    /// Writes bytes as they are, if the broker takes them.
    ///
    /// # Errors
    /// As the system says.
    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(bytes),
            Stream::Tcp(stream) => stream.write_all(bytes),
        }
    }

    /// Sends a request.
    pub fn send(&mut self, id: u32, op: Op, qos: Qos, body: &[u8]) {
        self.write(&frame(id, op, qos, body));
    }

    /// Sends a request and expects its acknowledgement to be the next thing that comes.
    pub fn ask(&mut self, id: u32, op: Op, body: &[u8]) -> Result<(), Code> {
        self.send(id, op, Qos::Processed, body);
        match self.got() {
            Got::Ack(answered, result) if answered == id => result,
            got => panic!("expected the acknowledgement of {id}, got {got:?}"),
        }
    }

    /// Subscribes and waits for the acknowledgement.
    pub fn subscribe(&mut self, filter: &str) {
        assert_eq!(
            self.ask(u32::MAX, Op::Subscribe, filter.as_bytes()),
            Ok(()),
            "subscribing to {filter}"
        );
    }

    /// Reads exactly `N` bytes.
    pub fn read_exact<const N: usize>(&mut self) -> [u8; N] {
        while self.buffer.len() < N {
            assert!(
                self.read_more() > 0,
                "closed after {} of {N} bytes",
                self.buffer.len()
            );
        }
        let bytes = self.buffer[..N].try_into().unwrap();
        self.buffer.drain(..N);
        bytes
    }

    /// The next thing the broker sends.
    pub fn got(&mut self) -> Got {
        self.got_or_end().expect("the broker closed the connection")
    }

    /// The next thing the broker sends; `None` when it closes the connection.
    pub fn got_or_end(&mut self) -> Option<Got> {
        loop {
            if let Some((got, len)) = self.parse() {
                self.buffer.drain(..len);
                return Some(got);
            }
            if self.read_more() == 0 {
                assert!(self.buffer.is_empty(), "closed inside a frame");
                return None;
            }
        }
    }

    /// Expects a frame and answers its sender and payload.
    pub fn message(&mut self) -> (String, Vec<u8>) {
        match self.got() {
            Got::Frame { sender, payload, .. } => (sender, payload),
            got => panic!("expected a frame, got {got:?}"),
        }
    }

    /// Expects the broker to close the connection without another word.
    pub fn expect_end(&mut self) {
        assert_eq!(self.got_or_end(), None);
    }

    /// Expects that nothing comes: a request that is answered in order comes back first.
    pub fn expect_nothing(&mut self) {
        assert_eq!(self.ask(0xFFFF_FFF0, Op::Nop, b""), Ok(()));
    }

    /// Closes the writing half.
    pub fn shutdown_write(&self) {
        match &self.stream {
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write).unwrap(),
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write).unwrap(),
        }
    }

    /// Closes the writing half of a connection that the broker may have closed already.
    pub fn finish_writing(&self) {
        // If it has, there is nothing left to close.
        let _ = match &self.stream {
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
    }

    fn parse(&self) -> Option<(Got, usize)> {
        let (delivery, len) = delivery::decode(&self.buffer)?.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let got = match delivery {
            Delivery::Ping => Got::Ping,
            Delivery::Acknowledgement { id, result } => Got::Ack(id, result),
            Delivery::Frame {
                kind,
                realtime,
                sender,
                topic,
                payload,
            } => Got::Frame {
                kind,
                realtime,
                sender: text(sender),
                topic: text(topic),
                payload: payload.to_vec(),
            },
        };
        Some((got, len))
    }

    /// Reads what there is; 0 when the connection is closed.
    pub fn read_more(&mut self) -> usize {
        let mut chunk = vec![0; 64 * 1024];
        let read = loop {
            let read = match &mut self.stream {
                Stream::Unix(stream) => stream.read(&mut chunk),
                Stream::Tcp(stream) => stream.read(&mut chunk),
            };
            // A process that was stopped and goes on.
            if !matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted) {
                break read;
            }
        };
        match read {
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                n
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came in time: {error}"),
        }
    }
}

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
        }
    }
}
