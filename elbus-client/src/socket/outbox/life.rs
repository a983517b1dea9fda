//! Connections that come and go, and the end.
use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use elbus_proto::{Qos, request};

use super::{Outbox, Phase};
use crate::{
    Error,
    socket::{pending::Verdict, queue::SendQueue, stream::Socket},
};

impl Outbox {
    /// A connection is there: asks for everything that was subscribed and excluded.
    pub(in crate::socket) fn connected(&mut self, socket: Arc<Socket>) {
        self.connection += 1;
        self.socket = Some(socket);
        self.progress = self.tick;
        if self.phase != Phase::Disconnected {
            // It was closed in the meantime.
            return;
        }
        for (op, body) in self.filters.bodies() {
            let id = self.pending.insert(self.tick, true);
            let header = request::RequestHeader::new(id.0.get(), op, Qos::Processed, body.len() as u32);
            self.say(&[&header.encode(), body.as_bytes()]);
            self.restoring += 1;
        }
        self.phase = Phase::Restoring;
    }

    /// Goes from restoring to connected when everything asked for is answered; says whether it did.
    pub(in crate::socket) fn restored(&mut self) -> bool {
        if self.phase != Phase::Restoring || self.restoring > 0 {
            return false;
        }
        self.phase = Phase::Connected;
        self.wake_watchers();
        self.pass_turn();
        true
    }

    /// The connection is gone: what was not written is lost, and nobody waits for answers any more.
    pub(in crate::socket) fn disconnected(&mut self, wakers: &mut Vec<Waker>) {
        self.lost |= self.queued() > 0 && self.phase != Phase::Restoring;
        self.connection += 1;
        self.socket = None;
        self.broken = None;
        self.reading_held = false;
        self.writing = false;
        self.blocked = false;
        self.was_full = false;
        self.urgent = false;
        self.taken = 0;
        self.queue = SendQueue::default();
        self.unproven = false;
        self.restoring = 0;
        self.written_bytes = self.appended_bytes;
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Disconnected;
            self.disconnected_at = Instant::now();
        }
        let mut unanswered = Vec::new();
        self.pending.take_asked(&mut unanswered);
        for asked in unanswered {
            self.filters.unanswered(&asked);
        }
        self.pending.end_all(self.tick, Verdict::ConnectionLost, wakers);
        self.wake_watchers();
        self.wake_line();
    }

    /// Nothing is taken from now on.
    pub(in crate::socket) fn seal(&mut self) {
        if !matches!(self.phase, Phase::Closing | Phase::Closed) {
            self.phase = Phase::Closing;
            self.wake_line();
            self.wake_watchers();
            self.wake_driver();
        }
    }

    /// This is the end.
    pub(in crate::socket) fn close(&mut self) {
        self.phase = Phase::Closed;
        self.wake_line();
        self.wake_watchers();
    }

    /// Whether everything taken is written and answered.
    pub(in crate::socket) const fn is_drained(&self) -> bool {
        self.queued() == 0 && self.pending.waiting() == 0
    }

    /// How much was appended so far on this connection: what [`poll_written`](Self::poll_written) waits for. An error if
    /// bytes were lost with a connection since this was last asked, or with the last one of a client that is closed.
    pub(in crate::socket) fn mark(&mut self) -> Result<(u64, u64), Error> {
        if self.lost && self.phase == Phase::Closed {
            // Nothing makes up for it any more, so it is said each time.
            return Err(Error::Closed);
        }
        if std::mem::take(&mut self.lost) {
            return Err(Error::ConnectionLost);
        }
        Ok((self.connection, self.appended_bytes))
    }

    /// Ready when everything appended until `mark` is written, or never will be.
    pub(in crate::socket) fn poll_written(
        &mut self,
        mark: (u64, u64),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let (connection, bytes) = mark;
        if connection != self.connection {
            self.lost &= self.phase == Phase::Closed;
            return Poll::Ready(Err(Error::ConnectionLost));
        }
        if self.written_bytes >= bytes {
            return Poll::Ready(Ok(()));
        }
        self.watchers.join(cx.waker());
        Poll::Pending
    }

    /// Ready when there is a connection, or never will be again: then it says no.
    pub(in crate::socket) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.phase {
            Phase::Connected => Poll::Ready(true),
            Phase::Closing | Phase::Closed => Poll::Ready(false),
            Phase::Disconnected | Phase::Restoring => {
                self.watchers.join(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Ready when there is no connection, with the time since when.
    pub(in crate::socket) fn poll_disconnected(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if matches!(self.phase, Phase::Disconnected | Phase::Restoring) {
            return Poll::Ready(self.disconnected_at);
        }
        self.watchers.join(cx.waker());
        Poll::Pending
    }

    /// Ready when nothing is taken any more; for the connection's task.
    pub(in crate::socket) fn poll_sealed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.register_driver(cx.waker());
        match self.phase {
            Phase::Closing | Phase::Closed => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Ready at the very end.
    pub(in crate::socket) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Verdict> {
        if self.phase == Phase::Closed {
            return Poll::Ready(self.farewell);
        }
        self.watchers.join(cx.waker());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::readiness::Stream;

    #[tokio::test]
    async fn a_client_that_was_closed_while_it_connected_stays_closed() {
        let mut outbox = Outbox::new(1000, 10, 10, false);
        outbox.filters.note(elbus_proto::Op::Subscribe, &["a"]);
        outbox.seal();
        let (near, _far) = UnixStream::pair().unwrap();
        outbox.connected(Arc::new(Socket::Unix(Stream::new(near).unwrap())));
        assert!(!outbox.restored());
        assert_eq!(outbox.phase, Phase::Closing);
        assert!(outbox.is_drained());
    }
}
