//! What carrying requests out leaves to do: acknowledgements to hand over, outboxes to flush.
use std::sync::Arc;

use elbus_proto::delivery;

use super::{Held, Router};
use crate::{
    deliver::{Place, Placed, Run},
    outbox::{Admission, Touch, pool},
};

/// Outboxes flushed before the worker's other tasks get their turn.
const FLUSHES: usize = 64;

impl Router {
    /// Where answers are gathered, in memory of the thread's pool until the session waits.
    #[inline]
    pub(super) fn answers(&mut self) -> &mut Vec<u8> {
        if self.answers.capacity() == 0 {
            self.answers = pool::take();
        }
        &mut self.answers
    }

    /// Adds acknowledgements that were waiting for a held run.
    pub(in crate::session) fn add_answers(&mut self, acks: &[u8], realtime: bool) {
        self.urgent_answers |= realtime;
        self.answers().extend_from_slice(acks);
    }

    /// Places a held run with one of its receivers, whose turn it is.
    pub(in crate::session) fn place_rest(
        &mut self,
        run: &Run,
        place: &mut Place,
        taken: &mut usize,
    ) -> Placed {
        place.put(run, taken, &mut self.touched)
    }

    /// Moves the acknowledgements to the client's own outbox, and flushes who was touched, as far as a slice allows.
    /// Answers false while there are more to flush.
    pub(in crate::session) fn finish(&mut self, ticket: Option<&mut Place>) -> Result<bool, Held> {
        let own = self.append_answers(ticket);
        let slice = self.touched.len().saturating_sub(FLUSHES);
        for peer in self.touched.drain(slice..) {
            peer.flush();
        }
        own.map(|()| self.is_flushed())
    }

    /// Whether everyone who was touched is flushed.
    pub(in crate::session) fn is_flushed(&self) -> bool {
        self.touched.is_empty()
    }

    /// Acknowledgements and frames leave the same way; the client's own outbox is one like any other.
    fn append_answers(&mut self, place: Option<&mut Place>) -> Result<(), Held> {
        let Some(outbox) = self.peer.outbox().filter(|_| !self.answers.is_empty()) else {
            return Ok(());
        };
        let ticket = place.and_then(Place::take);
        let mut state = outbox.lock();
        match state.admit(ticket) {
            Admission::Granted => {}
            Admission::Full => {
                drop(state);
                if let Some(ticket) = ticket {
                    outbox.leave_line(ticket);
                }
                return Err(Held::Own);
            }
            // A client that hung up while it was held back still hears what it asked for.
            Admission::Closed if state.is_sealed() => {}
            Admission::Closed => {
                self.answers.clear();
                return Ok(());
            }
        }
        state.append([&self.answers, b"", b""], std::mem::take(&mut self.replies));
        let touch = state.settle(ticket, self.urgent_answers);
        drop(state);
        // A reply of the broker's own methods counts as several.
        let several = self.answers.len() > delivery::HEADER_LEN;
        self.answers.clear();
        self.urgent_answers = false;
        if touch == Touch::Flush {
            // A client with several operations in flight sends the next ones when it has its answers, and does so while
            // the receivers are served. One that has a single one in flight waits for what its receiver does.
            let behind = self.touched.len();
            let first = behind.saturating_sub(FLUSHES - 1);
            self.touched
                .insert(if several { first } else { behind }, Arc::clone(&self.peer));
        }
        Ok(())
    }

    /// Appends the last acknowledgements whatever the mark says, and flushes everyone: the connection is about to end.
    pub(in crate::session) fn finish_last(&mut self) {
        if let Some(outbox) = self.peer.outbox() {
            let mut state = outbox.lock();
            if !state.is_closed() {
                state.append([&self.answers, b"", b""], self.replies);
            }
        }
        self.answers.clear();
        self.flush_all();
    }

    fn flush_all(&mut self) {
        for peer in self.touched.drain(..) {
            peer.flush_now();
        }
    }
}

/// Who was touched is flushed however the session ends: nobody else takes it upon himself.
impl Drop for Router {
    fn drop(&mut self) {
        self.flush_all();
    }
}
