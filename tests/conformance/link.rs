//! One face for a raw socket, a client of the library on a socket, and one in the broker's process.
use std::collections::VecDeque;

use elbus_broker::{Config, RegisterError};
use elbus_client::{Client, ConnectError, Inbox, Options};
use elbus_proto::{Code, Op, Qos, delivery::Kind};
use elbus_testkit::{Authority, Got, Raw, TestBroker, Transport};

/// How a client is linked to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A raw socket.
    Socket(Transport),
    /// The client library over a socket.
    Library(Transport),
    /// In the broker's process.
    Process,
}

impl Link {
    pub(crate) const ALL: [Self; 6] = [
        Self::Socket(Transport::Unix),
        Self::Socket(Transport::Tcp),
        Self::Library(Transport::Unix),
        Self::Library(Transport::Tcp),
        Self::Library(Transport::Tls),
        Self::Process,
    ];

    /// Whether nothing malformed is ever sent: what is wrong is answered before, and as a whole.
    pub(crate) const fn checks_first(self) -> bool {
        matches!(self, Self::Library(_))
    }

    /// Whether the broker takes both for the same peer.
    pub(crate) fn is_same_peer(self, other: Self) -> bool {
        let transport = |link| match link {
            Self::Socket(transport) | Self::Library(transport) => Some(transport),
            Self::Process => None,
        };
        transport(self) == transport(other)
    }
}

/// Runs a case over every link: both ends use the same.
pub(crate) fn on_every_link(case: impl Fn(&Bus)) {
    for link in Link::ALL {
        Bus::new(link, link, |_| {}).run(&case);
    }
}

/// Runs a case over every pair of links.
pub(crate) fn on_every_pair(case: impl Fn(&Bus)) {
    on_every_pair_with(|_| {}, case);
}

/// Runs a case over every pair of links, with a broker whose configuration is changed first.
pub(crate) fn on_every_pair_with(change: impl Fn(&mut Config), case: impl Fn(&Bus)) {
    for near in Link::ALL {
        for far in Link::ALL {
            Bus::new(near, far, &change).run(&case);
        }
    }
}

/// A broker of its own for one run of a case.
pub(crate) struct Bus {
    pub(crate) test: TestBroker,
    pub(crate) near: Link,
    pub(crate) far: Link,
}

impl Bus {
    pub(crate) fn new(near: Link, far: Link, change: impl FnOnce(&mut Config)) -> Self {
        let test = TestBroker::with(change);
        Self { test, near, far }
    }

    fn run(self, case: impl Fn(&Self)) {
        // Shown when the case fails.
        println!("near end over {:?}, far end over {:?}", self.near, self.far);
        case(&self);
    }

    /// A client at the near end, as a rule the one that sends.
    pub(crate) fn near(&self, name: &str) -> Box<dyn Party + '_> {
        self.over(self.near, name)
    }

    /// A client at the far end, as a rule the one that receives.
    pub(crate) fn far(&self, name: &str) -> Box<dyn Party + '_> {
        self.over(self.far, name)
    }

    pub(crate) fn over(&self, link: Link, name: &str) -> Box<dyn Party + '_> {
        self.try_over(link, name)
            .unwrap_or_else(|code| panic!("{name:?} is refused: {code}"))
    }

    /// Registers a client; answers the wire's code when it is refused.
    pub(crate) fn try_over(&self, link: Link, name: &str) -> Result<Box<dyn Party + '_>, Code> {
        match link {
            Link::Socket(transport) => {
                let (mut raw, answer) = Raw::try_register(self.test.address(transport), name.as_bytes());
                if let Err(code) = Code::result(answer) {
                    raw.expect_end();
                    return Err(code);
                }
                Ok(Box::new(OnSocket {
                    raw,
                    asked: 0,
                    frames: VecDeque::new(),
                }))
            }
            Link::Library(transport) => {
                let address = self.test.address(transport).clone();
                let options = Options::new(name)
                    .address(address)
                    .tls_ca(Authority::shared().certificate())
                    .never_reconnect();
                match self.test.block_on(options.connect()) {
                    Ok((client, inbox)) => Ok(Box::new(ByLibrary {
                        test: &self.test,
                        client,
                        inbox,
                    })),
                    Err(ConnectError::Refused { code, .. }) => Err(code),
                    Err(ConnectError::Name { .. }) => Err(Code::Data),
                    Err(error) => panic!("{name:?} is not connected: {error}"),
                }
            }
            Link::Process => match self.test.broker.client(name) {
                Ok((client, inbox)) => Ok(Box::new(ByLibrary {
                    test: &self.test,
                    client,
                    inbox,
                })),
                Err(error) => Err(code_of(&error)),
            },
        }
    }
}

const fn code_of(error: &RegisterError) -> Code {
    match error {
        RegisterError::Name { .. } | RegisterError::Reserved { .. } => Code::Data,
        RegisterError::Taken { .. } | RegisterError::TooManyClients { .. } => Code::Busy,
        RegisterError::NoPrimary { .. } => Code::NotRegistered,
        RegisterError::ForeignPrimary { .. } | RegisterError::Denied { .. } => Code::Access,
        _ => Code::Other,
    }
}

/// What a client asks of the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// Target, payload.
    Message(&'a str, &'a [u8]),
    /// Mask, payload.
    Broadcast(&'a str, &'a [u8]),
    /// Topic, payload.
    Publish(&'a str, &'a [u8]),
    /// Topic, receiver, payload.
    PublishFor(&'a str, &'a str, &'a [u8]),
    Subscribe(&'a [&'a str]),
    Unsubscribe(&'a [&'a str]),
    Exclude(&'a [&'a str]),
    Unexclude(&'a [&'a str]),
}

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) kind: Kind,
    pub(crate) realtime: bool,
    pub(crate) sender: String,
    /// Empty unless it is a publication.
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// A client, whatever its link.
pub(crate) trait Party: Send {
    /// Asks, and waits for the answer if the QoS asks for one. A connection that is closed answers [`Code::Io`].
    fn ask_with(&mut self, ask: Ask<'_>, qos: Qos) -> Result<(), Code>;

    /// The next frame; `None` when the connection is closed.
    fn next(&mut self) -> Option<Received>;

    /// What has arrived, when everything placed with this client so far has arrived.
    fn arrived(&mut self) -> Option<Received>;

    /// Leaves the bus: the name is free when this returns.
    fn leave(self: Box<Self>);

    /// Asks and waits for the answer.
    fn ask(&mut self, ask: Ask<'_>) -> Result<(), Code> {
        self.ask_with(ask, Qos::Processed)
    }

    /// Asks for what must be granted.
    fn must(&mut self, ask: Ask<'_>) {
        let answer = self.ask(ask);
        // A large payload would hide the message.
        assert_eq!(answer, Ok(()), "{:.200}", format!("{ask:?}"));
    }

    fn subscribe(&mut self, filter: &str) {
        self.must(Ask::Subscribe(&[filter]));
    }

    /// The next frame, which must come.
    fn frame(&mut self) -> Received {
        self.next().expect("the broker closed the connection")
    }

    /// Expects a message or a broadcast.
    fn expect(&mut self, kind: Kind, sender: &str, payload: &[u8]) {
        let frame = self.frame();
        assert_eq!(
            (frame.kind, frame.sender.as_str(), frame.topic.as_str()),
            (kind, sender, "")
        );
        assert!(frame.payload == payload, "another payload than was sent");
    }

    /// Expects a publication.
    fn expect_publication(&mut self, sender: &str, topic: &str, payload: &[u8]) {
        let frame = self.frame();
        let (kind, from, to) = (frame.kind, frame.sender.as_str(), frame.topic.as_str());
        assert_eq!((kind, from, to), (Kind::Publication, sender, topic));
        assert!(frame.payload == payload, "another payload than was sent");
    }

    /// Expects that nothing is on its way. Holds for what was acknowledged to its sender.
    fn expect_nothing(&mut self) {
        assert_eq!(self.arrived(), None);
    }

    /// Expects the connection to be closed, without another frame.
    fn expect_end(&mut self) {
        assert_eq!(self.next(), None);
    }
}

struct OnSocket {
    raw: Raw,
    asked: u32,
    /// Frames that came in front of an acknowledgement.
    frames: VecDeque<Received>,
}

impl OnSocket {
    /// Sends, waits for the acknowledgement, and keeps the frames in front of it.
    fn send(&mut self, op: Op, qos: Qos, body: &[u8]) -> Result<(), Code> {
        self.asked += 1;
        let frame = elbus_testkit::frame(self.asked, op, qos, body);
        if self.raw.try_write(&frame).is_err() {
            return Err(Code::Io);
        }
        while qos.is_acknowledged() {
            match self.raw.got_or_end() {
                None => return Err(Code::Io),
                Some(Got::Ack(id, result)) => {
                    assert_eq!(id, self.asked, "acknowledged out of order or twice");
                    return result;
                }
                Some(got) => self.frames.extend(received(got)),
            }
        }
        Ok(())
    }
}

impl Party for OnSocket {
    fn ask_with(&mut self, ask: Ask<'_>, qos: Qos) -> Result<(), Code> {
        let addressed = |address: &str, payload: &[u8]| [address.as_bytes(), b"\0", payload].concat();
        let (op, body) = match ask {
            Ask::Message(target, payload) => (Op::Message, addressed(target, payload)),
            Ask::Broadcast(mask, payload) => (Op::Broadcast, addressed(mask, payload)),
            Ask::Publish(topic, payload) => (Op::Publish, addressed(topic, payload)),
            Ask::PublishFor(topic, receiver, payload) => {
                (Op::PublishFor, addressed(topic, &addressed(receiver, payload)))
            }
            Ask::Subscribe(filters) => (Op::Subscribe, filters.join("\0").into_bytes()),
            Ask::Unsubscribe(filters) => (Op::Unsubscribe, filters.join("\0").into_bytes()),
            Ask::Exclude(filters) => (Op::Exclude, filters.join("\0").into_bytes()),
            Ask::Unexclude(filters) => (Op::Unexclude, filters.join("\0").into_bytes()),
        };
        self.send(op, qos, &body)
    }

    fn next(&mut self) -> Option<Received> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        loop {
            match self.raw.got_or_end()? {
                Got::Ping => {}
                Got::Ack(id, result) => panic!("{id} is acknowledged twice: {result:?}"),
                got => return received(got),
            }
        }
    }

    fn arrived(&mut self) -> Option<Received> {
        // What was placed before stands in front of the acknowledgement.
        assert_eq!(self.send(Op::Nop, Qos::Processed, b""), Ok(()));
        self.frames.pop_front()
    }

    fn leave(mut self: Box<Self>) {
        self.raw.shutdown_write();
        while self.raw.got_or_end().is_some() {}
    }
}

fn received(got: Got) -> Option<Received> {
    match got {
        Got::Frame {
            kind,
            realtime,
            sender,
            topic,
            payload,
        } => Some(Received {
            kind,
            realtime,
            sender,
            topic,
            payload,
        }),
        Got::Ping | Got::Ack(..) => None,
    }
}

/// A client of the library, whatever its link.
struct ByLibrary<'a> {
    test: &'a TestBroker,
    client: Client,
    inbox: Inbox,
}

impl Party for ByLibrary<'_> {
    fn ask_with(&mut self, ask: Ask<'_>, qos: Qos) -> Result<(), Code> {
        let client = &self.client;
        let sending = match ask {
            Ask::Message(target, payload) => client.send(target, payload),
            Ask::Broadcast(mask, payload) => client.broadcast(mask, payload),
            Ask::Publish(topic, payload) => client.publish(topic, payload),
            Ask::PublishFor(topic, receiver, payload) => client.publish(topic, payload).only_for(receiver),
            Ask::Subscribe(filters) => client.subscribe(filters),
            Ask::Unsubscribe(filters) => client.unsubscribe(filters),
            Ask::Exclude(filters) => client.exclude(filters),
            Ask::Unexclude(filters) => client.unexclude(filters),
        };
        let sent = self.test.block_on(async { sending.qos(qos).await });
        sent.map_err(|error| error.code())
    }

    fn next(&mut self) -> Option<Received> {
        self.test.block_on(self.inbox.recv()).map(as_received)
    }

    fn arrived(&mut self) -> Option<Received> {
        // What was placed before stands in front of the answer.
        assert_eq!(
            self.test
                .block_on(async { self.client.ping().qos(Qos::Processed).await }),
            Ok(())
        );
        self.inbox.try_recv().map(as_received)
    }

    fn leave(self: Box<Self>) {
        // The broker may have ended it already.
        let _ = self.test.block_on(self.client.close());
    }
}

fn as_received(frame: elbus_client::Frame) -> Received {
    Received {
        kind: frame.kind(),
        realtime: frame.is_realtime(),
        sender: frame.sender().to_owned(),
        topic: frame.topic().unwrap_or_default().to_owned(),
        payload: frame.payload().to_vec(),
    }
}
