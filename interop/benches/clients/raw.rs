//! What the sockets, the broker and the system's wake-ups leave to any client: no library, frames that are gathered until
//! an answer is waited for, and nothing kept of what comes in. Once with blocking calls, and once on tokio, as every
//! client is that shares its threads with other tasks.
use std::{
    io::{ErrorKind, Read, Write},
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

/// What is sent and received, without the socket.
pub(crate) struct Wire {
    out: Vec<u8>,
    id: u32,
    input: Vec<u8>,
    /// Bytes of it that were read: the beginning of a frame.
    kept: usize,
    /// Heard and not asked for yet.
    acknowledged: usize,
    received: usize,
}

impl Wire {
    fn open(path: &str, name: &str) -> (UnixStream, Self) {
        let mut stream = UnixStream::connect(path).unwrap();
        let mut heard = [0; 3];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(&GREETING).unwrap();
        stream.read_exact(&mut heard[..1]).unwrap();
        let len = u16::try_from(name.len()).unwrap().to_le_bytes();
        stream.write_all(&[&len, name.as_bytes()].concat()).unwrap();
        stream.read_exact(&mut heard[..1]).unwrap();
        assert_eq!(heard[0], elbus_proto::OK, "{name} is not registered");
        let wire = Self {
            out: Vec::with_capacity(2 * CHUNK),
            id: 0,
            input: vec![0; 2 * CHUNK],
            kept: 0,
            acknowledged: 0,
            received: 0,
        };
        (stream, wire)
    }

    /// Gathers a frame; says whether what is gathered is to be written now.
    fn gather(&mut self, target: &str, qos: Qos) -> bool {
        self.id += 1;
        let len = u32::try_from(target.len() + 1 + PAYLOAD.len()).unwrap();
        let header = RequestHeader::new(self.id, Op::Message, qos, len).encode();
        for part in [&header[..], target.as_bytes(), b"\0", &PAYLOAD] {
            self.out.extend_from_slice(part);
        }
        self.out.len() >= CHUNK || qos.is_realtime()
    }

    /// Where to read into.
    fn room(&mut self) -> &mut [u8] {
        &mut self.input[self.kept..][..CHUNK]
    }

    /// Counts what has come.
    fn count(&mut self, read: usize) {
        assert!(read > 0, "the broker hung up");
        self.kept += read;
        let mut at = 0;
        while let Some(front) = delivery::front(&self.input[at..self.kept]) {
            match front.unwrap() {
                Front::Bare => {
                    self.acknowledged += 1;
                    at += HEADER_LEN;
                }
                Front::Frame(len) if len as usize <= self.kept - at => {
                    self.received += 1;
                    at += len as usize;
                }
                Front::Frame(_) => break,
            }
        }
        self.input.copy_within(at..self.kept, 0);
        self.kept -= at;
    }
}

const fn qos(realtime: bool) -> Qos {
    if realtime { Qos::Realtime } else { Qos::No }
}

/// With calls that block.
pub(crate) struct Blocking(Arc<Mutex<(UnixStream, Wire)>>);

fn flush((stream, wire): &mut (UnixStream, Wire)) {
    stream.write_all(&wire.out).unwrap();
    wire.out.clear();
}

fn read((stream, wire): &mut (UnixStream, Wire)) {
    let n = stream.read(wire.room()).unwrap();
    wire.count(n);
}

impl Carrier for Blocking {
    const NAME: &'static str = "no library";

    async fn send(&mut self, target: &str, realtime: bool) {
        let mut client = self.0.lock().unwrap();
        if client.1.gather(target, qos(realtime)) {
            flush(&mut client);
        }
    }

    async fn receive(&mut self) {
        let mut client = self.0.lock().unwrap();
        while client.1.received == 0 {
            read(&mut client);
        }
        client.1.received -= 1;
    }

    async fn finish(&mut self) {
        flush(&mut self.0.lock().unwrap());
    }
}

impl Library for Blocking {
    type Verdict = Arc<Mutex<(UnixStream, Wire)>>;

    async fn connect(address: &str, name: &str) -> Self {
        Self(Arc::new(Mutex::new(Wire::open(address, name))))
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        let mut client = self.0.lock().unwrap();
        if client.1.gather(target, Qos::Processed) {
            flush(&mut client);
        }
        Arc::clone(&self.0)
    }

    async fn hear(verdict: Self::Verdict) {
        let mut client = verdict.lock().unwrap();
        while client.1.acknowledged == 0 {
            flush(&mut client);
            read(&mut client);
        }
        client.1.acknowledged -= 1;
    }
}

/// On tokio's sockets.
pub(crate) struct OnTokio(Arc<Ends>);

pub(crate) struct Ends {
    stream: tokio::net::UnixStream,
    wire: Mutex<Wire>,
}

impl Ends {
    async fn flush(&self) {
        loop {
            {
                let mut wire = self.wire.lock().unwrap();
                match self.stream.try_write(&wire.out) {
                    Ok(n) => drop(wire.out.drain(..n)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                if wire.out.is_empty() {
                    return;
                }
            }
            self.stream.writable().await.unwrap();
        }
    }

    async fn read(&self) {
        loop {
            self.stream.readable().await.unwrap();
            let mut wire = self.wire.lock().unwrap();
            match self.stream.try_read(wire.room()) {
                Ok(n) => return wire.count(n),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    /// Takes one of what has been heard, if there is any.
    fn take(&self, heard: impl FnOnce(&mut Wire) -> &mut usize) -> bool {
        let mut wire = self.wire.lock().unwrap();
        let heard = heard(&mut wire);
        let any = *heard > 0;
        *heard -= usize::from(any);
        any
    }

    async fn send(&self, target: &str, qos: Qos) {
        let is_due = self.wire.lock().unwrap().gather(target, qos);
        if is_due {
            self.flush().await;
        }
    }
}

impl Carrier for OnTokio {
    const NAME: &'static str = "no library, on tokio";

    async fn send(&mut self, target: &str, realtime: bool) {
        self.0.send(target, qos(realtime)).await;
    }

    async fn receive(&mut self) {
        while !self.0.take(|wire| &mut wire.received) {
            self.0.read().await;
        }
    }

    async fn finish(&mut self) {
        self.0.flush().await;
    }
}

impl Library for OnTokio {
    type Verdict = Arc<Ends>;

    async fn connect(address: &str, name: &str) -> Self {
        let (stream, wire) = Wire::open(address, name);
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        Self(Arc::new(Ends {
            stream,
            wire: Mutex::new(wire),
        }))
    }

    async fn ask(&mut self, target: &str) -> Self::Verdict {
        self.0.send(target, Qos::Processed).await;
        Arc::clone(&self.0)
    }

    async fn hear(verdict: Self::Verdict) {
        while !verdict.take(|wire| &mut wire.acknowledged) {
            verdict.flush().await;
            verdict.read().await;
        }
    }
}
