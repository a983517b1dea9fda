//! What the sockets, the broker and the system's wake-ups leave to any client: no library, blocking calls, frames that
//! are gathered until an answer is waited for, and nothing kept of what comes in.
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex},
};

use elbus_proto::{
    Op, Qos,
    delivery::{self, Front, HEADER_LEN},
    greeting::GREETING,
    request::RequestHeader,
};

use crate::{Carrier, Library, PAYLOAD};

/// Bytes gathered at most, and read at once.
const CHUNK: usize = 64 * 1024;

pub(crate) struct Raw(Arc<Mutex<Connection>>);

pub(crate) struct Connection {
    stream: UnixStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Heard and not asked for yet.
    acknowledged: usize,
    received: usize,
    id: u32,
}

impl Connection {
    fn open(path: &str, name: &str) -> Self {
        let mut stream = UnixStream::connect(path).unwrap();
        let mut heard = [0; 3];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(&GREETING).unwrap();
        stream.read_exact(&mut heard[..1]).unwrap();
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        stream.write_all(&[&len, name.as_bytes()].concat()).unwrap();
        stream.read_exact(&mut heard[..1]).unwrap();
        assert_eq!(heard[0], elbus_proto::OK, "{name} is not registered");
        Self {
            stream,
            out: Vec::with_capacity(2 * CHUNK),
            input: Vec::with_capacity(2 * CHUNK),
            acknowledged: 0,
            received: 0,
            id: 0,
        }
    }

    fn send(&mut self, target: &str, qos: Qos) {
        self.id += 1;
        let len = u32::try_from(target.len() + 1 + PAYLOAD.len()).unwrap();
        let header = RequestHeader::new(self.id, Op::Message, qos, len).encode();
        for part in [&header[..], target.as_bytes(), b"\0", &PAYLOAD] {
            self.out.extend_from_slice(part);
        }
        if self.out.len() >= CHUNK || qos.is_realtime() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.stream.write_all(&self.out).unwrap();
        self.out.clear();
    }

    /// Reads once and counts what has come.
    fn read(&mut self) {
        let kept = self.input.len();
        self.input.resize(kept + CHUNK, 0);
        let n = self.stream.read(&mut self.input[kept..]).unwrap();
        assert!(n > 0, "the broker hung up");
        self.input.truncate(kept + n);
        let mut at = 0;
        while let Some(front) = delivery::front(&self.input[at..]) {
            match front.unwrap() {
                Front::Bare => {
                    self.acknowledged += 1;
                    at += HEADER_LEN;
                }
                Front::Frame(len) if len as usize <= self.input.len() - at => {
                    self.received += 1;
                    at += len as usize;
                }
                Front::Frame(_) => break,
            }
        }
        self.input.drain(..at);
    }
}

impl Carrier for Raw {
    const NAME: &'static str = "no library";

    async fn send(&mut self, target: &str, realtime: bool) {
        let qos = if realtime { Qos::Realtime } else { Qos::No };
        self.0.lock().unwrap().send(target, qos);
    }

    async fn receive(&mut self) {
        let mut connection = self.0.lock().unwrap();
        while connection.received == 0 {
            connection.read();
        }
        connection.received -= 1;
    }

    async fn finish(&mut self) {
        self.0.lock().unwrap().flush();
    }
}

impl Library for Raw {
    type Verdict = Arc<Mutex<Connection>>;

    async fn connect(address: &str, name: &str) -> Self {
        Self(Arc::new(Mutex::new(Connection::open(address, name))))
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        self.0.lock().unwrap().send(target, Qos::Processed);
        Arc::clone(&self.0)
    }

    async fn hear(verdict: Self::Verdict) {
        let mut connection = verdict.lock().unwrap();
        while connection.acknowledged == 0 {
            connection.flush();
            connection.read();
        }
        connection.acknowledged -= 1;
    }
}
