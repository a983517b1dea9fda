//! The asynchronous RPC layer of `busrt`.
use busrt::{
    Frame, QoS, async_trait,
    rpc::{Rpc, RpcClient, RpcEvent, RpcHandlers, RpcResult},
};

use super::{Caller, Ears, Failure, Service};
use crate::{
    Verdict,
    libraries::{self, Settings},
    waiting::wait,
};

pub(super) struct Client {
    rpc: RpcClient,
    ears: Ears,
}

impl Client {
    pub(super) fn new(settings: &Settings<'_>) -> Self {
        let client = libraries::busrt::Client::link(settings).unwrap();
        let (service, ears) = Service::new();
        let rpc = wait(async { RpcClient::new(client, service) });
        Self { rpc, ears }
    }
}

impl Caller for Client {
    fn call(&self, target: &str, method: &str, params: &[u8], qos: QoS) -> Result<Vec<u8>, Failure> {
        let reply = wait(self.rpc.call(target, method, params.into(), qos))?;
        Ok(reply.payload().to_vec())
    }

    fn call_without_reply(&self, target: &str, method: &str, params: &[u8]) -> Verdict {
        let sent = wait(self.rpc.call0(target, method, params.into(), QoS::Processed)).unwrap();
        wait(sent.unwrap()).unwrap().map_err(|error| error.kind())
    }

    fn notify(&self, target: &str, payload: &[u8]) -> Verdict {
        let sent = wait(self.rpc.notify(target, payload.into(), QoS::Processed)).unwrap();
        wait(sent.unwrap()).unwrap().map_err(|error| error.kind())
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
        self.answer_event(&event)
    }

    async fn handle_notification(&self, event: RpcEvent) {
        self.hear_notification(&event);
    }

    async fn handle_frame(&self, frame: Frame) {
        self.hear_frame(&frame);
    }
}
