//! Every interleaving, within a bound of preemptions, of those who share an outbox.
use std::sync::Arc;

use loom::{
    future::block_on,
    model::Builder,
    thread::{self, JoinHandle},
};

use super::*;
use crate::sync::Mutex as Guarded;

/// A wire that is full after so many bytes until the writer task finds it open. Two who write at once are found out.
struct Narrow(loom::sync::Mutex<Taken>);

struct Taken {
    out: Vec<u8>,
    room: usize,
}

impl Narrow {
    fn new(room: usize) -> Self {
        let out = Vec::new();
        Self(loom::sync::Mutex::new(Taken { out, room }))
    }

    fn open(&self) {
        self.0.try_lock().expect("two hold the writer token").room = usize::MAX;
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().out.clone()
    }
}

impl Wire for Narrow {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = self.0.try_lock().expect("two hold the writer token");
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let n = bytes.len().min(taken.room);
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        taken.room = taken.room.saturating_sub(n);
        taken.out.extend_from_slice(&bytes[..n]);
        Ok(n)
    }
}

/// An outbox, its wire, and the writer task: a thread that is started when the wire is full.
struct Bus {
    outbox: Outbox,
    wire: Narrow,
    writers: Guarded<Vec<JoinHandle<()>>>,
}

impl Bus {
    fn new(mark: usize, room: usize) -> Arc<Self> {
        Arc::new(Self {
            outbox: Outbox::new(mark, SlowConsumer::Hold, Reservation::default()),
            wire: Narrow::new(room),
            writers: Guarded::new(Vec::new()),
        })
    }

    fn flush(self: &Arc<Self>) {
        let flushed = self.outbox.flush(&self.wire, |batch| {
            let bus = Arc::clone(self);
            let writer = thread::spawn(move || bus.write_out(batch));
            self.writers.lock().push(writer);
        });
        assert_eq!(flushed, Flushed::Done);
    }

    /// What the writer task does, with a wire that never is full again.
    fn write_out(&self, mut batch: Batch) {
        self.wire.open();
        loop {
            match batch.write(&self.wire, usize::MAX, usize::MAX) {
                Ok(n) => match self.outbox.wrote(batch, n) {
                    Next::Released => return,
                    Next::More(more) => batch = more,
                },
                Err(_) => panic!("an open wire takes everything"),
            }
        }
    }

    /// Appends one byte as a session does: waits for its turn when there is no room, then flushes if it has to.
    /// Answers false when the outbox is closed.
    fn send(self: &Arc<Self>, byte: u8) -> bool {
        let mut ticket = None;
        loop {
            block_on(std::future::poll_fn(|cx| self.outbox.poll_room(&mut ticket, cx)));
            let mut state = self.outbox.lock();
            let touch = match state.admit(ticket) {
                Admission::Granted => {
                    state.append([&[byte], b"", b""], 1);
                    state.settle(ticket, false)
                }
                // Someone came first while nobody was in line.
                Admission::Full => continue,
                Admission::Closed => return false,
            };
            drop(state);
            if touch == Touch::Flush {
                self.flush();
            }
            return true;
        }
    }

    fn sender(self: &Arc<Self>, bytes: &'static [u8]) -> JoinHandle<usize> {
        let bus = Arc::clone(self);
        thread::spawn(move || bytes.iter().filter(|byte| bus.send(**byte)).count())
    }

    fn join_writers(&self) {
        loop {
            let Some(writer) = self.writers.lock().pop() else {
                return;
            };
            writer.join().unwrap();
        }
    }

    /// Nothing is left, nobody waits, the token is back; answers what was written.
    fn at_rest(&self) -> Vec<u8> {
        self.join_writers();
        let state = self.outbox.lock();
        assert_eq!(state.waiting(), 0, "bytes were left behind");
        assert!(state.line.is_empty(), "somebody was left waiting");
        assert!(!state.writing, "the token was not released");
        drop(state);
        self.wire.bytes()
    }
}

fn model(preemptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// The bytes of `of` among those written.
fn only(of: &[u8], written: &[u8]) -> Vec<u8> {
    written.iter().copied().filter(|byte| of.contains(byte)).collect()
}

/// Two append two bytes each to an outbox with this mark, while the wire fills up.
fn two_senders(mark: usize, preemptions: usize) {
    model(preemptions, move || {
        let bus = Bus::new(mark, 1);
        let senders = [bus.sender(b"ab"), bus.sender(b"AB")];
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        let written = bus.at_rest();
        assert_eq!((sent, written.len()), (4, 4));
        assert_eq!(
            (only(b"ab", &written), only(b"AB", &written)),
            (b"ab".to_vec(), b"AB".to_vec())
        );
    });
}

#[test]
fn what_two_append_arrives_in_order_while_the_wire_fills_up() {
    two_senders(100, 3);
}

#[test]
fn those_who_wait_for_room_all_get_it() {
    two_senders(1, 2);
}

#[test]
fn a_waiter_that_gives_up_passes_its_turn_on() {
    model(3, || {
        let bus = Bus::new(1, 0);
        append(&bus.outbox, b"0");
        let quitter = {
            let bus = Arc::clone(&bus);
            thread::spawn(move || {
                let mut ticket = None;
                let waker = Waker::noop();
                let _ = bus.outbox.poll_room(&mut ticket, &mut Context::from_waker(waker));
                if let Some(ticket) = ticket {
                    bus.outbox.leave_line(ticket);
                }
            })
        };
        let sender = bus.sender(b"1");
        bus.flush();
        quitter.join().unwrap();
        assert_eq!(sender.join().unwrap(), 1);
        assert_eq!(bus.at_rest(), b"01");
    });
}

#[test]
fn closing_while_others_append_and_write_leaves_nobody_behind() {
    model(3, || {
        let bus = Bus::new(1, 1);
        let sender = bus.sender(b"abc");
        let closer = {
            let bus = Arc::clone(&bus);
            thread::spawn(move || bus.outbox.close())
        };
        let sent = sender.join().unwrap();
        closer.join().unwrap();
        bus.join_writers();
        let written = bus.wire.bytes();
        assert!(
            b"abc".starts_with(&written) && written.len() <= sent,
            "{written:?} of {sent}"
        );
        let mut state = bus.outbox.lock();
        assert!(state.line.is_empty(), "somebody was left waiting");
        assert_eq!(state.waiting(), 0, "closing frees the bytes");
        assert!(state.take().is_none(), "nothing is written any more");
    });
}

#[test]
fn whoever_waits_for_the_last_byte_is_told() {
    model(3, || {
        let bus = Bus::new(100, 1);
        let sender = bus.sender(b"ab");
        let sealer = {
            let bus = Arc::clone(&bus);
            thread::spawn(move || {
                assert!(bus.send(b'z'));
                bus.outbox.seal();
                bus.flush();
                block_on(std::future::poll_fn(|cx| bus.outbox.poll_drained(cx)));
                assert_eq!(bus.outbox.lock().waiting(), 0);
            })
        };
        let sent = sender.join().unwrap();
        sealer.join().unwrap();
        let written = bus.at_rest();
        assert_eq!(written.len(), sent + 1);
        assert!(b"ab".starts_with(&only(b"ab", &written)[..]));
    });
}
