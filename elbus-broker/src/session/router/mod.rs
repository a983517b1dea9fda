//! Carrying out the requests of one client, in the order they came.
//!
//! Consecutive requests for the same target, topic or mask are carried out together: one lock, one look-up. Nothing
//! here waits; what has no room is handed back as [`Held`].
mod control;
mod finish;

use std::sync::Arc;

use control::Progress;
use elbus_proto::{BROKER_NAME, Code, Op, delivery, request};

use super::frames::{Frames, Front, Request};
use crate::{
    core::Core,
    deliver::{Fan, Payload, Place, Placed, Run, body_len},
    mailbox::{Mailbox, Posted},
    methods::{self, Answer},
    outbox::{Admission, Outbox, Touch, pool},
    peer::{Cut, Peer, Sink},
    route::{Receivers, Routes},
    slow::SlowConsumer,
};

/// Encoded bytes after which a run is placed, so that what is encoded is still in the cache when it is copied.
const RUN: usize = 32 * 1024;

/// Receivers served and filters changed, together, before the worker's other tasks get their turn: a chunk can ask for
/// millions.
const BUDGET: usize = 16 * 1024;

/// Bytes of answers after which the client has to have room for them before it is read on: a reply of the broker may be
/// a million times as long as the call.
const ANSWERS: usize = 256 * 1024;

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
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("frame of {len} bytes is over the limit of {limit} bytes")]
    TooLarge { len: u32, limit: usize },
    #[error("body without its separator")]
    NoSeparator,
    #[error("nop with a body")]
    NopWithBody,
    #[error("unknown operation {0:#04x}")]
    UnknownOperation(u8),
}

impl Malformed {
    const fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } | Self::NoSeparator | Self::NopWithBody => Code::Data,
            Self::UnknownOperation(_) => Code::NotSupported,
        }
    }
}

/// Where routing stopped.
pub(super) enum Stop {
    /// The bytes end, inside a frame perhaps; with its header there, the length of that frame.
    End(Option<usize>),
    /// There is more to do, after the worker's other tasks had their turn.
    Budget,
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
    /// Frames for several receivers; of a client that has never sent such, nothing.
    run: Option<Box<Run>>,
    /// Acknowledgements and replies of the broker, for the client itself.
    answers: Vec<u8>,
    urgent_answers: bool,
    /// How many of them are replies.
    replies: u64,
    /// Who has to be flushed.
    touched: Vec<Arc<Peer>>,
    /// A turn that was waited for.
    pub(super) place: Option<Place>,
    /// Receivers served and filters changed in this call.
    spent: usize,
    /// How far the filters of the request at the cursor are carried out.
    filters: Option<Progress>,
}

impl Router {
    pub(super) fn new(core: &Arc<Core>, peer: &Arc<Peer>) -> Self {
        Self {
            core: Arc::clone(core),
            peer: Arc::clone(peer),
            routes: Routes::new(core, peer),
            sender: [peer.name.as_bytes(), b"\0"].concat().into(),
            run: None,
            answers: Vec::new(),
            urgent_answers: false,
            replies: 0,
            touched: Vec::new(),
            place: None,
            spent: 0,
            filters: None,
        }
    }

    /// Carries out what is there, up to whatever keeps it from going on.
    pub(super) fn route(&mut self, frames: &mut Frames<'_>) -> Stop {
        self.spent = 0;
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
            if self.peer.is_ejected() {
                // Nothing more is sent under this name. The session ends when it looks up.
                return Stop::End(None);
            }
            if self.spent >= BUDGET || self.answers.len() >= ANSWERS {
                return Stop::Budget;
            }
            let request = match frames.front() {
                Front::Frame(request) => request,
                Front::Partial(len) => return Stop::End(len),
                Front::TooLarge(header) => {
                    let (len, limit) = (header.body_len, self.core.settings.frame_limit());
                    return self.malformed(&header, Malformed::TooLarge { len, limit });
                }
            };
            let stop = match request.header.op() {
                Some(Op::Message) => self.messages(frames, request, count),
                Some(op @ (Op::Publish | Op::PublishFor | Op::Broadcast)) => {
                    self.publications(frames, request, op, count)
                }
                other => self.control(frames, other, request, count),
            };
            match stop {
                Ok(None) => {}
                Ok(Some(stop)) => return stop,
                Err(malformed) => return self.malformed(&request.header, malformed),
            }
        }
    }

    /// Whoever sent it is told, before the connection ends.
    fn malformed(&mut self, header: &request::RequestHeader, malformed: Malformed) -> Stop {
        self.acknowledge(header, Err(malformed.code()));
        Stop::Malformed(malformed)
    }

    /// One-to-one messages: this one, and those behind it for the same target.
    fn messages<'a>(
        &mut self,
        frames: &mut Frames<'a>,
        first: Request<'a>,
        count: &mut u64,
    ) -> Result<Option<Stop>, Malformed> {
        let (target, payload) = request::addressed(first.body).ok_or(Malformed::NoSeparator)?;
        if target == BROKER_NAME.as_bytes() && self.ask_broker(frames, &first, payload) {
            *count += 1;
            return Ok(None);
        }
        let mut place = self.place.take();
        let waited = place.as_ref().map(|place| place.peer.id);
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
                Placed::Full => return Ok(Some(Stop::Held(Held::Target(peer)))),
                Placed::Shed => {
                    gone = Some(Code::NotDelivered);
                    break;
                }
                Placed::Gone => {
                    self.routes.forget(target);
                    // Someone waited for a receiver that then was found dead: those behind find nobody there.
                    let found_dead = match peer.cut_because() {
                        Some(Cut::Stalled) => waited == Some(peer.id),
                        why => why == Some(Cut::Slow),
                    };
                    gone = found_dead.then_some(Code::NotDelivered);
                }
            }
        }
        self.spent += 1;
        *count += 1;
        frames.advance(&first);
        self.acknowledge(&first.header, Err(gone.unwrap_or(Code::NotRegistered)));
        Ok(None)
    }

    /// Answers a message to the broker itself; false when the embedding program is to answer it.
    fn ask_broker(&mut self, frames: &mut Frames<'_>, request: &Request<'_>, payload: &[u8]) -> bool {
        let reply = match methods::answer(&self.core, &self.peer, payload) {
            Answer::Forward => return false,
            Answer::Nothing => None,
            Answer::Reply(reply) => Some(reply),
        };
        frames.advance(request);
        self.spent += 1;
        self.acknowledge(&request.header, Ok(()));
        if let Some(reply) = reply {
            let realtime = request.header.qos.is_realtime();
            let len = body_len(BROKER_NAME.len() + 1 + reply.len());
            let head = delivery::header(delivery::Kind::Message, len, realtime);
            let answers = self.answers();
            for part in [&head[..], BROKER_NAME.as_bytes(), b"\0", &reply] {
                answers.extend_from_slice(part);
            }
            self.urgent_answers |= realtime;
            self.replies += 1;
            self.spent += reply.len() / 64;
        }
        true
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
                self.answers()
                    .extend_from_slice(&delivery::acknowledgement(request.header.id, Ok(())));
                self.urgent_answers |= urgent;
            }
            next = frames.next_alike(&first.header, target);
        }
        let touch = if *count > before {
            state.settle(None, realtime)
        } else {
            Touch::Nothing
        };
        let is_cut = state.choice() == SlowConsumer::Disconnect && state.is_over();
        drop(state);
        if let Some(ticket) = ticket {
            // Not used: the next in line gets its turn.
            outbox.leave_line(ticket);
        }
        if touch == Touch::Flush {
            self.touched.push(Arc::clone(peer));
        }
        match placed {
            _ if *count > before => Placed::Done,
            Placed::Full if is_cut => {
                peer.cut_as_slow();
                Placed::Gone
            }
            placed => placed,
        }
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
        self.acknowledge(&request.header, Ok(()));
        Placed::Done
    }

    /// Publications or broadcasts: this one, and those behind it with the same address.
    fn publications<'a>(
        &mut self,
        frames: &mut Frames<'a>,
        first: Request<'a>,
        op: Op,
        count: &mut u64,
    ) -> Result<Option<Stop>, Malformed> {
        let (address, payload) = match op {
            Op::PublishFor => {
                let (topic, receiver, payload) =
                    request::addressed_for(first.body).ok_or(Malformed::NoSeparator)?;
                (&first.body[..topic.len() + 1 + receiver.len()], payload)
            }
            _ => request::addressed(first.body).ok_or(Malformed::NoSeparator)?,
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
                self.acknowledge(&first.header, Err(code));
                return Ok(None);
            }
        };
        let kind = if op == Op::Broadcast {
            delivery::Kind::Broadcast
        } else {
            delivery::Kind::Publication
        };
        self.spent += 1 + receivers.peers.len();
        let mut run = self.run.take().unwrap_or_else(|| {
            let sender = Arc::clone(&self.peer.name);
            Box::new(Run::new(kind, sender, None))
        });
        run.restart(kind, receivers.topic.as_ref());
        // Acknowledgements belong behind the frames: they wait for a run that is held.
        let acked = self.answers.len();
        let mut next = Some((first, payload));
        while let Some((request, payload)) = next {
            encode(
                &mut run,
                &receivers,
                frames.payload(payload),
                request.header.qos.is_realtime(),
            );
            *count += 1;
            frames.advance(&request);
            self.acknowledge(&request.header, Ok(()));
            if run.len() >= RUN {
                break;
            }
            next = frames.next_alike(&first.header, address);
        }
        let held = self.fan_out(run, &receivers);
        Ok(held.map(|mut fan| {
            fan.acks = self.answers.split_off(acked);
            Stop::Held(Held::Fan(Box::new(fan)))
        }))
    }

    /// Places the run with everyone who has room; answers those who have none.
    fn fan_out(&mut self, mut run: Box<Run>, receivers: &Receivers) -> Option<Fan> {
        run.share_among(receivers.peers.len() - receivers.local);
        let mut rest = Vec::new();
        for peer in &receivers.peers {
            let mut taken = 0;
            if run.place(peer, None, &mut taken, &mut self.touched) == Placed::Full {
                rest.push((Arc::clone(peer), taken));
            }
        }
        if rest.is_empty() {
            self.run = Some(run);
            return None;
        }
        Some(Fan {
            run,
            rest,
            acks: Vec::new(),
        })
    }

    fn acknowledge(&mut self, header: &request::RequestHeader, result: Result<(), Code>) {
        if header.qos.is_acknowledged() {
            self.answers()
                .extend_from_slice(&delivery::acknowledgement(header.id, result));
            self.urgent_answers |= header.qos.is_realtime();
        } else if result.is_err() {
            self.core.totals.count_ignored();
        }
    }

    /// Gives back the memory that an idle client does not need.
    pub(super) fn rest(&mut self) {
        if let Some(run) = &mut self.run {
            run.rest();
        }
        pool::give(std::mem::take(&mut self.answers));
    }
}

fn encode(run: &mut Run, receivers: &Receivers, payload: Payload<'_>, realtime: bool) {
    if receivers.peers.is_empty() {
        return;
    }
    let for_local = receivers.local > 0;
    match payload {
        Payload::Slice(payload) => run.push(payload, realtime, for_local),
        shared @ Payload::Shared(..) => run.push_shared(shared.to_bytes(), realtime, for_local),
    }
}
