//! One face for the clients of every library. Its words for quality of service, kinds of frames and errors are those
//! of `busrt`; what the wire says is said by none of our own code.
use std::{fmt, time::Duration};

use busrt::{ErrorKind, FrameKind, QoS};

use crate::waiting::PATIENCE;

/// What the broker answers to an operation.
pub type Verdict = Result<(), ErrorKind>;

/// What a client asks of the broker.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Send `1` to the client `0`.
    Send(&'a str, &'a [u8]),
    /// Send `1` and `2`, one after the other, as one message to the client `0`.
    SendInParts(&'a str, &'a [u8], &'a [u8]),
    /// Send `1` to everyone whom the mask `0` names.
    Broadcast(&'a str, &'a [u8]),
    /// Publish `1` to the subscribers of the topic `0`.
    Publish(&'a str, &'a [u8]),
    /// Publish `2` to those subscribers of the topic `0` that belong to the client `1`.
    PublishFor(&'a str, &'a str, &'a [u8]),
    /// Subscribe to these filters.
    Subscribe(&'a [&'a str]),
    /// Take subscriptions back.
    Unsubscribe(&'a [&'a str]),
    /// Exclude publications that match these filters.
    Exclude(&'a [&'a str]),
    /// Take exclusions back.
    Unexclude(&'a [&'a str]),
}

/// An operation that was handed over.
#[must_use]
pub struct Pending(Option<Box<dyn FnOnce() -> Verdict>>);

impl Pending {
    /// What a library hands back for an operation of this quality of service.
    pub(crate) fn new<C>(qos: QoS, confirm: Option<C>, wait: impl FnOnce(C) -> Verdict + 'static) -> Self
    where
        C: 'static,
    {
        assert_eq!(confirm.is_some(), qos.needs_ack(), "a confirmation for {qos:?}");
        Self(confirm.map(|confirm| Box::new(move || wait(confirm)) as Box<dyn FnOnce() -> Verdict>))
    }

    /// Waits for the broker's verdict; what asked for none is well.
    pub fn verdict(self) -> Verdict {
        self.0.map_or(Ok(()), |wait| wait())
    }
}

/// A client that is on the bus; it leaves when dropped.
pub trait Party {
    /// The name under which it is registered.
    fn name(&self) -> &str;

    /// Hands an operation over.
    fn ask(&mut self, ask: Ask<'_>, qos: QoS) -> Pending;

    /// The next frame; `None` if none came in time.
    fn next(&mut self, limit: Duration) -> Option<Got>;

    /// A secondary of this client.
    fn secondary(&self) -> Box<dyn Party>;

    /// Pings the broker, if the library's users can.
    fn ping(&mut self);

    /// Whether the library takes itself for connected.
    fn is_connected(&self) -> bool;
}

impl dyn Party + '_ {
    /// Hands an operation over and waits for the broker's verdict.
    pub fn does(&mut self, ask: Ask<'_>, qos: QoS) -> Verdict {
        self.ask(ask, qos).verdict()
    }

    /// Sends and waits for the broker's verdict.
    pub fn send(&mut self, target: &str, payload: &[u8]) -> Verdict {
        self.does(Ask::Send(target, payload), QoS::Processed)
    }

    /// Broadcasts and waits for the broker's verdict.
    pub fn broadcast(&mut self, mask: &str, payload: &[u8]) -> Verdict {
        self.does(Ask::Broadcast(mask, payload), QoS::Processed)
    }

    /// Publishes and waits for the broker's verdict.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) -> Verdict {
        self.does(Ask::Publish(topic, payload), QoS::Processed)
    }

    /// Subscribes and waits for the broker's verdict.
    pub fn subscribe(&mut self, filters: &[&str]) -> Verdict {
        self.does(Ask::Subscribe(filters), QoS::Processed)
    }

    /// Unsubscribes and waits for the broker's verdict.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Verdict {
        self.does(Ask::Unsubscribe(filters), QoS::Processed)
    }

    /// The next frame.
    pub fn frame(&mut self) -> Got {
        self.next(PATIENCE)
            .unwrap_or_else(|| panic!("{} got nothing in time", self.name()))
    }

    /// The next frame must be this one.
    #[track_caller]
    pub fn expect(&mut self, expected: &Got) {
        assert_eq!(self.frame(), *expected, "at {}", self.name());
    }

    /// What this client sends to itself now is the next thing it gets: nothing else was there.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        let name = self.name().to_owned();
        assert_eq!(self.send(&name, b"nothing else"), Ok(()));
        self.expect(&Got::message(&name, b"nothing else"));
    }
}

/// A frame as a library hands it to its user.
#[derive(Clone, PartialEq, Eq)]
pub struct Got {
    /// How it came.
    pub kind: FrameKind,
    /// The full name of the client that sent it.
    pub sender: String,
    /// The name of that client's primary.
    pub primary: String,
    /// The topic of a publication.
    pub topic: Option<String>,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether it was sent as real-time.
    pub realtime: bool,
}

impl Got {
    /// A message.
    #[must_use]
    pub fn message(sender: &str, payload: &[u8]) -> Self {
        Self {
            kind: FrameKind::Message,
            sender: sender.to_owned(),
            primary: sender.split("%%").next().unwrap().to_owned(),
            topic: None,
            payload: payload.to_vec(),
            realtime: false,
        }
    }

    /// A broadcast.
    #[must_use]
    pub fn broadcast(sender: &str, payload: &[u8]) -> Self {
        Self {
            kind: FrameKind::Broadcast,
            ..Self::message(sender, payload)
        }
    }

    /// A publication.
    #[must_use]
    pub fn publication(sender: &str, topic: &str, payload: &[u8]) -> Self {
        Self {
            kind: FrameKind::Publish,
            topic: Some(topic.to_owned()),
            ..Self::message(sender, payload)
        }
    }

    /// The same, sent with another quality of service.
    #[must_use]
    pub fn with(self, qos: QoS) -> Self {
        Self {
            realtime: qos.is_realtime(),
            ..self
        }
    }
}

impl fmt::Debug for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = &self.payload[..self.payload.len().min(40)];
        write!(f, "{:?} from {}", self.kind, self.sender)?;
        if self.primary != self.sender {
            write!(f, " (of {})", self.primary)?;
        }
        if let Some(topic) = &self.topic {
            write!(f, " on {topic}")?;
        }
        if self.realtime {
            f.write_str(", real-time")?;
        }
        write!(
            f,
            ": {} bytes \"{}\"",
            self.payload.len(),
            beginning.escape_ascii()
        )
    }
}
