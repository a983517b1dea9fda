//! Receivers that do not keep up, and publications that are dropped for them.
use std::sync::Arc;

use elbus_proto::delivery::{self, Kind};

use super::{
    machine::{FakeWire, admission, flush, waiting, write},
    *,
};
use crate::account::Account;

const KIB: usize = 1024;

fn dropping(mark: usize, room: Reservation) -> Outbox {
    Outbox::new(mark, SlowConsumer::DropOldest, room)
}

/// A frame of so many bytes.
fn frame(kind: Kind, len: usize) -> Vec<u8> {
    let body = len - delivery::header(kind, 0, false).len();
    let header = delivery::header(kind, u32::try_from(body).unwrap(), false);
    [&header[..], &vec![b'x'; body]].concat()
}

/// Appends what is admitted, and what room is made for; says whether it was.
fn offer(outbox: &Outbox, frame: &[u8]) -> bool {
    let mut state = outbox.lock();
    let admitted = state.admit(None) == Admission::Granted || state.drop_oldest(frame.len());
    if admitted {
        state.append([frame, b"", b""], 1);
        state.settle(None, false);
    }
    admitted
}

#[test]
fn everything_is_written_whatever_the_mark() {
    for mark in [1, 2, 3, 100, KIB * KIB] {
        let (outbox, wire) = (dropping(mark, Reservation::default()), FakeWire::with_room(KIB));
        append(&outbox, &frame(Kind::Publication, 100));
        append(&outbox, &frame(Kind::Message, 50));
        assert!(flush(&outbox, &wire).is_none(), "mark {mark}");
        assert_eq!(
            (waiting(&outbox), wire.out.borrow().len()),
            (0, 150),
            "mark {mark}"
        );
    }
}

#[test]
fn publications_that_wait_make_room_until_none_is_left_and_then_again_when_something_was_taken() {
    let (outbox, wire) = (dropping(32 * KIB, Reservation::default()), FakeWire::default());
    let (publication, message) = (frame(Kind::Publication, KIB), frame(Kind::Message, KIB));
    for _ in 0..16 {
        append(&outbox, &message);
    }
    let batch = flush(&outbox, &wire).expect("the wire is full");
    for _ in 0..8 {
        append(&outbox, &message);
        append(&outbox, &publication);
    }
    assert_eq!(admission(&outbox, None), Admission::Full);
    for _ in 0..100 {
        assert!(offer(&outbox, &publication), "the oldest go");
    }
    assert!(outbox.lock().dropped() >= 100);
    assert!(waiting(&outbox) <= 33 * KIB);

    while admission(&outbox, None) == Admission::Granted {
        append(&outbox, &message);
    }
    while offer(&outbox, &message) {}
    let dropped = outbox.lock().dropped();
    assert!(!offer(&outbox, &publication), "only messages are left");

    // Below the mark publications are queued again, and they can go again.
    wire.room.set(12 * KIB);
    let Next::More(_batch) = write(&outbox, &wire, batch) else {
        panic!("released with bytes left");
    };
    while admission(&outbox, None) == Admission::Granted {
        append(&outbox, &publication);
    }
    assert!(offer(&outbox, &publication));
    assert!(outbox.lock().dropped() > dropped);
}

#[test]
fn when_nothing_is_left_of_what_all_may_use_publications_go_until_little_waits() {
    let account = Account::default();
    account.set_limit(256 * KIB);
    let account = Arc::new(account);
    let room = Reservation::new([Some(Arc::clone(&account)), None]);
    let outbox = dropping(8 * KIB * KIB, room);
    let publication = frame(Kind::Publication, KIB);
    while admission(&outbox, None) == Admission::Granted {
        append(&outbox, &publication);
    }
    assert!(
        (384 * KIB..386 * KIB).contains(&waiting(&outbox)),
        "{}",
        waiting(&outbox)
    );
    assert_eq!(account.used(), 256 * KIB);
    assert!(outbox.stall().is_some(), "it holds what others need");

    assert!(offer(&outbox, &publication));
    assert!(waiting(&outbox) <= 65 * KIB, "{}", waiting(&outbox));
    assert_eq!(account.used(), 0);
    assert_eq!(outbox.stall(), None);
}

#[test]
fn what_goes_over_the_mark_at_once_is_taken_from_what_all_may_use() {
    let account = Account::default();
    account.set_limit(KIB * KIB);
    let account = Arc::new(account);
    let room = Reservation::new([Some(Arc::clone(&account)), None]);
    let outbox = Outbox::new(64 * KIB, SlowConsumer::Hold, room);
    append(&outbox, &frame(Kind::Message, 600 * KIB));
    assert_eq!(account.used(), 512 * KIB);
    append(&outbox, &frame(Kind::Message, KIB * KIB));
    assert_eq!(account.used(), KIB * KIB, "as far as it goes");
    outbox.close();
    assert_eq!(account.used(), 0);
}
