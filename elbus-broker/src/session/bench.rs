//! The core without its sockets, on one thread: for `benches/instructions` alone, which counts its instructions. Not
//! part of the interface; it changes as the core does.
use std::{
    cell::Cell,
    io::{self, IoSlice},
    os::unix::net::UnixStream,
    sync::Arc,
};

use bytes::Bytes;
use elbus_client::readiness::Stream;
use elbus_proto::request;
use tokio::runtime::{Builder, Runtime};

use super::{
    frames::{Frames, Front},
    router::{Router, Stop},
};
use crate::{
    Config,
    account::Reservation,
    core::Core,
    hash,
    outbox::{Admission, Outbox, Wire},
    peer::{Peer, Sink},
    slow::SlowConsumer,
    socket::{Connection, Origin, Socket},
};

/// A broker's core.
pub struct Bus {
    core: Arc<Core>,
    runtime: Runtime,
}

/// A registered client of it: what it sends is carried out, what it is sent is counted.
pub struct Client {
    peer: Arc<Peer>,
    router: Router,
    limit: usize,
}

impl Bus {
    /// A core with the default settings, whose tables, like all that are made from now on, have fixed seeds.
    ///
    /// # Errors
    /// The system gives no runtime.
    pub fn new() -> io::Result<Self> {
        hash::seeded::fix();
        Ok(Self {
            core: Core::new(Config::default()),
            runtime: Builder::new_current_thread().enable_io().build()?,
        })
    }

    /// Registers a client.
    ///
    /// # Errors
    /// The system gives no socket. It is closed at once: nothing is ever written to it.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn client(&self, name: &str) -> io::Result<Client> {
        let _runtime = self.runtime.enter();
        let connection = Connection::new(Arc::new(Socket::Unix(Stream::new(UnixStream::pair()?.0)?)));
        connection.release();
        let sink = Sink::Socket {
            connection,
            outbox: Outbox::new(
                self.core.settings.high_water(),
                SlowConsumer::Hold,
                Reservation::default(),
            ),
            runtime: self.runtime.handle().clone(),
        };
        let origin = Origin::Unix { uid: 0, gid: 0 };
        let peer = Peer::new(&self.core, name, origin, None, "".into(), sink);
        assert!(self.core.register(&peer).is_ok(), "the name {name} is free");
        Ok(Client {
            router: Router::new(&self.core, &peer),
            limit: self.core.settings.frame_limit(),
            peer,
        })
    }
}

impl Client {
    /// Carries out the requests of one chunk, as a session does.
    ///
    /// # Panics
    /// When the chunk ends inside a request, or its receivers have no room.
    pub fn carry_out(&mut self, chunk: &[u8]) {
        let mut frames = Frames::new(chunk, self.limit);
        loop {
            match self.router.route(&mut frames) {
                Stop::End(_) => break,
                Stop::Budget => {}
                Stop::Held(_) | Stop::Malformed(_) => panic!("the chunk cannot be carried out"),
            }
        }
        assert_eq!(frames.consumed(), chunk.len(), "whole requests");
        while !matches!(self.router.finish(None), Ok(true)) {}
    }

    /// Writes what waits for this client to where everything fits; answers how many bytes that were.
    pub fn flush(&self) -> usize {
        self.peer.outbox().map_or(0, flush)
    }

    /// What the session does when it has nothing more to read.
    pub fn rest(&mut self) {
        self.router.rest();
    }
}

/// The queue of one connection.
pub struct Outgoing(Outbox);

impl Outgoing {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(Outbox::new(
            Config::default().high_water,
            SlowConsumer::Hold,
            Reservation::default(),
        ))
    }

    /// Appends a frame under a lock of its own.
    ///
    /// # Panics
    /// When it is over its high-water mark.
    pub fn append(&self, parts: [&[u8]; 3]) {
        let mut state = self.0.lock();
        assert_eq!(state.admit(None), Admission::Granted, "below the high-water mark");
        state.append(parts, 1);
        state.settle(None, false);
    }

    /// The same with a payload that is shared.
    ///
    /// # Panics
    /// When it is over its high-water mark.
    pub fn append_shared(&self, parts: [&[u8]; 3], payload: &Bytes) {
        let mut state = self.0.lock();
        assert_eq!(state.admit(None), Admission::Granted, "below the high-water mark");
        state.append_shared(parts, payload.clone(), 1);
        state.settle(None, false);
    }

    /// Writes everything to where everything fits; answers how many bytes that were.
    pub fn flush(&self) -> usize {
        flush(&self.0)
    }
}

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

fn flush(outbox: &Outbox) -> usize {
    let wire = Everything(Cell::new(0));
    outbox.flush(&wire, |_| unreachable!("everything fits"));
    wire.0.get()
}

/// Walks over the requests of a chunk and finds each one's address; answers how many they are.
#[must_use]
pub fn decode(chunk: &[u8]) -> usize {
    let mut frames = Frames::new(chunk, usize::MAX);
    let mut count = 0;
    while let Front::Frame(request) = frames.front() {
        count += usize::from(request.header.op().is_some() && request::addressed(request.body).is_some());
        frames.advance(&request);
    }
    count
}

/// Fixes the seed of every table that is made from now on.
pub fn fix_seeds() {
    hash::seeded::fix();
}

/// A socket that takes everything and counts it.
struct Everything(Cell<usize>);

impl Wire for Everything {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = parts.iter().map(|part| part.len()).sum();
        self.0.set(self.0.get() + len);
        Ok(len)
    }
}
