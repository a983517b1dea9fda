//! Our own RPC layer.
use std::sync::Arc;

use busrt::{ErrorKind, QoS};
use bytes::Bytes;
use elbus_rpc::{Arrival, CallError, Context, Options, Rpc, bus_error, raw};

use super::{Caller, Ears, Failure, Heard, Service};
use crate::{
    PATIENCE, Verdict,
    libraries::{Settings, ours},
    waiting::wait,
};

pub(super) struct Client {
    rpc: Rpc,
    ears: Ears,
}

impl Client {
    pub(super) fn new(settings: &Settings<'_>) -> Self {
        let (client, inbox) = ours::Client::link(settings).unwrap();
        let (service, ears) = Service::new();
        let service = elbus_rpc::Service::new(Arc::new(service))
            .fallback(raw(call))
            .on_notification(notification)
            .on_publication(frame)
            .on_broadcast(frame)
            .on_message(frame);
        let options = Options::new().timeout(PATIENCE).service(service);
        let rpc = wait(async { options.start(client, inbox) }).unwrap();
        Self { rpc, ears }
    }
}

impl Caller for Client {
    fn call(&self, target: &str, method: &str, params: &[u8], qos: QoS) -> Result<Vec<u8>, Failure> {
        let call = self.rpc.call_raw(target, method, params);
        let reply = wait(async {
            match qos {
                QoS::Realtime | QoS::RealtimeProcessed => call.realtime().await,
                QoS::No | QoS::Processed => call.await,
            }
        });
        reply.map(|result| result.to_vec()).map_err(failure)
    }

    fn call_without_reply(&self, target: &str, method: &str, params: &[u8]) -> Verdict {
        wait(self.rpc.call0_raw(target, method, params)).map_err(kind)
    }

    fn notify(&self, target: &str, payload: &[u8]) -> Verdict {
        wait(self.rpc.notify(target, payload)).map_err(kind)
    }

    fn ears(&self) -> &Ears {
        &self.ears
    }

    fn is_connected(&self) -> bool {
        wait(async { self.rpc.client().ping().qos(elbus_client::Qos::No).await }).is_ok()
    }
}

async fn call(service: Arc<Service>, params: Bytes, context: Context) -> Result<Vec<u8>, elbus_rpc::Failure> {
    let answer = service.answer(
        context.caller(),
        &context.method(),
        &params,
        context.wants_reply(),
    );
    answer
        .map(Option::unwrap_or_default)
        .map_err(|failure| elbus_rpc::Failure::new(failure.code, failure.data))
}

async fn notification(service: Arc<Service>, arrival: Arrival) {
    service.hear(Heard::Notification(
        arrival.sender().to_owned(),
        arrival.payload().to_vec(),
    ));
}

async fn frame(service: Arc<Service>, arrival: Arrival) {
    service.hear(Heard::Frame(ours::got(arrival.frame())));
}

fn failure(error: CallError) -> Failure {
    match error {
        CallError::Service(failure) => Failure {
            code: failure.code(),
            data: failure.reason().to_vec(),
        },
        CallError::Refused(code) => Failure {
            code: bus_error(code),
            data: Vec::new(),
        },
        error => panic!("{error}"),
    }
}

fn kind(error: CallError) -> ErrorKind {
    match error {
        CallError::Refused(code) => ErrorKind::from(code.byte()),
        error => panic!("{error}"),
    }
}
