//! The blocking client of `busrt`: its reader runs on a thread that the user provides.
use std::{thread, time::Duration};

use busrt::{
    Error, ErrorKind, QoS, SyncEventChannel, SyncOpConfirm,
    sync::{client::SyncClient, ipc},
};

use super::{Settings, got};
use crate::{Ask, Got, PATIENCE, Party, Pending};

pub(crate) struct Client {
    client: ipc::Client,
    frames: SyncEventChannel,
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
        match ipc::Client::connect(&config) {
            Ok(connected) => Ok(reading(connected)),
            Err(error) => Err(error.kind()),
        }
    }

    /// Behind the common face.
    fn party(mut client: ipc::Client) -> Box<dyn Party> {
        let frames = client.take_event_channel().unwrap();
        Box::new(Self { client, frames })
    }

    fn hand_over(&mut self, ask: Ask<'_>, qos: QoS) -> Result<SyncOpConfirm, Error> {
        let client = &mut self.client;
        match ask {
            Ask::Send(target, payload) => client.send(target, payload.into(), qos),
            Ask::SendInParts(target, first, second) => {
                client.zc_send(target, first.into(), second.into(), qos)
            }
            Ask::Broadcast(mask, payload) => client.send_broadcast(mask, payload.into(), qos),
            Ask::Publish(topic, payload) => client.publish(topic, payload.into(), qos),
            Ask::PublishFor(topic, receiver, payload) => {
                client.publish_for(topic, receiver, payload.into(), qos)
            }
            Ask::Subscribe(&[filter]) => client.subscribe(filter, qos),
            Ask::Subscribe(filters) => client.subscribe_bulk(filters, qos),
            Ask::Unsubscribe(&[filter]) => client.unsubscribe(filter, qos),
            Ask::Unsubscribe(filters) => client.unsubscribe_bulk(filters, qos),
            Ask::Exclude(&[filter]) => client.exclude(filter, qos),
            Ask::Exclude(filters) => client.exclude_bulk(filters, qos),
            Ask::Unexclude(&[filter]) => client.unexclude(filter, qos),
            Ask::Unexclude(filters) => client.unexclude_bulk(filters, qos),
        }
    }
}

impl Party for Client {
    fn name(&self) -> &str {
        self.client.get_name()
    }

    fn ask(&mut self, ask: Ask<'_>, qos: QoS) -> Pending {
        let confirm = self.hand_over(ask, qos).unwrap();
        Pending::new(qos, confirm, |confirm| {
            confirm
                .recv_timeout(PATIENCE)
                .unwrap()
                .map_err(|error| error.kind())
        })
    }

    fn next(&mut self, limit: Duration) -> Option<Got> {
        Some(got(&self.frames.recv_timeout(limit).ok()?))
    }

    fn secondary(&self) -> Box<dyn Party> {
        Self::party(reading(self.client.register_secondary().unwrap()))
    }

    fn ping(&mut self) {
        self.client.ping().unwrap();
    }

    fn is_connected(&self) -> bool {
        self.client.is_connected()
    }
}

/// Starts the reader, which ends with the connection.
fn reading((client, reader): (ipc::Client, ipc::Reader)) -> ipc::Client {
    thread::spawn(move || reader.run());
    client
}
