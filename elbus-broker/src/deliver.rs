//! Placing frames with their receivers: in an outbox or in a mailbox.
use std::{sync::Arc, task::Poll};

use bytes::Bytes;
use elbus_client::Frame;
use elbus_proto::{
    BROKER_NAME,
    delivery::{self, Kind},
};

use crate::{
    mailbox::{Mailbox, Posted},
    outbox::{Admission, State, Ticket, Touch, pool},
    peer::{Peer, Sink},
    slow::SlowConsumer,
};

/// Encoded frames from this length on are shared by their receivers instead of being copied for each.
const SHARE_FROM: usize = 4 * 1024;

/// A payload as it lies in a chunk, or as memory of its own that can be shared.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    Slice(&'a [u8]),
    Shared(&'a [u8], &'a Bytes),
}

impl Payload<'_> {
    pub(crate) fn to_bytes(self) -> Bytes {
        match self {
            Self::Slice(slice) => Bytes::copy_from_slice(slice),
            Self::Shared(slice, whole) => whole.slice_ref(slice),
        }
    }
}

/// What became of frames for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Done,
    /// No room now.
    Full,
    /// A client in this process does not read: dropped and counted.
    Shed,
    /// The receiver is gone.
    Gone,
}

/// What becomes of a run that is not admitted.
enum Room {
    Made,
    /// It is left out, and counted.
    Dropped,
    None,
    /// The receiver is to be disconnected.
    Cut,
}

/// The length of a delivery's body as it travels. Frames are limited so that it always fits.
pub(crate) fn body_len(parts: usize) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX)
}

/// Consecutive frames of one sender that have the same receivers: encoded once, placed many times.
pub(crate) struct Run {
    kind: Kind,
    sender: Arc<str>,
    topic: Option<Arc<str>>,
    /// The frames as they travel; for a large payload only what stands in front of it.
    encoded: Vec<u8>,
    /// The encoded frames again, shared: set when several outboxes get them.
    shared: Option<Bytes>,
    /// A large payload behind `encoded`.
    payload: Option<Bytes>,
    /// The frames for receivers in this process.
    local: Vec<Frame>,
    frames: u64,
    realtime: bool,
    /// Nobody is dropped or disconnected to make room for it.
    modest: bool,
}

impl Run {
    pub(crate) fn new(kind: Kind, sender: Arc<str>, topic: Option<Arc<str>>) -> Self {
        Self {
            kind,
            sender,
            topic,
            encoded: Vec::new(),
            shared: None,
            payload: None,
            local: Vec::new(),
            frames: 0,
            realtime: false,
            modest: false,
        }
    }

    /// What the broker says of its own accord.
    pub(crate) fn announcement(topic: &str, payload: &[u8]) -> Self {
        let mut run = Self::new(Kind::Publication, BROKER_NAME.into(), Some(topic.into()));
        run.modest = true;
        run.push(payload, false, true);
        run
    }

    /// One frame for a client in this process.
    pub(crate) fn of_local(frame: Frame) -> Self {
        let mut run = Self::new(frame.kind(), frame.sender().into(), None);
        run.frames = 1;
        run.realtime = frame.is_realtime();
        run.local.push(frame);
        run
    }

    /// How its frames come to their receivers.
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether any of its frames is real-time.
    pub(crate) const fn is_realtime(&self) -> bool {
        self.realtime
    }

    /// Bytes encoded so far.
    pub(crate) fn len(&self) -> usize {
        self.encoded.len()
    }

    /// Makes the run empty for other receivers; its memory stays.
    pub(crate) fn restart(&mut self, kind: Kind, topic: Option<&Arc<str>>) {
        self.kind = kind;
        self.topic = topic.cloned();
        if self.encoded.capacity() == 0 {
            self.encoded = pool::take();
        }
        self.encoded.clear();
        self.shared = None;
        self.payload = None;
        self.local.clear();
        self.frames = 0;
        self.realtime = false;
    }

    /// Gives the run's memory back to the thread.
    pub(crate) fn rest(&mut self) {
        pool::give(std::mem::take(&mut self.encoded));
        self.local = Vec::new();
        self.payload = None;
        self.shared = None;
    }

    /// Adds a frame whose payload is copied. `for_local`: some receivers are in this process.
    #[inline]
    pub(crate) fn push(&mut self, payload: &[u8], realtime: bool, for_local: bool) {
        self.encode_head(payload.len(), realtime);
        self.encoded.extend_from_slice(payload);
        if for_local {
            self.push_local(Bytes::copy_from_slice(payload), realtime);
        }
    }

    /// Adds the payload of a client in this process: a large one that is shared stays shared.
    pub(crate) fn push_payload(
        &mut self,
        payload: elbus_client::Payload<'_>,
        realtime: bool,
        for_local: bool,
    ) {
        match payload {
            elbus_client::Payload::Shared(bytes) if for_local || bytes.len() >= SHARE_FROM => {
                self.push_shared(bytes, realtime, for_local);
            }
            payload => self.push(payload.as_slice(), realtime, for_local),
        }
    }

    /// Makes the run one frame whose payload is shared.
    pub(crate) fn push_shared(&mut self, payload: Bytes, realtime: bool, for_local: bool) {
        self.encode_head(payload.len(), realtime);
        if for_local {
            self.push_local(payload.clone(), realtime);
        }
        self.payload = Some(payload);
    }

    fn encode_head(&mut self, payload: usize, realtime: bool) {
        let topic = self.topic.as_ref().map_or(0, |topic| topic.len() + 1);
        let len = body_len(self.sender.len() + 1 + topic + payload);
        self.encoded
            .extend_from_slice(&delivery::header(self.kind, len, realtime));
        self.encoded.extend_from_slice(self.sender.as_bytes());
        self.encoded.push(0);
        if let Some(topic) = &self.topic {
            self.encoded.extend_from_slice(topic.as_bytes());
            self.encoded.push(0);
        }
        self.frames += 1;
        self.realtime |= realtime;
    }

    fn push_local(&mut self, payload: Bytes, realtime: bool) {
        let (sender, topic) = (Arc::clone(&self.sender), self.topic.clone());
        self.local
            .push(Frame::new(self.kind, realtime, sender, topic, payload));
    }

    /// Readies the run for so many outboxes: what is worth sharing is shared.
    pub(crate) fn share_among(&mut self, outboxes: usize) {
        if outboxes > 1 && self.encoded.len() >= SHARE_FROM {
            self.share();
        }
    }

    /// Moves the encoded frames to shared memory.
    pub(crate) fn share(&mut self) {
        if self.shared.is_none() {
            // A mostly empty buffer is not kept alive for what is in it.
            self.shared = Some(if self.encoded.len() < self.encoded.capacity() / 2 {
                let bytes = Bytes::copy_from_slice(&self.encoded);
                self.encoded.clear();
                bytes
            } else {
                std::mem::take(&mut self.encoded).into()
            });
        }
    }

    /// Places the run with one receiver. A mailbox may take only some frames: `taken` says how many it has so far.
    pub(crate) fn place(
        &self,
        peer: &Arc<Peer>,
        ticket: Option<Ticket>,
        taken: &mut usize,
        touched: &mut Vec<Arc<Peer>>,
    ) -> Placed {
        match &peer.sink {
            Sink::Socket { outbox, .. } => {
                let mut state = outbox.lock();
                match state.admit(ticket) {
                    Admission::Granted => {}
                    Admission::Full => match self.make_room(&mut state) {
                        Room::Made => {}
                        Room::Dropped => return Placed::Done,
                        Room::None => return Placed::Full,
                        Room::Cut => {
                            drop(state);
                            peer.cut_as_slow();
                            return Placed::Gone;
                        }
                    },
                    Admission::Closed => return Placed::Gone,
                }
                match (&self.shared, &self.payload) {
                    (None, None) => state.append([&self.encoded, b"", b""], self.frames),
                    (None, Some(payload)) => {
                        state.append_shared([&self.encoded, b"", b""], payload.clone(), self.frames);
                    }
                    (Some(encoded), payload) => {
                        state.append_run(encoded.clone(), payload.clone(), self.frames);
                    }
                }
                let touch = state.settle(ticket, self.realtime);
                drop(state);
                if touch == Touch::Flush {
                    touched.push(Arc::clone(peer));
                }
                Placed::Done
            }
            Sink::Local(mailbox) => self.post(mailbox, ticket, taken),
        }
    }

    /// What its receiver's choice is for a run that is not admitted.
    fn make_room(&self, state: &mut State) -> Room {
        let droppable = self.kind == Kind::Publication;
        match state.choice() {
            _ if self.modest => Room::None,
            // It may be only somebody else's turn.
            SlowConsumer::Disconnect if state.is_over() => Room::Cut,
            SlowConsumer::DropOldest if droppable && state.drop_oldest(self.bytes()) => Room::Made,
            SlowConsumer::DropOldest | SlowConsumer::DropNewest if droppable => {
                state.drop_newest(self.frames);
                Room::Dropped
            }
            _ => Room::None,
        }
    }

    /// Bytes that its frames take in an outbox.
    fn bytes(&self) -> usize {
        let encoded = self.shared.as_ref().map_or(self.encoded.len(), Bytes::len);
        encoded + self.payload.as_ref().map_or(0, Bytes::len)
    }

    fn post(&self, mailbox: &Mailbox, mut ticket: Option<Ticket>, taken: &mut usize) -> Placed {
        let mut placed = Placed::Done;
        for frame in &self.local[*taken..] {
            match mailbox.post(frame.clone(), ticket.take()) {
                Posted::Done => {}
                Posted::Shed => placed = Placed::Shed,
                Posted::Full(_) => return Placed::Full,
                Posted::Closed(_) => return Placed::Gone,
            }
            *taken += 1;
        }
        placed
    }
}

/// A place in the line in front of a full receiver; given up when dropped.
pub(crate) struct Place {
    pub(crate) peer: Arc<Peer>,
    ticket: Option<Ticket>,
}

impl Place {
    pub(crate) fn new(peer: &Arc<Peer>) -> Self {
        Self {
            peer: Arc::clone(peer),
            ticket: None,
        }
    }

    /// Takes the ticket to use it: it is given up by appending.
    pub(crate) fn take(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }

    /// Places a run with the receiver whose turn was waited for.
    pub(crate) fn put(&mut self, run: &Run, taken: &mut usize, touched: &mut Vec<Arc<Peer>>) -> Placed {
        // The ticket stays: if it was used, giving it up again does nothing.
        run.place(&self.peer, self.ticket, taken, touched)
    }

    /// Waits until it is this one's turn, or waiting has become pointless: the receiver is gone, or it is a client
    /// in this process that has not read for the stall time-out and sheds from now on.
    pub(crate) async fn turn(&mut self) {
        match &self.peer.sink {
            Sink::Socket { .. } => self.room().await,
            Sink::Local(_) => while !self.local_turn().await {},
        }
    }

    async fn room(&mut self) {
        std::future::poll_fn(|cx| self.peer.poll_room(&mut self.ticket, cx)).await;
    }

    /// Answers false when the receiver has read in the meantime and the clock starts anew.
    async fn local_turn(&mut self) -> bool {
        let Sink::Local(mailbox) = &self.peer.sink else {
            return true;
        };
        let since = mailbox.full_since();
        let unread = tokio::time::sleep_until((since + self.peer.core.settings.stall_timeout()).into());
        tokio::pin!(unread);
        std::future::poll_fn(|cx| {
            if self.peer.poll_room(&mut self.ticket, cx).is_ready() {
                return Poll::Ready(true);
            }
            unread.as_mut().poll(cx).map(|()| {
                mailbox.shed_if_unread(since);
                false
            })
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.peer.leave_line(ticket);
        }
    }
}

/// A run with receivers that have no room for it yet.
pub(crate) struct Fan {
    pub(crate) run: Box<Run>,
    /// Who still gets it; for a mailbox, how many frames it has.
    pub(crate) rest: Vec<(Arc<Peer>, usize)>,
    /// Acknowledgements that are written once everyone has it.
    pub(crate) acks: Vec<u8>,
}
