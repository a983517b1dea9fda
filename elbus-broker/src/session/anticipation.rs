//! Clients that soon answer what they are sent, so that a worker is awake when the answer comes.
//!
//! A core that sleeps takes tens of microseconds to wake, which is most of what a message there and back takes. A UNIX
//! socket reports that it takes bytes as soon as the other side has read some; of a client that then sends something
//! each time, this is when its answer is near. Of one that only listens it would wake workers for nothing, so it is asked
//! for only where answers have come, and of few clients: where there are many, workers are awake anyway.
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use elbus_client::readiness::Room;

use crate::{core::Core, socket::Socket};

/// Answers in a row after which the next one is expected, and reads without an answer after which none is.
const STREAK: u32 = 8;

/// Clients that are waited for so at once.
const MOST: usize = 16;

/// Bytes that are answered together; more are a flood, whose reader does not sleep.
const FEW: u64 = 4096;

/// Whether a client is expected to answer soon.
#[derive(Default)]
pub(super) struct Anticipation {
    /// Bytes that had gone to the client when it last sent something.
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
    _counted: Counted,
}

/// One of those that are waited for, counted while it lives.
struct Counted(Arc<Core>);

impl Counted {
    fn new(core: &Arc<Core>) -> Option<Self> {
        let taken = core
            .anticipated
            .fetch_update(Relaxed, Relaxed, |n| (n < MOST).then_some(n + 1));
        taken.is_ok().then(|| Self(Arc::clone(core)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.anticipated.fetch_sub(1, Relaxed);
    }
}

impl Anticipation {
    /// The client has sent something, after so many bytes had gone to it.
    pub(super) fn has_sent(&mut self, written: u64, core: &Arc<Core>) {
        let since = written - std::mem::replace(&mut self.seen, written);
        self.unanswered = 0;
        if since == 0 || since > FEW {
            self.answers = 0;
            self.watch = None;
            return;
        }
        self.answers = self.answers.saturating_add(1);
        if self.answers >= STREAK && self.watch.is_none() {
            let watch = |counted| Watch {
                room: Room::default(),
                _counted: counted,
            };
            self.watch = Counted::new(core).map(|counted| Box::new(watch(counted)));
        }
    }

    /// Has the task woken when the client reads, as long as an answer is expected.
    pub(super) fn poll(&mut self, socket: &Socket, cx: &mut Context<'_>) {
        while let Some(watch) = &mut self.watch {
            match watch.room.poll(socket, cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if self.unanswered < STREAK => {
                    self.unanswered += 1;
                    // From here on it is the next read that counts.
                    let _ = watch
                        .room
                        .try_write(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                }
                Poll::Ready(_) => {
                    self.answers = 0;
                    self.watch = None;
                }
            }
        }
    }
}
