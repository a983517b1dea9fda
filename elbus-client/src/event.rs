//! What happens to a client's connection, for those who want to know.
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use elbus_proto::delivery::DeliveryError;
use futures_core::Stream;
use parking_lot::Mutex;

use crate::ConnectError;

/// Events a listener may leave unread before the oldest are dropped.
const CAPACITY: usize = 64;

/// Something that happened to a client's connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The client is on the bus again: registered, with everything subscribed and excluded as before.
    Connected,
    /// The connection is gone. Unless the client was closed or never reconnects, it tries to get it back.
    Disconnected {
        /// Why.
        why: Arc<Disconnect>,
    },
    /// An attempt to get the connection back has failed for another reason than that nobody listens at the address;
    /// others follow. It is told again when the reason changes.
    Retrying {
        /// Why it failed: the name is taken, for instance, or who listens there is no broker.
        why: Arc<ConnectError>,
    },
    /// There will be no other connection: the broker refuses this client. The inbox ends.
    GaveUp {
        /// What the broker said.
        why: Arc<ConnectError>,
    },
    /// The broker has taken nothing for a while although frames wait to be written: as a rule because receivers are
    /// slow.
    HeldBack,
    /// The broker takes frames again.
    Released,
    /// The inbox is over its limit: nothing more is read from the broker until frames are taken out, unless operations
    /// wait for their answer. It is told again once the inbox has been half empty.
    InboxLagging {
        /// Bytes that unread frames take.
        bytes: usize,
    },
    /// This listener was too slow: so many events in front of the next one were dropped.
    Missed {
        /// How many.
        count: u64,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// The client was closed, or every clone and the inbox were dropped.
    #[error("the client was closed")]
    Closed,
    /// The broker closed the connection.
    #[error("the broker closed the connection")]
    ByBroker,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The broker sent something that is no frame.
    #[error("the broker sent what is no frame: {0}")]
    Malformed(#[from] DeliveryError),
    /// The broker sent a sender or a topic that is not UTF-8.
    #[error("the broker sent a frame whose sender or topic is not UTF-8")]
    NotUtf8,
    /// The broker announced a frame that is over the limit, or for which there is no memory.
    #[error(
        "the broker sent a frame of {len} bytes, over the limit of {limit} bytes or of what memory there is"
    )]
    TooLarge {
        /// Bytes in the frame.
        len: u64,
        /// The limit: `Options::frame_limit`, and what names and topics add.
        limit: usize,
    },
    /// Nothing came from the broker and nothing was taken by it, although something waited for it.
    #[error("the broker neither answered nor took anything for {limit:?}")]
    Silent {
        /// The limit: `Options::timeout`.
        limit: Duration,
    },
}

/// The events of one client from the moment they were asked for, a [`Stream`]. It ends with the client.
///
/// A listener that does not read loses the oldest events and is told how many ([`Event::Missed`]).
#[derive(Debug)]
pub struct Events(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
    ended: bool,
}

impl Events {
    /// The events of a link that has none.
    pub(crate) fn none() -> Self {
        let queue = Queue {
            ended: true,
            ..Queue::default()
        };
        Self(Arc::new(Mutex::new(queue)))
    }

    /// Waits for the next event; `None` once the client is closed and everything was handed out. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) for those who poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut queue = self.0.lock();
        if queue.missed > 0 {
            let count = std::mem::take(&mut queue.missed);
            return Poll::Ready(Some(Event::Missed { count }));
        }
        if let Some(event) = queue.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if queue.ended {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_recv(cx)
    }
}

/// Everyone who listens to one client's events, for those who write a link.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Listening>);

#[derive(Debug, Default)]
struct Listening {
    queues: Vec<Weak<Mutex<Queue>>>,
    ended: bool,
}

impl Listeners {
    /// The events from now on; none after the end.
    #[must_use]
    pub fn listen(&self) -> Events {
        let mut listening = self.0.lock();
        if listening.ended {
            return Events::none();
        }
        let queue = Arc::new(Mutex::new(Queue::default()));
        listening.queues.retain(|queue| queue.strong_count() > 0);
        listening.queues.push(Arc::downgrade(&queue));
        Events(queue)
    }

    /// Tells everyone.
    pub fn tell(&self, event: &Event) {
        let wakers = self.0.lock().each(|queue| {
            if queue.events.len() == CAPACITY {
                queue.events.pop_front();
                queue.missed += 1;
            }
            queue.events.push_back(event.clone());
        });
        wake(wakers);
    }

    /// Ends every stream, after what it holds.
    pub fn end(&self) {
        let mut listening = self.0.lock();
        listening.ended = true;
        let wakers = listening.each(|queue| queue.ended = true);
        drop(listening);
        wake(wakers);
    }
}

impl Listening {
    /// Acts on every queue; answers who is to be woken.
    fn each(&self, mut act: impl FnMut(&mut Queue)) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            let mut queue = queue.lock();
            act(&mut queue);
            wakers.extend(queue.waker.take());
        }
        wakers
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(events: &mut Events) -> Poll<Option<Event>> {
        events.poll_recv(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_slow_listener_loses_the_oldest_events_and_learns_how_many() {
        let listeners = Listeners::default();
        let mut events = listeners.listen();
        for bytes in 0..CAPACITY + 3 {
            listeners.tell(&Event::InboxLagging { bytes });
        }
        assert!(matches!(
            next(&mut events),
            Poll::Ready(Some(Event::Missed { count: 3 }))
        ));
        assert!(matches!(
            next(&mut events),
            Poll::Ready(Some(Event::InboxLagging { bytes: 3 }))
        ));
    }

    #[test]
    fn the_stream_ends_after_what_it_holds() {
        let listeners = Listeners::default();
        let mut events = listeners.listen();
        assert!(next(&mut events).is_pending());
        listeners.tell(&Event::Connected);
        listeners.end();
        assert!(matches!(next(&mut events), Poll::Ready(Some(Event::Connected))));
        assert!(matches!(next(&mut events), Poll::Ready(None)));
        assert!(
            matches!(next(&mut listeners.listen()), Poll::Ready(None)),
            "asked for too late"
        );
    }
}
