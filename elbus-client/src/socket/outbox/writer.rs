//! Who writes what waits, and what becomes of what the socket did not take.
//!
//! Whoever holds the writer token writes; nothing is awaited meanwhile, so no frame is ever cut short by a dropped
//! future. What is left goes to the front again. If the holder was a sender, it wakes the connection's task when there
//! is something left or something new.
use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use super::{GATHERED, Guarded, Outbox, Phase};
use crate::{
    readiness::Room,
    socket::{
        queue::{MAX_PARTS, SendQueue},
        stream::Socket,
    },
};

/// The bytes that the holder of the writer token has taken out.
#[must_use = "the writer token goes with the batch"]
pub(in crate::socket) struct Batch {
    queue: SendQueue,
    socket: Arc<Socket>,
    connection: u64,
}

/// How things stand for the connection's task after it has flushed.
#[derive(Debug)]
pub(in crate::socket) enum Standing {
    /// Nothing to write, or somebody else is writing.
    Idle,
    /// The socket is full.
    Blocked,
    /// Frames are held up to gather more.
    Held,
    /// More has come.
    More,
    /// Nothing can be written any more.
    Broken,
}

impl Outbox {
    /// Takes the writer token and everything that waits; `None` if there is nothing to do or somebody else does it.
    pub(in crate::socket) fn take(&mut self) -> Option<Batch> {
        if self.writing || self.blocked || self.queue.is_empty() || self.broken.is_some() {
            return None;
        }
        let socket = Arc::clone(self.socket.as_ref()?);
        self.writing = true;
        self.urgent = false;
        self.taken = self.queue.len();
        let queue = std::mem::replace(&mut self.queue, self.spare.take().unwrap_or_default());
        Some(Batch {
            queue,
            socket,
            connection: self.connection,
        })
    }

    /// Gives the token back with what was not written.
    fn give_back(&mut self, batch: Batch, written: io::Result<()>) {
        if batch.connection != self.connection {
            return;
        }
        self.writing = false;
        let rest = batch.queue.len();
        let n = self.taken - rest;
        self.taken = 0;
        if n > 0 {
            self.written_bytes += n as u64;
            // Bytes go into the system's buffer whether or not anybody is there to read them; into a full one, only if so.
            if std::mem::take(&mut self.was_full) {
                self.progress = self.tick;
            }
            self.taken_at = self.tick;
            self.wake_watchers();
        }
        if rest == 0 {
            self.spare = Some(batch.queue.reuse());
        } else {
            let behind = std::mem::replace(&mut self.queue, batch.queue);
            self.queue.append(behind);
        }
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked = true;
                self.was_full = true;
            }
            Err(error) => self.broken = Some(error),
        }
        self.pass_turn();
    }

    /// How things stand for the connection's task, which has flushed.
    pub(in crate::socket) fn standing(&self) -> Standing {
        if self.broken.is_some() {
            Standing::Broken
        } else if self.blocked {
            Standing::Blocked
        } else if self.is_held() {
            Standing::Held
        } else if self.queue.is_empty() || self.writing {
            Standing::Idle
        } else {
            Standing::More
        }
    }

    /// The socket is no longer full, or it is broken.
    pub(in crate::socket) fn unblock(&mut self, ready: io::Result<()>) {
        match ready {
            Ok(()) => self.blocked = false,
            Err(error) => self.broken = Some(error),
        }
    }

    pub(in crate::socket) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Why nothing can be written any more.
    pub(in crate::socket) const fn take_error(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// Whether what waits is held up to gather more.
    pub(in crate::socket) fn is_held(&self) -> bool {
        let held = self.holds && !self.urgent && self.phase == Phase::Connected;
        held && !self.queue.is_empty() && self.queue.len() < GATHERED
    }
}

impl Batch {
    /// Writes until everything is written or the socket is full.
    fn write(&mut self, write: impl Fn(&Socket, &[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        while !self.queue.is_empty() {
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            let filled = self.queue.front(&mut parts);
            match write(&self.socket, &parts[..filled]) {
                Ok(n) => self.queue.advance(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes as a sender does, and gives the token back. What is left, or came meanwhile, is for the connection's
    /// task.
    pub(in crate::socket) fn flush(
        mut self,
        outbox: &Guarded,
        write: impl Fn(&Socket, &[IoSlice<'_>]) -> io::Result<usize>,
    ) {
        let written = self.write(write);
        outbox.with(|outbox| {
            outbox.give_back(self, written);
            if !outbox.queue.is_empty() || outbox.broken.is_some() || outbox.phase == Phase::Closing {
                outbox.wake_driver();
            }
        });
    }

    /// Writes as the connection's task does, gives the token back, and says how things stand then. `room`: it waits for
    /// that.
    pub(in crate::socket) fn flush_as_driver(mut self, outbox: &Guarded, room: Option<&Room>) -> Standing {
        let written = match room {
            Some(room) => self.write(|socket, parts| socket.write_into(room, parts)),
            None => self.write(Socket::write),
        };
        outbox.with(|outbox| {
            outbox.give_back(self, written);
            outbox.standing()
        })
    }
}
