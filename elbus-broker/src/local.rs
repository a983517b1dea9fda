//! The link of a client in this process: the same routing as a session's, without a socket.
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use elbus_client::{
    Client, ConnectError, Error, Frame, Inbox,
    link::{Later, Link, Operation, Payload, Source, Submitted},
};
use elbus_proto::{
    BROKER_NAME, ClientName, Code, NameMask, Qos, SECONDARY_SEPARATOR, Topic, TopicFilter, delivery::Kind,
};
use parking_lot::Mutex;

use crate::{
    core::Core,
    deliver::{Place, Placed, Run},
    mailbox::{Mailbox, Posted},
    methods::{self, Answer},
    peer::{Cut, Peer, Sink},
    route::{Receivers, Routes},
    socket::Origin,
    subscriptions::Change,
};

/// The sending half of a client in this process.
pub(crate) struct LocalLink {
    core: Arc<Core>,
    peer: Arc<Peer>,
    routes: Mutex<Routes>,
    _membership: Arc<Membership>,
}

/// The receiving half: a view of its mailbox.
pub(crate) struct LocalSource(Arc<Membership>);

/// Being on the bus: ends when both halves are gone.
struct Membership(Arc<Peer>);

impl Drop for Membership {
    fn drop(&mut self) {
        self.0.core.unregister(&self.0);
        self.0.core.totals.retire(&self.0);
    }
}

/// Both halves of a registered client.
pub(crate) fn halves(core: &Arc<Core>, peer: Arc<Peer>) -> (LocalLink, LocalSource) {
    let membership = Arc::new(Membership(Arc::clone(&peer)));
    let routes = Mutex::new(Routes::new(core, &peer));
    let link = LocalLink {
        core: Arc::clone(core),
        peer,
        routes,
        _membership: Arc::clone(&membership),
    };
    (link, LocalSource(membership))
}

impl LocalLink {
    fn message(&self, target: &str, payload: Payload<'_>, qos: Qos) -> Submitted {
        let realtime = qos.is_realtime();
        if target == BROKER_NAME {
            match methods::answer(&self.core, &self.peer, payload.as_slice()) {
                Answer::Forward => {}
                Answer::Nothing => return Submitted::Done(Ok(())),
                Answer::Reply(reply) => return self.hear(reply.into(), qos),
            }
        }
        let mut payload = Some(payload);
        let mut routes = self.routes.lock();
        let mut gone = None;
        for _ in 0..2 {
            let peer = match routes.target(target.as_bytes()) {
                Ok(peer) => peer,
                Err(code) => {
                    gone.get_or_insert(code);
                    break;
                }
            };
            let Some(given) = payload.take() else {
                break;
            };
            match self.place_one(peer, given, realtime) {
                One::Placed => return Submitted::Done(Ok(())),
                One::Shed => return self.refused(Code::NotDelivered.into(), qos),
                One::Full(run) => {
                    let rest = vec![(Arc::clone(peer), 0)];
                    return self.later(run, rest, qos);
                }
                One::Gone(given) => {
                    payload = Some(given);
                    let is_slow = peer.cut_because() == Some(Cut::Slow);
                    gone = is_slow.then_some(Code::NotDelivered);
                    routes.forget(target.as_bytes());
                }
            }
        }
        let code = gone.unwrap_or(Code::NotRegistered);
        self.refused(self.explained(code, Addressee::Client(target)), qos)
    }

    /// Hears from the broker.
    fn hear(&self, reply: Bytes, qos: Qos) -> Submitted {
        let Sink::Local(mailbox) = &self.peer.sink else {
            return Submitted::Done(Ok(()));
        };
        let frame = Frame::new(Kind::Message, qos.is_realtime(), BROKER_NAME.into(), None, reply);
        match post(mailbox, frame) {
            One::Placed | One::Shed | One::Gone(_) => Submitted::Done(Ok(())),
            One::Full(run) => self.later(run, vec![(Arc::clone(&self.peer), 0)], qos),
        }
    }

    fn place_one<'a>(&self, peer: &Arc<Peer>, payload: Payload<'a>, realtime: bool) -> One<'a> {
        let sender = Arc::clone(&self.peer.name);
        let Sink::Local(mailbox) = &peer.sink else {
            let mut run = Run::new(Kind::Message, sender, None);
            run.push_payload(payload.clone(), realtime, false);
            let mut touched = Vec::new();
            return match run.place(peer, None, &mut 0, &mut touched) {
                Placed::Done | Placed::Shed => {
                    flush(touched, realtime);
                    One::Placed
                }
                Placed::Full => One::Full(run),
                Placed::Gone => One::Gone(payload),
            };
        };
        let frame = Frame::new(Kind::Message, realtime, sender, None, payload.into_bytes());
        post(mailbox, frame)
    }

    fn fan_out(
        &self,
        kind: Kind,
        receivers: Result<Arc<Receivers>, Error>,
        payload: Payload<'_>,
        qos: Qos,
    ) -> Submitted {
        let receivers = match receivers {
            Ok(receivers) => receivers,
            Err(error) => return self.refused(error, qos),
        };
        if receivers.peers.is_empty() {
            return Submitted::Done(Ok(()));
        }
        let realtime = qos.is_realtime();
        let mut run = Run::new(kind, Arc::clone(&self.peer.name), receivers.topic.clone());
        run.push_payload(payload, realtime, receivers.local > 0);
        run.share_among(receivers.peers.len() - receivers.local);
        let (mut touched, mut rest) = (Vec::new(), Vec::new());
        for peer in &receivers.peers {
            if run.place(peer, None, &mut 0, &mut touched) == Placed::Full {
                rest.push((Arc::clone(peer), 0));
            }
        }
        flush(touched, realtime);
        if rest.is_empty() {
            return Submitted::Done(Ok(()));
        }
        self.later(run, rest, qos)
    }

    fn later(&self, run: Run, rest: Vec<(Arc<Peer>, usize)>, qos: Qos) -> Submitted {
        let core = Arc::clone(&self.core);
        Submitted::Later(Box::pin(async move {
            let result = place_rest(&core, run, rest).await;
            if result.is_err() && !qos.is_acknowledged() {
                core.totals.count_ignored();
                return Submitted::Done(Ok(()));
            }
            Submitted::Done(result)
        }))
    }

    fn change(&self, change: Change, filters: &[&str], qos: Qos) -> Submitted {
        let mut result = Ok(());
        for filter in filters {
            let changed = TopicFilter::parse(filter.as_bytes(), self.core.settings.topics())
                .map_err(|reason| Error::Topic {
                    topic: (*filter).to_owned(),
                    reason,
                })
                .and_then(|parsed| Ok(self.core.subscriptions.change(change, parsed, &self.peer)?));
            result = result.and(changed);
        }
        match result {
            Err(error) => self.refused(error, qos),
            result => Submitted::Done(result),
        }
    }

    fn register_secondary(&self) -> Result<(Client, Inbox), ConnectError> {
        if self.peer.is_closed() {
            return Err(ConnectError::Closed);
        }
        let primary = ClientName::assume_checked(&self.peer.name).primary();
        let name = format!("{primary}{SECONDARY_SEPARATOR}{}", self.core.next_id());
        let limits = self.core.settings.names();
        ClientName::parse(name.as_bytes(), limits).map_err(|reason| ConnectError::Name {
            name: name.clone(),
            reason,
        })?;
        let sink = Sink::Local(Mailbox::new(self.core.settings.queue_size()));
        let peer = Peer::new(&self.core, &name, Origin::Process, None, "".into(), sink);
        self.core
            .register(&peer)
            .map_err(|refusal| ConnectError::Refused {
                name,
                code: refusal.code(),
            })?;
        let (link, source) = halves(&self.core, peer);
        Ok((Client::new(Arc::new(link)), Inbox::new(Box::new(source))))
    }

    /// Without an acknowledgement nobody is told.
    fn refused(&self, error: Error, qos: Qos) -> Submitted {
        if qos.is_acknowledged() {
            return Submitted::Done(Err(error));
        }
        self.core.totals.count_ignored();
        Submitted::Done(Ok(()))
    }

    /// The reason in full where there is one: on the wire there is only room for a code.
    fn explained(&self, code: Code, addressee: Addressee<'_>) -> Error {
        let settings = &self.core.settings;
        let reason = match addressee {
            Addressee::Client(name) => {
                ClientName::parse(name.as_bytes(), settings.names())
                    .err()
                    .map(|reason| Error::Name {
                        name: name.to_owned(),
                        reason,
                    })
            }
            Addressee::Mask(mask) => NameMask::parse(mask.as_bytes(), settings.names())
                .err()
                .map(|reason| Error::Mask {
                    mask: mask.to_owned(),
                    reason,
                }),
            Addressee::Topic(topic) => {
                Topic::parse(topic.as_bytes(), settings.topics())
                    .err()
                    .map(|reason| Error::Topic {
                        topic: topic.to_owned(),
                        reason,
                    })
            }
        };
        reason
            .filter(|_| code == Code::Data)
            .unwrap_or(Error::Refused(code))
    }

    fn check_size(&self, address: usize, payload: &Payload<'_>) -> Result<(), Error> {
        let len = address + 1 + payload.as_slice().len();
        let limit = self.core.settings.frame_limit();
        self.peer.read.add(1, len as u64);
        if len > limit {
            Err(Error::TooLarge { len, limit })
        } else {
            Ok(())
        }
    }
}

impl Link for LocalLink {
    fn name(&self) -> &str {
        &self.peer.name
    }

    fn submit(&self, operation: &mut Operation<'_>, qos: Qos, _awaited: bool) -> Submitted {
        if self.peer.is_closed() {
            return Submitted::Done(Err(Error::Closed));
        }
        let (address, payload) = match operation {
            Operation::Message { target, payload } => (target.len(), &*payload),
            Operation::Broadcast { mask, payload } => (mask.len(), &*payload),
            Operation::Publish {
                topic,
                receiver,
                payload,
            } => (topic.len() + receiver.map_or(0, |name| name.len() + 1), &*payload),
            _ => (0, &Payload::Borrowed(b"")),
        };
        if let Err(error) = self.check_size(address, payload) {
            return Submitted::Done(Err(error));
        }
        match operation {
            Operation::Message { target, payload } => self.message(target, payload.take(), qos),
            Operation::Broadcast { mask, payload } => {
                let receivers = self.routes.lock().mask(mask.as_bytes());
                let receivers = receivers.map_err(|code| self.explained(code, Addressee::Mask(mask)));
                self.fan_out(Kind::Broadcast, receivers, payload.take(), qos)
            }
            Operation::Publish {
                topic,
                receiver: None,
                payload,
            } => {
                let receivers = self.routes.lock().topic(topic.as_bytes());
                let receivers = receivers.map_err(|code| self.explained(code, Addressee::Topic(topic)));
                self.fan_out(Kind::Publication, receivers, payload.take(), qos)
            }
            Operation::Publish {
                topic,
                receiver: Some(receiver),
                payload,
            } => {
                let address = [topic.as_bytes(), b"\0", receiver.as_bytes()].concat();
                let receivers = self.routes.lock().topic_for(&address);
                let receivers =
                    receivers.map_err(|code| match self.explained(code, Addressee::Topic(topic)) {
                        Error::Refused(code) => self.explained(code, Addressee::Client(receiver)),
                        error => error,
                    });
                self.fan_out(Kind::Publication, receivers, payload.take(), qos)
            }
            Operation::Subscribe(filters) => self.change(Change::Subscribe, filters, qos),
            Operation::Unsubscribe(filters) => self.change(Change::Unsubscribe, filters, qos),
            Operation::Exclude(filters) => self.change(Change::Exclude, filters, qos),
            Operation::Unexclude(filters) => self.change(Change::Unexclude, filters, qos),
            Operation::Ping => Submitted::Done(Ok(())),
            _ => Submitted::Done(Err(Code::NotSupported.into())),
        }
    }

    fn close(&self) -> Later<Result<(), Error>> {
        self.core.unregister(&self.peer);
        Box::pin(std::future::ready(Ok(())))
    }

    fn secondary(&self) -> Later<Result<(Client, Inbox), ConnectError>> {
        Box::pin(std::future::ready(self.register_secondary()))
    }
}

impl Source for LocalSource {
    fn poll_fill(&mut self, cx: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<()> {
        match &self.0.0.sink {
            Sink::Local(mailbox) => mailbox.poll_take(cx, batch),
            Sink::Socket { .. } => Poll::Ready(()),
        }
    }

    fn try_fill(&mut self, batch: &mut VecDeque<Frame>) {
        if let Sink::Local(mailbox) = &self.0.0.sink {
            mailbox.try_take(batch);
        }
    }
}

impl Drop for LocalSource {
    fn drop(&mut self) {
        if let Sink::Local(mailbox) = &self.0.0.sink {
            mailbox.discard();
        }
    }
}

/// Whom an operation is for, as its caller wrote it.
enum Addressee<'a> {
    Client(&'a str),
    Mask(&'a str),
    Topic(&'a str),
}

/// What became of a message for one client.
enum One<'a> {
    Placed,
    Shed,
    Full(Run),
    Gone(Payload<'a>),
}

fn post<'a>(mailbox: &Mailbox, frame: Frame) -> One<'a> {
    match mailbox.post(frame, None) {
        Posted::Done => One::Placed,
        Posted::Shed => One::Shed,
        Posted::Full(frame) => One::Full(Run::of_local(frame)),
        Posted::Closed(frame) => One::Gone(Payload::Shared(frame.into_payload())),
    }
}

/// Real-time frames go at once; others when the sending task yields, so that many sends are one write.
fn flush(touched: Vec<Arc<Peer>>, realtime: bool) {
    for peer in touched {
        if realtime {
            peer.flush_now()
        } else {
            peer.flush_later()
        }
    }
}

/// Waits for those who had no room, at most for the time-out of the configuration; whoever has room then still gets it.
pub(crate) async fn place_rest(
    core: &Core,
    mut run: Run,
    rest: Vec<(Arc<Peer>, usize)>,
) -> Result<(), Error> {
    run.share();
    let deadline = tokio::time::Instant::now() + core.settings.timeout();
    let mut result = Ok(());
    for (peer, mut taken) in rest {
        let mut place = Place::new(&peer);
        let placed = loop {
            let in_time = tokio::time::timeout_at(deadline, place.turn()).await.is_ok();
            let mut touched = Vec::new();
            let placed = place.put(&run, &mut taken, &mut touched);
            flush(touched, true);
            if placed != Placed::Full || !in_time {
                break placed;
            }
        };
        let verdict = match placed {
            Placed::Done => Ok(()),
            // A publication or broadcast is carried out whoever receives it.
            Placed::Shed | Placed::Gone if run.kind() != Kind::Message => Ok(()),
            Placed::Gone if !matches!(peer.cut_because(), Some(Cut::Stalled | Cut::Slow)) => {
                Err(Code::NotRegistered)
            }
            Placed::Full | Placed::Shed | Placed::Gone => Err(Code::NotDelivered),
        };
        result = result.and(verdict);
    }
    Ok(result?)
}
