//! The RPC layer of `elbus`.
use busrt::{QoS, async_trait};
use elbus::{
    Frame,
    rpc::{Rpc, RpcClient, RpcError, RpcEvent, RpcHandlers, RpcResult},
};

use super::{Caller, Ears, Failure, Heard, Service};
use crate::{
    Verdict,
    libraries::{
        Settings,
        elbus::{self as library, kind, quality},
    },
    waiting::wait,
};

pub(super) struct Client {
    rpc: RpcClient,
    ears: Ears,
}

impl Client {
    pub(super) fn new(settings: &Settings<'_>) -> Self {
        let client = library::Client::link(settings).unwrap();
        let (service, ears) = Service::new();
        let rpc = wait(async { RpcClient::new(client, service) });
        Self { rpc, ears }
    }
}

impl Caller for Client {
    fn call(&self, target: &str, method: &str, params: &[u8], qos: QoS) -> Result<Vec<u8>, Failure> {
        let reply = wait(self.rpc.call(target, method, params.into(), quality(qos)));
        let reply = reply.map_err(|error| Failure {
            code: error.code(),
            data: error.data().unwrap_or_default().to_vec(),
        })?;
        Ok(reply.payload().to_vec())
    }

    fn call_without_reply(&self, target: &str, method: &str, params: &[u8]) -> Verdict {
        let qos = elbus::QoS::Processed;
        let sent = wait(self.rpc.call0(target, method, params.into(), qos)).unwrap();
        wait(sent.unwrap()).unwrap().map_err(|error| kind(&error))
    }

    fn notify(&self, target: &str, payload: &[u8]) -> Verdict {
        let sent = wait(self.rpc.notify(target, payload.into(), elbus::QoS::Processed)).unwrap();
        wait(sent.unwrap()).unwrap().map_err(|error| kind(&error))
    }

    fn ears(&self) -> &Ears {
        &self.ears
    }

    fn is_connected(&self) -> bool {
        self.rpc.is_connected()
    }
}

#[async_trait]
impl RpcHandlers for Service {
    async fn handle_call(&self, event: RpcEvent) -> RpcResult {
        self.answer(
            event.sender(),
            event.parse_method()?,
            event.payload(),
            event.is_response_required(),
        )
        .map_err(|failure| RpcError::new(failure.code, Some(failure.data)))
    }

    async fn handle_notification(&self, event: RpcEvent) {
        self.hear(Heard::Notification(
            event.sender().to_owned(),
            event.payload().to_vec(),
        ));
    }

    async fn handle_frame(&self, frame: Frame) {
        self.hear(Heard::Frame(library::got(&frame)));
    }
}
