//! The socket link without its socket, on one thread: for `benches/instructions` alone, which counts its instructions.
//! Not part of the interface; it changes as the link does.
use std::{cell::Cell, collections::VecDeque, io, os::unix::net::UnixStream, sync::Arc, task::Waker};

use elbus_proto::Qos;
use tokio::runtime::{Builder, Runtime};

use super::{
    outbox::{Batch, Outbox},
    reader::Reader,
    shared::Shared,
    stream::{Incoming, Socket},
};
use crate::{Address, Error, Frame, Options, link::Operation, link::Ticket, readiness::Stream};

/// A client that believes to be connected.
pub struct Link {
    shared: Arc<Shared>,
    reader: Reader,
    wakers: Vec<Waker>,
    batch: VecDeque<Frame>,
    written: Cell<usize>,
    /// The socket that is never written to needs a reactor.
    _runtime: Runtime,
}

impl Link {
    /// A client with the default settings.
    ///
    /// # Errors
    /// The system gives no runtime or no socket.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let socket = Stream::new(UnixStream::pair()?.0)?;
        drop(entered);
        let options = Options::new("bench");
        let reader = Reader::new(options.frame_limit);
        let shared = Arc::new(Shared::new(options, Address::Unix("nowhere".into()), None));
        shared.connected(&Arc::new(Socket::Unix(socket)));
        Ok(Self {
            shared,
            reader,
            wakers: Vec::new(),
            batch: VecDeque::new(),
            written: Cell::new(0),
            _runtime: runtime,
        })
    }

    /// Takes an operation; what the sender has to write goes to where everything fits.
    ///
    /// # Panics
    /// When it is refused, or would have to wait.
    pub fn submit(&self, operation: &mut Operation<'_>, qos: Qos, awaited: bool) -> Option<Ticket> {
        let Ok(appended) = self.shared.take(operation, qos, awaited) else {
            panic!("the operation is taken at once");
        };
        if appended.is_due
            && let Some(batch) = self.shared.outbox.with(Outbox::take_due)
        {
            self.write(batch);
        }
        appended.id.map(Ticket::from)
    }

    /// Writes what waits, as the connection's task does; answers how many bytes were written since the last call.
    pub fn flush(&self) -> usize {
        if let Some(batch) = self.shared.outbox.with(Outbox::take) {
            self.write(batch);
        }
        self.written.take()
    }

    fn write(&self, batch: Batch) {
        batch.flush(&self.shared.outbox, |_, parts| {
            let len = parts.iter().map(|part| part.len()).sum();
            self.written.set(self.written.get() + len);
            Ok(len)
        });
    }

    /// Takes bytes in as the connection's task does; frames go to the inbox and out of it again. Answers how many.
    ///
    /// # Panics
    /// When the bytes cannot be decoded.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let source = Bytes(Cell::new(bytes));
        let mut count = 0;
        while !source.0.get().is_empty() {
            assert!(
                self.reader.read(&source, usize::MAX).is_ok(),
                "what the broker sends"
            );
            if !self.reader.frames.is_empty() {
                let bytes = self.reader.frame_bytes;
                self.shared.arrivals.push(&mut self.reader.frames, bytes);
            }
            if !self.reader.answers.is_empty() {
                self.shared
                    .outbox
                    .with(|outbox| outbox.answer(&mut self.reader.answers, &mut self.wakers));
            }
            while {
                self.shared.arrivals.try_take(&mut self.batch);
                !self.batch.is_empty()
            } {
                count += self.batch.drain(..).count();
            }
        }
        count
    }

    /// The verdict on an operation, if there is one.
    pub fn verdict(&self, ticket: Ticket) -> Option<Result<(), Error>> {
        let mut cx = std::task::Context::from_waker(Waker::noop());
        match self.shared.poll_verdict(ticket, &mut cx) {
            std::task::Poll::Ready(verdict) => Some(verdict),
            std::task::Poll::Pending => None,
        }
    }
}

/// What a socket would give.
struct Bytes<'a>(Cell<&'a [u8]>);

impl Bytes<'_> {
    fn up_to(&self, room: usize) -> &[u8] {
        let bytes = self.0.get();
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        self.0.set(later);
        now
    }
}

impl Incoming for Bytes<'_> {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.up_to(buffer.len());
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn try_read_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let bytes = self.up_to(buffer.capacity() - buffer.len());
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}
