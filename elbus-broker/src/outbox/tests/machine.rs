//! The states of one outbox, one by one.
use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Wake,
};

use bytes::Bytes;

use super::*;

/// A wire that takes so many bytes, and then none.
#[derive(Default)]
pub(super) struct FakeWire {
    pub(super) out: RefCell<Vec<u8>>,
    pub(super) room: Cell<usize>,
    broken: bool,
}

impl FakeWire {
    pub(super) fn with_room(room: usize) -> Self {
        let room = Cell::new(room);
        Self {
            room,
            ..Self::default()
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.out.borrow().clone()).unwrap()
    }
}

impl Wire for FakeWire {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let n = bytes.len().min(self.room.get());
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - n);
        self.out.borrow_mut().extend_from_slice(&bytes[..n]);
        Ok(n)
    }
}

/// A waker that counts.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Somebody who waits for room.
struct Waiter {
    alarm: Arc<Alarm>,
    ticket: Option<Ticket>,
}

impl Waiter {
    fn new() -> Self {
        Self {
            alarm: Arc::default(),
            ticket: None,
        }
    }

    fn poll(&mut self, outbox: &Outbox) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.alarm));
        outbox.poll_room(&mut self.ticket, &mut Context::from_waker(&waker))
    }

    fn was_woken(&self) -> bool {
        self.alarm.0.load(SeqCst) > 0
    }
}

pub(super) fn flush(outbox: &Outbox, wire: &FakeWire) -> Option<Batch> {
    let mut handed = None;
    assert_eq!(outbox.flush(wire, |batch| handed = Some(batch)), Flushed::Done);
    handed
}

pub(super) fn waiting(outbox: &Outbox) -> usize {
    outbox.lock().waiting()
}

pub(super) fn admission(outbox: &Outbox, ticket: Option<Ticket>) -> Admission {
    outbox.lock().admit(ticket)
}

/// Writes a batch that was handed over, as the writer task does.
pub(super) fn write(outbox: &Outbox, wire: &FakeWire, mut batch: Batch) -> Next {
    match batch.write(wire, usize::MAX, usize::MAX) {
        Ok(n) => outbox.wrote(batch, n),
        Err(WriteError::Full(n)) => {
            outbox.progressed(n);
            Next::More(batch)
        }
        Err(WriteError::Broken) => panic!("the wire broke"),
    }
}

#[test]
fn a_flush_writes_what_was_appended_in_its_order() {
    let (outbox, wire) = (
        Outbox::new(100, SlowConsumer::Hold, Reservation::default()),
        FakeWire::with_room(100),
    );
    assert_eq!(append(&outbox, b"one "), Touch::Flush);
    assert_eq!(append(&outbox, b"two "), Touch::Nothing);
    {
        let mut state = outbox.lock();
        state.append_shared([b"three ", b"", b""], Bytes::from_static(b"four"), 1);
        assert_eq!(state.settle(None, false), Touch::Nothing);
    }

    assert!(flush(&outbox, &wire).is_none());

    assert_eq!(wire.text(), "one two three four");
    let state = outbox.lock();
    assert_eq!((state.waiting(), state.writing), (0, false));
    assert_eq!(state.written(), Written { frames: 3, bytes: 18 });
}

#[test]
fn what_a_full_wire_leaves_over_goes_first_and_the_token_stays_out() {
    let (outbox, wire) = (
        Outbox::new(100, SlowConsumer::Hold, Reservation::default()),
        FakeWire::with_room(3),
    );
    append(&outbox, b"first");
    let batch = flush(&outbox, &wire).expect("the wire is full");
    assert_eq!(waiting(&outbox), 2);

    // Others append and flush meanwhile: the holder of the token sees to it.
    assert_eq!(append(&outbox, b"second"), Touch::Flush);
    assert!(flush(&outbox, &wire).is_none());
    assert_eq!(wire.text(), "fir");

    wire.room.set(100);
    let Next::More(batch) = write(&outbox, &wire, batch) else {
        panic!("released with bytes left");
    };
    assert!(matches!(write(&outbox, &wire, batch), Next::Released));
    assert_eq!(wire.text(), "firstsecond");
    assert!(!outbox.lock().writing);
}

#[test]
fn whoever_flushes_does_not_write_for_the_others_for_ever() {
    /// Somebody appends whenever something is written.
    struct Busy<'a>(&'a Outbox, Cell<usize>);
    impl Wire for Busy<'_> {
        fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            append(self.0, b"more");
            Ok(parts.iter().map(|part| part.len()).sum())
        }
    }
    let outbox = Outbox::new(100, SlowConsumer::Hold, Reservation::default());
    append(&outbox, b"first");
    let wire = Busy(&outbox, Cell::new(0));
    let mut handed = None;
    assert_eq!(outbox.flush(&wire, |batch| handed = Some(batch)), Flushed::Done);
    assert!(handed.is_some());
    assert_eq!(wire.1.get(), INLINE_ROUNDS);
}

#[test]
fn frames_are_admitted_below_the_mark_however_large_they_are() {
    let (outbox, wire) = (
        Outbox::new(10, SlowConsumer::Hold, Reservation::default()),
        FakeWire::default(),
    );
    append(&outbox, &[b'x'; 9]);
    assert_eq!(admission(&outbox, None), Admission::Granted);
    append(&outbox, &[b'x'; 1000]);
    assert_eq!(admission(&outbox, None), Admission::Full);

    // What the holder of the token has taken out and not yet written still counts.
    let batch = flush(&outbox, &wire).expect("the wire is full");
    assert_eq!(admission(&outbox, None), Admission::Full);
    wire.room.set(999);
    let Next::More(_batch) = write(&outbox, &wire, batch) else {
        panic!("released with bytes left");
    };
    assert_eq!(
        (waiting(&outbox), admission(&outbox, None)),
        (10, Admission::Full)
    );
    outbox.progressed(1);
    assert_eq!(admission(&outbox, None), Admission::Granted);
}

#[test]
fn those_who_wait_get_their_turn_in_order_one_at_a_time() {
    let (outbox, wire) = (
        Outbox::new(1, SlowConsumer::Hold, Reservation::default()),
        FakeWire::with_room(100),
    );
    append(&outbox, b"0");
    let mut waiters = [Waiter::new(), Waiter::new(), Waiter::new()];
    for waiter in &mut waiters {
        assert!(waiter.poll(&outbox).is_pending());
        assert!(waiter.poll(&outbox).is_pending(), "asking again keeps the place");
    }
    assert!(flush(&outbox, &wire).is_none());

    assert_eq!(waiters.each_ref().map(Waiter::was_woken), [true, false, false]);
    assert_eq!(admission(&outbox, None), Admission::Full, "nobody overtakes");
    assert!(waiters[1].poll(&outbox).is_pending());
    assert!(waiters[0].poll(&outbox).is_ready());
    {
        let mut state = outbox.lock();
        assert_eq!(state.admit(waiters[0].ticket), Admission::Granted);
        state.append([b"1", b"", b""], 1);
        state.settle(waiters[0].ticket, false);
    }
    assert!(!waiters[1].was_woken(), "full again");
    assert!(flush(&outbox, &wire).is_none());
    assert_eq!(waiters.each_ref().map(Waiter::was_woken), [true, true, false]);

    // The second gives up: the third is next.
    outbox.leave_line(waiters[1].ticket.unwrap());
    assert!(waiters[2].was_woken());
    assert!(waiters[2].poll(&outbox).is_ready());
    outbox.leave_line(waiters[2].ticket.unwrap());
    assert_eq!(admission(&outbox, None), Admission::Granted);
}

#[test]
fn closing_frees_the_bytes_and_wakes_everyone() {
    let (outbox, wire) = (
        Outbox::new(1, SlowConsumer::Hold, Reservation::default()),
        FakeWire::default(),
    );
    append(&outbox, b"taken");
    let batch = flush(&outbox, &wire).expect("the wire is full");
    append(&outbox, b"queued");
    let mut waiters = [Waiter::new(), Waiter::new()];
    for waiter in &mut waiters {
        assert!(waiter.poll(&outbox).is_pending());
    }
    let (writer, drained) = (Arc::<Alarm>::default(), Arc::<Alarm>::default());
    assert_eq!(outbox.writer_view(&Arc::clone(&writer).into()), WriterView::Over);
    let drained_waker = Waker::from(Arc::clone(&drained));
    assert!(
        outbox
            .poll_drained(&mut Context::from_waker(&drained_waker))
            .is_pending()
    );

    outbox.close();

    assert!(waiters.iter().all(Waiter::was_woken));
    assert_eq!((writer.0.load(SeqCst), drained.0.load(SeqCst)), (1, 1));
    assert_eq!(waiting(&outbox), 0);
    assert_eq!(admission(&outbox, waiters[0].ticket), Admission::Closed);
    assert!(waiters[1].poll(&outbox).is_ready());
    assert!(
        outbox
            .poll_drained(&mut Context::from_waker(&drained_waker))
            .is_ready()
    );
    assert_eq!(
        outbox.writer_view(&Arc::clone(&writer).into()),
        WriterView::Closed
    );
    wire.room.set(100);
    assert!(matches!(write(&outbox, &wire, batch), Next::Released));
    assert_eq!((waiting(&outbox), outbox.stall()), (0, None));
}

#[test]
fn a_sealed_outbox_takes_nothing_more_and_writes_what_it_holds() {
    let (outbox, wire) = (
        Outbox::new(1, SlowConsumer::Hold, Reservation::default()),
        FakeWire::default(),
    );
    append(&outbox, b"last words");
    let mut waiter = Waiter::new();
    assert!(waiter.poll(&outbox).is_pending());

    outbox.seal();

    assert!(waiter.was_woken());
    assert_eq!(admission(&outbox, waiter.ticket), Admission::Closed);
    let drained = Arc::<Alarm>::default();
    let waker = Waker::from(Arc::clone(&drained));
    assert!(outbox.poll_drained(&mut Context::from_waker(&waker)).is_pending());
    wire.room.set(100);
    assert!(flush(&outbox, &wire).is_none());
    assert_eq!((wire.text().as_str(), drained.0.load(SeqCst)), ("last words", 1));
    assert!(outbox.poll_drained(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn a_broken_wire_closes_the_outbox() {
    let outbox = Outbox::new(10, SlowConsumer::Hold, Reservation::default());
    let wire = FakeWire {
        broken: true,
        ..FakeWire::default()
    };
    append(&outbox, b"lost");
    let flushed = outbox.flush(&wire, |_| panic!("there is nothing left to write"));
    assert_eq!(flushed, Flushed::Broken);
    assert_eq!(
        (admission(&outbox, None), waiting(&outbox)),
        (Admission::Closed, 0)
    );
}

#[test]
fn real_time_frames_and_full_blocks_are_not_held_up() {
    let (outbox, wire) = (
        Outbox::new(1 << 20, SlowConsumer::Hold, Reservation::default()),
        FakeWire::with_room(1 << 20),
    );
    assert_eq!(append(&outbox, b"held up"), Touch::Flush);
    assert_eq!(outbox.lock().may_wait(), Hold::Yes);
    assert_eq!(append(&outbox, b"as well"), Touch::Nothing);
    assert_eq!(outbox.lock().may_wait(), Hold::Already);
    {
        let mut state = outbox.lock();
        state.append([b"now", b"", b""], 1);
        assert_eq!(state.settle(None, true), Touch::Flush);
        assert_eq!(state.may_wait(), Hold::No);
    }
    assert!(flush(&outbox, &wire).is_none());
    assert_eq!(wire.text(), "held upas wellnow");

    // The later flush is still on its way; a full block does not wait for it.
    assert_eq!(append(&outbox, b"x"), Touch::Flush);
    assert_eq!(outbox.lock().may_wait(), Hold::Already);
    assert_eq!(append(&outbox, &vec![b'x'; pool::BLOCK]), Touch::Flush);
    assert_eq!(outbox.lock().may_wait(), Hold::No);
}

#[test]
fn the_stall_clock_runs_from_the_last_progress_over_the_mark() {
    let (outbox, wire) = (
        Outbox::new(4, SlowConsumer::Hold, Reservation::default()),
        FakeWire::default(),
    );
    append(&outbox, b"123");
    assert_eq!(outbox.stall(), None);
    let before = Instant::now();
    append(&outbox, b"456");
    let crossed = outbox.stall().expect("over the mark");
    assert!(crossed.since >= before);
    append(&outbox, b"789");
    assert_eq!(outbox.stall(), Some(crossed), "more bytes are no progress");

    let batch = flush(&outbox, &wire).expect("the wire is full");
    assert_eq!(outbox.stall(), Some(crossed), "no byte was taken");
    wire.room.set(1);
    let Next::More(_batch) = write(&outbox, &wire, batch) else {
        panic!("released with bytes left");
    };
    assert!(outbox.stall().expect("still over").since > crossed.since);
    outbox.progressed(5);
    assert_eq!(outbox.stall(), None);
}

#[test]
fn a_receiver_that_was_held_back_has_its_time_again_but_not_for_ever() {
    let outbox = Outbox::new(4, SlowConsumer::Hold, Reservation::default());
    append(&outbox, b"12345");
    let before = outbox.stall().expect("over the mark");
    std::thread::sleep(std::time::Duration::from_millis(1));

    outbox.forgive();

    let after = outbox.stall().expect("still over");
    assert!(after.counted_from() > before.counted_from());
    assert_eq!(after.since, before.since, "it took nothing all the same");
}

#[test]
fn the_writer_task_is_told_when_there_is_a_stall_to_watch_for() {
    let (outbox, wire) = (
        Outbox::new(4, SlowConsumer::Hold, Reservation::default()),
        FakeWire::default(),
    );
    append(&outbox, b"1");
    let _batch = flush(&outbox, &wire).expect("the wire is full");
    let alarm = Arc::<Alarm>::default();
    assert_eq!(outbox.writer_view(&Arc::clone(&alarm).into()), WriterView::Below);
    append(&outbox, b"23");
    assert_eq!(alarm.0.load(SeqCst), 0);
    append(&outbox, b"4");
    assert_eq!(alarm.0.load(SeqCst), 1);
    assert_eq!(outbox.writer_view(&Arc::clone(&alarm).into()), WriterView::Over);
}
