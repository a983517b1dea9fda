//! The client of `elbus`. Its successor's differs by name, and by what it can do.
use std::time::Duration;

use busrt::{ErrorKind, FrameKind, QoS};
use elbus::{Error, EventChannel, Frame, OpConfirm, client::AsyncClient, ipc};

use super::Settings;
use crate::{
    Ask, Got, PATIENCE, Party, Pending,
    waiting::{wait, wait_for},
};

pub(crate) struct Client {
    client: ipc::Client,
    frames: EventChannel,
}

impl Client {
    pub(crate) fn connect(settings: &Settings<'_>) -> Result<Box<dyn Party>, ErrorKind> {
        Ok(Self::party(Self::link(settings)?))
    }

    /// The library's own client.
    pub(crate) fn link(settings: &Settings<'_>) -> Result<ipc::Client, ErrorKind> {
        let mut config = ipc::Config::new(settings.address, settings.name);
        if settings.patient {
            config = config.timeout(PATIENCE);
        }
        wait(ipc::Client::connect(&config)).map_err(|error| kind(&error))
    }

    /// Behind the common face.
    fn party(mut client: ipc::Client) -> Box<dyn Party> {
        let frames = client.take_event_channel().unwrap();
        Box::new(Self { client, frames })
    }

    async fn hand_over(&mut self, ask: Ask<'_>, qos: QoS) -> Result<OpConfirm, Error> {
        let client = &mut self.client;
        let qos = quality(qos);
        match ask {
            Ask::Send(target, payload) => client.send(target, payload.into(), qos).await,
            Ask::SendInParts(target, first, second) => {
                client.zc_send(target, first.into(), second.into(), qos).await
            }
            Ask::Broadcast(mask, payload) => client.send_broadcast(mask, payload.into(), qos).await,
            Ask::Publish(topic, payload) => client.publish(topic, payload.into(), qos).await,
            Ask::Subscribe(&[filter]) => client.subscribe(filter, qos).await,
            Ask::Subscribe(filters) => client.subscribe_bulk(filters, qos).await,
            Ask::Unsubscribe(&[filter]) => client.unsubscribe(filter, qos).await,
            Ask::Unsubscribe(filters) => client.unsubscribe_bulk(filters, qos).await,
            Ask::PublishFor(..) | Ask::Exclude(_) | Ask::Unexclude(_) => panic!("elbus cannot do {ask:?}"),
        }
    }
}

impl Party for Client {
    fn name(&self) -> &str {
        self.client.get_name()
    }

    fn ask(&mut self, ask: Ask<'_>, qos: QoS) -> Pending {
        let confirm = wait(self.hand_over(ask, qos)).unwrap();
        Pending::new(qos, confirm, |confirm| {
            wait(confirm).unwrap().map_err(|error| kind(&error))
        })
    }

    fn next(&mut self, limit: Duration) -> Option<Got> {
        Some(got(&wait_for(limit, self.frames.recv())?.ok()?))
    }

    fn secondary(&self) -> Box<dyn Party> {
        Self::party(wait(self.client.register_secondary()).unwrap())
    }

    fn ping(&mut self) {
        wait(self.client.ping()).unwrap();
    }

    fn is_connected(&self) -> bool {
        self.client.is_connected()
    }
}

/// A frame in the common words.
pub(crate) fn got(frame: &Frame) -> Got {
    Got {
        kind: FrameKind::try_from(frame.kind() as u8).unwrap(),
        sender: frame.sender().to_owned(),
        primary: frame.primary_sender().to_owned(),
        topic: frame.topic().map(str::to_owned),
        payload: frame.payload().to_vec(),
        realtime: frame.is_realtime(),
    }
}

pub(crate) fn quality(qos: QoS) -> elbus::QoS {
    elbus::QoS::try_from(qos as u8).unwrap()
}

pub(crate) fn kind(error: &Error) -> ErrorKind {
    ErrorKind::from(error.kind() as u8)
}
