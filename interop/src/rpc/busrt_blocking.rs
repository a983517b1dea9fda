//! The blocking RPC layer of `busrt`: its processor runs on a thread that the user provides.
use std::{sync::Arc, thread};

use busrt::{
    Frame, QoS,
    rpc::{RpcEvent, RpcResult},
    sync::rpc::{RpcClient, SyncRpc, SyncRpcHandlers},
};

use super::{Caller, Ears, Failure, Service};
use crate::{
    PATIENCE, Verdict,
    libraries::{self, Settings},
    waiting::wait_blocking,
};

pub(super) struct Client {
    rpc: Arc<RpcClient>,
    ears: Ears,
}

impl Client {
    pub(super) fn new(settings: &Settings<'_>) -> Self {
        let client = libraries::busrt_blocking::Client::link(settings).unwrap();
        let (service, ears) = Service::new();
        let (rpc, processor) = RpcClient::new(client, service);
        thread::spawn(move || processor.run());
        Self {
            rpc: Arc::new(rpc),
            ears,
        }
    }
}

impl Caller for Client {
    fn call(&self, target: &str, method: &str, params: &[u8], qos: QoS) -> Result<Vec<u8>, Failure> {
        let (rpc, target, method, params) = (
            Arc::clone(&self.rpc),
            target.to_owned(),
            method.to_owned(),
            params.to_vec(),
        );
        // A call that gets no reply never ends by itself.
        let reply = wait_blocking(move || rpc.call(&target, &method, params.into(), qos))?;
        Ok(reply.payload().to_vec())
    }

    fn call_without_reply(&self, target: &str, method: &str, params: &[u8]) -> Verdict {
        let sent = self
            .rpc
            .call0(target, method, params.into(), QoS::Processed)
            .unwrap();
        sent.unwrap()
            .recv_timeout(PATIENCE)
            .unwrap()
            .map_err(|error| error.kind())
    }

    fn notify(&self, target: &str, payload: &[u8]) -> Verdict {
        let sent = self.rpc.notify(target, payload.into(), QoS::Processed).unwrap();
        sent.unwrap()
            .recv_timeout(PATIENCE)
            .unwrap()
            .map_err(|error| error.kind())
    }

    fn ears(&self) -> &Ears {
        &self.ears
    }

    fn is_connected(&self) -> bool {
        self.rpc.is_connected()
    }
}

impl SyncRpcHandlers for Service {
    fn handle_call(&self, event: RpcEvent) -> RpcResult {
        self.answer_event(&event)
    }

    fn handle_notification(&self, event: RpcEvent) {
        self.hear_notification(&event);
    }

    fn handle_frame(&self, frame: Frame) {
        self.hear_frame(&frame);
    }
}
