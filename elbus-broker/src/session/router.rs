//! Carrying out the requests of one client, in the order they came.
//!
//! Consecutive requests for the same target, topic or mask are carried out together: one lock, one look-up. Nothing
//! here waits; what has no room is handed back as [`Held`].
use std::sync::Arc;

use elbus_proto::{Code, Op, TopicFilter, delivery, request};

use super::frames::{Frames, Front, Request};
use crate::{
    core::Core,
    deliver::{Fan, Payload, Place, Placed, Run, body_len},
    mailbox::{Mailbox, Posted},
    outbox::{Admission, Outbox, Touch, pool},
    peer::{Cut, Peer, Sink},
    route::{Receivers, Routes},
    subscriptions::Change,
};

/// Encoded bytes after which a run is placed, so that what is encoded is still in the cache when it is copied.
const RUN: usize = 32 * 1024;

/// Outboxes flushed before the worker's other tasks get their turn.
const FLUSHES: usize = 64;

/// What keeps a session from going on.
pub(super) enum Held {
    /// The target of the request at the cursor is full.
    Target(Arc<Peer>),
    /// Some receivers of requests before the cursor are full.
    Fan(Box<Fan>),
    /// The client's own outbox has no room for its acknowledgements.
    Own,
}

/// Why a session cannot go on at all: what follows cannot be trusted.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) why: String,
}

/// Where routing stopped.
pub(super) enum Stop {
    /// The bytes end, inside a frame perhaps; with its header there, the length of that frame.
    End(Option<usize>),
    Held(Held),
    Malformed(Malformed),
}

/// Carries out the requests of one client.
pub(super) struct Router {
    core: Arc<Core>,
    peer: Arc<Peer>,
    routes: Routes,
    /// The name with its separator, as it stands in deliveries.
    sender: Box<[u8]>,
    run: Run,
    acks: Vec<u8>,
    urgent_acks: bool,
    /// Who has to be flushed.
    touched: Vec<Arc<Peer>>,
    /// A turn that was waited for.
    pub(super) place: Option<Place>,
}

impl Router {
    pub(super) fn new(core: &Arc<Core>, peer: &Arc<Peer>) -> Self {
        Self {
            core: Arc::clone(core),
            peer: Arc::clone(peer),
            routes: Routes::new(core),
            sender: [peer.name.as_bytes(), b"\0"].concat().into(),
            run: Run::new(delivery::Kind::Message, Arc::clone(&peer.name), None),
            acks: Vec::new(),
            urgent_acks: false,
            touched: Vec::new(),
            place: None,
        }
    }

    /// Carries out what is there, up to whatever keeps it from going on.
    pub(super) fn route(&mut self, frames: &mut Frames<'_>) -> Stop {
        let mut count = 0;
        let start = frames.consumed();
        let stop = self.route_all(frames, &mut count);
        let bytes = (frames.consumed() - start) as u64;
        if bytes > 0 {
            self.peer.read.add(count, bytes);
        }
        stop
    }

    fn route_all(&mut self, frames: &mut Frames<'_>, count: &mut u64) -> Stop {
        loop {
            if self.peer.cut_because().is_some() {
                // Taken off the bus: nothing more is sent under this name. The session ends when it looks up.
                return Stop::End(None);
            }
            let request = match frames.front() {
                Front::Frame(request) => request,
                Front::Partial(len) => return Stop::End(len),
                Front::TooLarge(header) => {
                    let limit = self.core.config.frame_limit;
                    self.acknowledge_header(&header, Err(Code::Data));
                    let why = format!(
                        "frame of {} bytes is over the limit of {limit} bytes",
                        header.body_len
                    );
                    return Stop::Malformed(Malformed { why });
                }
            };
            let held = match request.header.op() {
                Some(Op::Message) => self.messages(frames, request, count),
                Some(op @ (Op::Publish | Op::PublishFor | Op::Broadcast)) => {
                    self.publications(frames, request, op, count)
                }
                other => {
                    *count += 1;
                    frames.advance(&request);
                    self.control(other, &request).map(|()| None)
                }
            };
            match held {
                Ok(None) => {}
                Ok(Some(held)) => return Stop::Held(held),
                Err((code, why)) => {
                    self.acknowledge(&request, Err(code));
                    return Stop::Malformed(Malformed { why });
                }
            }
        }
    }

    /// One-to-one messages: this one, and those behind it for the same target.
    fn messages<'a>(
        &mut self,
        frames: &mut Frames<'a>,
        first: Request<'a>,
        count: &mut u64,
    ) -> Result<Option<Held>, (Code, String)> {
        let (target, _) = request::addressed(first.body).ok_or_else(no_separator)?;
        let mut place = self.place.take();
        let mut gone = None;
        // A remembered target may have left; its name is looked up once more.
        for _ in 0..2 {
            let peer = match self.routes.target(target) {
                Ok(peer) => Arc::clone(peer),
                Err(code) => {
                    gone.get_or_insert(code);
                    break;
                }
            };
            let place = place.as_mut().filter(|place| place.peer.id == peer.id);
            let placed = match &peer.sink {
                Sink::Socket { outbox, .. } => {
                    self.append(outbox, &peer, place, frames, (first, target), count)
                }
                Sink::Local(mailbox) => self.post(mailbox, place, frames, (first, target), count),
            };
            match placed {
                Placed::Done => return Ok(None),
                Placed::Full => return Ok(Some(Held::Target(peer))),
                Placed::Shed => {
                    gone = Some(Code::NotDelivered);
                    break;
                }
                Placed::Gone => {
                    self.routes.forget(target);
                    // Someone was waiting for a receiver that then was found dead.
                    gone = (peer.cut_because() == Some(Cut::Stalled)).then_some(Code::NotDelivered);
                }
            }
        }
        *count += 1;
        frames.advance(&first);
        self.acknowledge(&first, Err(gone.unwrap_or(Code::NotRegistered)));
        Ok(None)
    }

    /// Appends a message and those behind it for the same target under one lock.
    fn append<'a>(
        &mut self,
        outbox: &Outbox,
        peer: &Arc<Peer>,
        place: Option<&mut Place>,
        frames: &mut Frames<'a>,
        (first, target): (Request<'a>, &[u8]),
        count: &mut u64,
    ) -> Placed {
        let mut next = Some((first, &first.body[target.len() + 1..]));
        let mut ticket = place.and_then(Place::take);
        let mut realtime = false;
        let before = *count;
        let mut placed = Placed::Done;
        let mut state = outbox.lock();
        while let Some((request, payload)) = next {
            match state.admit(ticket) {
                Admission::Granted => {}
                Admission::Full => {
                    placed = Placed::Full;
                    break;
                }
                Admission::Closed => {
                    placed = Placed::Gone;
                    break;
                }
            }
            if let Some(ticket) = ticket.take() {
                state.use_turn(ticket);
            }
            let urgent = request.header.qos.is_realtime();
            let len = body_len(self.sender.len() + payload.len());
            let head = delivery::header(delivery::Kind::Message, len, urgent);
            match frames.payload(payload) {
                Payload::Slice(payload) => state.append([&head, &self.sender, payload], 1),
                shared @ Payload::Shared(..) => {
                    state.append_shared([&head, &self.sender, b""], shared.to_bytes(), 1);
                }
            }
            realtime |= urgent;
            *count += 1;
            frames.advance(&request);
            if request.header.qos.is_acknowledged() {
                self.acks
                    .extend_from_slice(&delivery::acknowledgement(request.header.id, Ok(())));
                self.urgent_acks |= urgent;
            }
            next = frames.next_alike(&first.header, target);
        }
        let touch = if *count > before {
            state.settle(None, realtime)
        } else {
            Touch::Nothing
        };
        drop(state);
        if let Some(ticket) = ticket {
            // Not used: the next in line gets its turn.
            outbox.leave_line(ticket);
        }
        if touch == Touch::Flush {
            self.touched.push(Arc::clone(peer));
        }
        if *count > before { Placed::Done } else { placed }
    }

    /// Posts a message to a client in this process.
    fn post<'a>(
        &mut self,
        mailbox: &Mailbox,
        place: Option<&mut Place>,
        frames: &mut Frames<'a>,
        (request, target): (Request<'a>, &[u8]),
        count: &mut u64,
    ) -> Placed {
        let payload = frames.payload(&request.body[target.len() + 1..]).to_bytes();
        let realtime = request.header.qos.is_realtime();
        let sender = Arc::clone(&self.peer.name);
        let frame = elbus_client::Frame::new(delivery::Kind::Message, realtime, sender, None, payload);
        let ticket = place.and_then(Place::take);
        match mailbox.post(frame, ticket) {
            Posted::Done => {}
            Posted::Full(_) => {
                if let Some(ticket) = ticket {
                    mailbox.leave_line(ticket);
                }
                return Placed::Full;
            }
            Posted::Shed => return Placed::Shed,
            Posted::Closed(_) => return Placed::Gone,
        }
        *count += 1;
        frames.advance(&request);
        self.acknowledge(&request, Ok(()));
        Placed::Done
    }

    /// Publications or broadcasts: this one, and those behind it with the same address.
    fn publications<'a>(
        &mut self,
        frames: &mut Frames<'a>,
        first: Request<'a>,
        op: Op,
        count: &mut u64,
    ) -> Result<Option<Held>, (Code, String)> {
        let (address, payload) = match op {
            Op::PublishFor => {
                let (topic, receiver, payload) =
                    request::addressed_for(first.body).ok_or_else(no_separator)?;
                (&first.body[..topic.len() + 1 + receiver.len()], payload)
            }
            _ => request::addressed(first.body).ok_or_else(no_separator)?,
        };
        let receivers = match op {
            Op::Publish => self.routes.topic(address),
            Op::PublishFor => self.routes.topic_for(address),
            _ => self.routes.mask(address),
        };
        let receivers = match receivers {
            Ok(receivers) => receivers,
            Err(code) => {
                *count += 1;
                frames.advance(&first);
                self.acknowledge(&first, Err(code));
                return Ok(None);
            }
        };
        let kind = if op == Op::Broadcast {
            delivery::Kind::Broadcast
        } else {
            delivery::Kind::Publication
        };
        self.run.restart(kind, receivers.topic.as_ref());
        // Acknowledgements belong behind the frames: they wait for a run that is held.
        let acked = self.acks.len();
        let mut next = Some((first, payload));
        while let Some((request, payload)) = next {
            self.encode(
                &receivers,
                frames.payload(payload),
                request.header.qos.is_realtime(),
            );
            *count += 1;
            frames.advance(&request);
            self.acknowledge(&request, Ok(()));
            if self.run.len() >= RUN {
                break;
            }
            next = frames.next_alike(&first.header, address);
        }
        let held = self.fan_out(&receivers);
        Ok(held.map(|mut fan| {
            fan.acks = self.acks.split_off(acked);
            Held::Fan(Box::new(fan))
        }))
    }

    fn encode(&mut self, receivers: &Receivers, payload: Payload<'_>, realtime: bool) {
        if receivers.peers.is_empty() {
            return;
        }
        match payload {
            Payload::Slice(payload) => self.run.push(payload, realtime, receivers.local > 0),
            shared @ Payload::Shared(..) => {
                self.run
                    .push_shared(shared.to_bytes(), realtime, receivers.local > 0)
            }
        }
    }

    /// Places the run with everyone who has room; answers those who have none.
    fn fan_out(&mut self, receivers: &Receivers) -> Option<Fan> {
        self.run.share_among(receivers.peers.len() - receivers.local);
        let mut rest = Vec::new();
        for peer in &receivers.peers {
            let mut taken = 0;
            if self.run.place(peer, None, &mut taken, &mut self.touched) == Placed::Full {
                rest.push((Arc::clone(peer), taken));
            }
        }
        if rest.is_empty() {
            return None;
        }
        Some(Fan {
            run: self.run.take(),
            rest,
            acks: Vec::new(),
        })
    }

    /// Everything that is not a frame to deliver.
    fn control(&mut self, op: Option<Op>, request: &Request<'_>) -> Result<(), (Code, String)> {
        let change = match op {
            Some(Op::Nop) if request.body.is_empty() => {
                self.acknowledge(request, Ok(()));
                return Ok(());
            }
            Some(Op::Nop) => return Err((Code::Data, "nop with a body".to_owned())),
            Some(Op::Subscribe) => Change::Subscribe,
            Some(Op::Unsubscribe) => Change::Unsubscribe,
            Some(Op::Exclude) => Change::Exclude,
            Some(Op::Unexclude) => Change::Unexclude,
            _ => {
                let why = format!("unknown operation {:#04x}", request.header.op_bits());
                return Err((Code::NotSupported, why));
            }
        };
        let result = self.change(change, request.body);
        self.acknowledge(request, result);
        Ok(())
    }

    /// Of several filters the valid ones take effect; the first error is the result. Filters beyond the quota are not
    /// looked at: a large frame may hold millions.
    fn change(&mut self, change: Change, body: &[u8]) -> Result<(), Code> {
        let mut result = Ok(());
        for (n, filter) in request::filters(body).enumerate() {
            if n >= self.core.config.subscriptions {
                return result.and(Err(Code::Busy));
            }
            let changed = TopicFilter::parse(filter, self.core.config.topics)
                .map_err(|_| Code::Data)
                .and_then(|filter| self.core.subscriptions.change(change, filter, &self.peer));
            result = result.and(changed);
        }
        result
    }

    fn acknowledge(&mut self, request: &Request<'_>, result: Result<(), Code>) {
        self.acknowledge_header(&request.header, result);
    }

    fn acknowledge_header(&mut self, header: &request::RequestHeader, result: Result<(), Code>) {
        if header.qos.is_acknowledged() {
            self.acks
                .extend_from_slice(&delivery::acknowledgement(header.id, result));
            self.urgent_acks |= header.qos.is_realtime();
        } else if result.is_err() {
            self.core.totals.count_ignored();
        }
    }

    /// Adds acknowledgements that were waiting for a held run.
    pub(super) fn add_acks(&mut self, acks: &[u8], realtime: bool) {
        self.urgent_acks |= realtime;
        self.acks.extend_from_slice(acks);
    }

    /// Places a held run with one of its receivers, whose turn it is.
    pub(super) fn place_rest(&mut self, run: &Run, place: &mut Place, taken: &mut usize) -> Placed {
        place.put(run, taken, &mut self.touched)
    }

    /// Moves the acknowledgements to the client's own outbox, and flushes who was touched, as far as a slice allows.
    /// Answers false while there are more to flush.
    pub(super) fn finish(&mut self, ticket: Option<&mut Place>) -> Result<bool, Held> {
        let own = self.append_acks(ticket);
        let slice = self.touched.len().saturating_sub(FLUSHES);
        for peer in self.touched.drain(slice..) {
            peer.flush();
        }
        own.map(|()| self.is_flushed())
    }

    /// Whether everyone who was touched is flushed.
    pub(super) fn is_flushed(&self) -> bool {
        self.touched.is_empty()
    }

    /// Acknowledgements and frames leave the same way; the client's own outbox is one like any other.
    fn append_acks(&mut self, place: Option<&mut Place>) -> Result<(), Held> {
        let Some(outbox) = self.peer.outbox().filter(|_| !self.acks.is_empty()) else {
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
                self.acks.clear();
                return Ok(());
            }
        }
        state.append([&self.acks, b"", b""], 0);
        let touch = state.settle(ticket, self.urgent_acks);
        drop(state);
        self.acks.clear();
        self.urgent_acks = false;
        if touch == Touch::Flush {
            self.touched.push(Arc::clone(&self.peer));
        }
        Ok(())
    }

    /// Appends the last acknowledgements whatever the mark says: the connection is about to end.
    pub(super) fn finish_last(&mut self) {
        if let Some(outbox) = self.peer.outbox() {
            outbox.lock().append([&self.acks, b"", b""], 0);
        }
        self.acks.clear();
        for peer in self.touched.drain(..) {
            peer.flush_now();
        }
    }

    /// Gives back the memory that an idle client does not need.
    pub(super) fn rest(&mut self) {
        self.run.rest();
        pool::give(std::mem::take(&mut self.acks));
    }
}

fn no_separator() -> (Code, String) {
    (Code::Data, "body without its separator".to_owned())
}
