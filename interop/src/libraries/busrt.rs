//! The asynchronous client of `busrt`.
use std::time::Duration;

use busrt::{Error, ErrorKind, EventChannel, OpConfirm, QoS, client::AsyncClient, ipc};

use super::{Settings, got};
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
        wait(ipc::Client::connect(&config)).map_err(|error| error.kind())
    }

    /// Behind the common face.
    fn party(mut client: ipc::Client) -> Box<dyn Party> {
        let frames = client.take_event_channel().unwrap();
        Box::new(Self { client, frames })
    }

    async fn hand_over(&mut self, ask: Ask<'_>, qos: QoS) -> Result<OpConfirm, Error> {
        let client = &mut self.client;
        match ask {
            Ask::Send(target, payload) => client.send(target, payload.into(), qos).await,
            Ask::SendInParts(target, first, second) => {
                client.zc_send(target, first.into(), second.into(), qos).await
            }
            Ask::Broadcast(mask, payload) => client.send_broadcast(mask, payload.into(), qos).await,
            Ask::Publish(topic, payload) => client.publish(topic, payload.into(), qos).await,
            Ask::PublishFor(topic, receiver, payload) => {
                client.publish_for(topic, receiver, payload.into(), qos).await
            }
            Ask::Subscribe(&[filter]) => client.subscribe(filter, qos).await,
            Ask::Subscribe(filters) => client.subscribe_bulk(filters, qos).await,
            Ask::Unsubscribe(&[filter]) => client.unsubscribe(filter, qos).await,
            Ask::Unsubscribe(filters) => client.unsubscribe_bulk(filters, qos).await,
            Ask::Exclude(&[filter]) => client.exclude(filter, qos).await,
            Ask::Exclude(filters) => client.exclude_bulk(filters, qos).await,
            Ask::Unexclude(&[filter]) => client.unexclude(filter, qos).await,
            Ask::Unexclude(filters) => client.unexclude_bulk(filters, qos).await,
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
            wait(confirm).unwrap().map_err(|error| error.kind())
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
