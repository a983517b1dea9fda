//! Clients that soon answer what they are sent, so that a worker is awake when the answer comes.
//!
//! A core that sleeps takes tens of microseconds to wake, which is most of what a message there and back takes. A UNIX
//! socket reports that it takes bytes as soon as the other side has read some; of a client that then sends something
//! each time, this is when its answer is near. Of one that only listens it would wake workers for nothing, so it is asked
//! for only where answers have come, and of few clients: where there are many, workers are awake anyway.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use elbus_client::readiness::Room;
use parking_lot::Mutex;

use crate::socket::Socket;

/// Answers in a row after which the next one is expected, and reads without an answer after which none is.
const STREAK: u32 = 8;

/// Clients that are waited for so at once.
const MOST: usize = 16;

/// After so long without an answer a client makes room for another.
const SILENT: Duration = Duration::from_secs(1);

/// Bytes that are answered together; more are a flood, whose reader does not sleep.
const FEW: u64 = 4096;

/// Who is waited for so.
#[derive(Default)]
pub(crate) struct Expected(Mutex<Vec<Arc<Seat>>>);

struct Seat {
    /// The session, told when its seat is lost.
    owner: Waker,
    answered: Mutex<Instant>,
    lost: AtomicBool,
}

impl Expected {
    /// A seat, if one is free or its owner has been silent.
    fn seat(self: &Arc<Self>, owner: &Waker, now: Instant) -> Option<Seated> {
        let mut seats = self.0.lock();
        let mut silent = None;
        if seats.len() >= MOST {
            let is_silent = |seat: &Arc<Seat>| now.duration_since(*seat.answered.lock()) >= SILENT;
            let at = seats.iter().position(is_silent)?;
            silent = Some(seats.swap_remove(at));
        }
        let seat = Arc::new(Seat {
            owner: owner.clone(),
            answered: Mutex::new(now),
            lost: AtomicBool::new(false),
        });
        seats.push(Arc::clone(&seat));
        drop(seats);
        if let Some(seat) = silent {
            seat.lost.store(true, Relaxed);
            seat.owner.wake_by_ref();
        }
        let expected = Arc::clone(self);
        Some(Seated { expected, seat })
    }
}

/// A seat, given up when dropped.
struct Seated {
    expected: Arc<Expected>,
    seat: Arc<Seat>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut seats = self.expected.0.lock();
        seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

/// Whether a client is expected to answer soon.
#[derive(Default)]
pub(super) struct Anticipation {
    /// Bytes that had been queued for the client when it last sent something.
    seen: u64,
    /// Answers in a row.
    answers: u32,
    /// Reads since the last answer.
    unanswered: u32,
    watch: Option<Box<Watch>>,
}

/// The task is woken when the client reads.
struct Watch {
    room: Room,
    seated: Seated,
}

impl Anticipation {
    /// The client has sent something, after so many bytes had been queued for it in its life.
    pub(super) fn has_sent(&mut self, queued: u64) {
        let since = queued - std::mem::replace(&mut self.seen, queued);
        self.unanswered = 0;
        if since == 0 || since > FEW {
            self.give_up();
            return;
        }
        self.answers = self.answers.saturating_add(1);
        if let Some(watch) = &self.watch {
            *watch.seated.seat.answered.lock() = Instant::now();
        }
    }

    /// Has the task woken when the client reads, as long as an answer is expected.
    pub(super) fn poll(&mut self, socket: &Socket, expected: &Arc<Expected>, cx: &mut Context<'_>) {
        // Where all seats are taken, not every answer asks for one.
        if self.watch.is_none() && self.answers > 0 && self.answers.is_multiple_of(STREAK) {
            self.watch = expected.seat(cx.waker(), Instant::now()).map(|seated| {
                let room = Room::default();
                Box::new(Watch { room, seated })
            });
        }
        while let Some(watch) = &mut self.watch {
            if watch.seated.seat.lost.load(Relaxed) {
                return self.give_up();
            }
            match watch.room.poll(socket, cx) {
                Poll::Pending => return,
                // The first report comes at once, and counts as a read.
                Poll::Ready(Ok(())) if self.unanswered < STREAK => {
                    self.unanswered += 1;
                    // From here on it is the next read that counts.
                    let _ = watch
                        .room
                        .try_write(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                }
                Poll::Ready(_) => self.give_up(),
            }
        }
    }

    fn give_up(&mut self) {
        self.answers = 0;
        self.watch = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;

    /// A session's part of it, and what it hears.
    struct Client {
        anticipation: Anticipation,
        socket: Socket,
        _far: UnixStream,
        queued: u64,
    }

    impl Client {
        fn new() -> Self {
            let (near, far) = UnixStream::pair().unwrap();
            Self {
                anticipation: Anticipation::default(),
                socket: Socket::unix(near).unwrap(),
                _far: far,
                queued: 0,
            }
        }

        fn answers(&mut self, times: u32, expected: &Arc<Expected>) {
            for _ in 0..times {
                self.queued += 100;
                self.anticipation.has_sent(self.queued);
                self.is_polled(expected);
            }
        }

        fn is_polled(&mut self, expected: &Arc<Expected>) {
            let mut cx = Context::from_waker(Waker::noop());
            self.anticipation.poll(&self.socket, expected, &mut cx);
        }

        fn is_expected(&self) -> bool {
            self.anticipation.watch.is_some()
        }

        fn has_answered(&self, at: Instant) {
            let watch = self.anticipation.watch.as_ref().unwrap();
            *watch.seated.seat.answered.lock() = at;
        }
    }

    #[tokio::test]
    async fn a_client_is_expected_after_eight_answers_and_no_more_when_it_floods_or_speaks_unasked() {
        let expected = Arc::default();
        let mut client = Client::new();
        for unexpected in [0, FEW + 1] {
            client.answers(STREAK - 1, &expected);
            assert!(!client.is_expected());
            client.answers(1, &expected);
            assert!(client.is_expected());
            client.queued += unexpected;
            client.anticipation.has_sent(client.queued);
            assert!(!client.is_expected());
            assert!(expected.0.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn one_more_than_there_are_seats_is_expected_when_another_is_silent_for_a_second() {
        let expected = Arc::default();
        let now = Instant::now();
        let mut clients: Vec<Client> = (0..=MOST).map(|_| Client::new()).collect();
        let (last, others) = clients.split_last_mut().unwrap();
        for client in &mut *others {
            client.answers(STREAK, &expected);
            // However long this test is kept from running, they have not been silent.
            client.has_answered(now + 3600 * SILENT);
        }
        last.answers(STREAK, &expected);
        assert!(others.iter().all(Client::is_expected) && !last.is_expected());
        others[3].has_answered(now - SILENT);
        last.answers(STREAK, &expected);
        assert!(last.is_expected());
        others[3].is_polled(&expected);
        assert!(!others[3].is_expected());
        assert_eq!(expected.0.lock().len(), MOST);
        drop(clients);
        assert!(expected.0.lock().is_empty());
    }
}
