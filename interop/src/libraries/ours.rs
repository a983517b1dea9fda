//! Our own client.
use std::{
    sync::Mutex,
    task::{Context, Poll, Waker},
    time::Duration,
};

use busrt::{ErrorKind, FrameKind, QoS};
use elbus_client::{
    Confirmation, ConnectError, Error, Event, Events, Frame, Inbox, Kind, Options, Qos, Sending,
};

use super::Settings;
use crate::{
    Ask, Got, PATIENCE, Party, Pending,
    waiting::{wait, wait_for},
};

pub(crate) struct Client {
    client: elbus_client::Client,
    inbox: Inbox,
    events: Mutex<Events>,
}

impl Client {
    pub(crate) fn connect(settings: &Settings<'_>) -> Result<Box<dyn Party>, ErrorKind> {
        Ok(Self::party(Self::link(settings)?))
    }

    /// The library's own client.
    pub(crate) fn link(settings: &Settings<'_>) -> Result<(elbus_client::Client, Inbox), ErrorKind> {
        // Where the connection is lost the test shall see it.
        let mut options = Options::new(settings.name)
            .address(settings.address)
            .never_reconnect();
        if settings.patient {
            options = options.timeout(PATIENCE);
        }
        wait(options.connect()).map_err(|error| match error {
            ConnectError::Refused { code, .. } => ErrorKind::from(code.byte()),
            error => panic!("{}: {error}", settings.name),
        })
    }

    /// Behind the common face.
    fn party((client, inbox): (elbus_client::Client, Inbox)) -> Box<dyn Party> {
        let events = Mutex::new(client.events());
        Box::new(Self {
            client,
            inbox,
            events,
        })
    }

    fn sending<'a>(&'a self, ask: Ask<'a>, joined: &'a [u8]) -> Sending<'a> {
        let client = &self.client;
        match ask {
            Ask::Send(target, payload) => client.send(target, payload),
            Ask::SendInParts(target, ..) => client.send(target, joined),
            Ask::Broadcast(mask, payload) => client.broadcast(mask, payload),
            Ask::Publish(topic, payload) => client.publish(topic, payload),
            Ask::PublishFor(topic, receiver, payload) => client.publish(topic, payload).only_for(receiver),
            Ask::Subscribe(filters) => client.subscribe(filters),
            Ask::Unsubscribe(filters) => client.unsubscribe(filters),
            Ask::Exclude(filters) => client.exclude(filters),
            Ask::Unexclude(filters) => client.unexclude(filters),
        }
    }
}

impl Party for Client {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn ask(&mut self, ask: Ask<'_>, qos: QoS) -> Pending {
        // Ours has no need for a payload in two places: it is told in one.
        let joined = match ask {
            Ask::SendInParts(_, first, second) => [first, second].concat(),
            _ => Vec::new(),
        };
        let confirmation = wait(self.sending(ask, &joined).qos(quality(qos)).confirm()).unwrap();
        let confirm = qos.needs_ack().then_some(confirmation);
        Pending::new(qos, confirm, verdict)
    }

    fn next(&mut self, limit: Duration) -> Option<Got> {
        Some(got(&wait_for(limit, self.inbox.recv())??))
    }

    fn secondary(&self) -> Box<dyn Party> {
        Self::party(wait(self.client.secondary()).unwrap())
    }

    fn ping(&mut self) {
        // One that wants no answer: the published brokers disconnect whoever wants one.
        wait(async { self.client.ping().qos(Qos::No).await }).unwrap();
    }

    fn is_connected(&self) -> bool {
        // It never reconnects, so the first of these is the last.
        let mut events = self.events.lock().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match events.poll_recv(&mut context) {
                Poll::Ready(None | Some(Event::Disconnected { .. })) => return false,
                Poll::Ready(Some(_)) => {}
                Poll::Pending => return true,
            }
        }
    }
}

fn verdict(confirmation: Confirmation) -> Result<(), ErrorKind> {
    match wait(confirmation) {
        Ok(()) => Ok(()),
        Err(Error::Refused(code)) => Err(ErrorKind::from(code.byte())),
        Err(error) => panic!("{error}"),
    }
}

const fn quality(qos: QoS) -> Qos {
    match qos {
        QoS::No => Qos::No,
        QoS::Processed => Qos::Processed,
        QoS::Realtime => Qos::Realtime,
        QoS::RealtimeProcessed => Qos::RealtimeProcessed,
    }
}

pub(crate) fn got(frame: &Frame) -> Got {
    Got {
        kind: match frame.kind() {
            Kind::Message => FrameKind::Message,
            Kind::Broadcast => FrameKind::Broadcast,
            Kind::Publication => FrameKind::Publish,
        },
        sender: frame.sender().to_owned(),
        primary: frame.primary_sender().to_owned(),
        topic: frame.topic().map(str::to_owned),
        payload: frame.payload().to_vec(),
        realtime: frame.is_realtime(),
    }
}
