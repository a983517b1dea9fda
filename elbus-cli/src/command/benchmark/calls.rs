//! The stages that call: the broker, the worker itself, or nobody.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use elbus_client::Code;
use elbus_proto::BROKER_NAME;
use elbus_rpc::{CallError, Failure, Options, Rpc, Service, raw};
use tokio::task::JoinSet;

use super::{
    latencies::Latencies,
    worker::{Share, Worker, nobody},
};
use crate::error::CliError;

/// What is called.
#[derive(Clone, Debug)]
enum Called {
    /// A method that answers with its params.
    Echo { target: String, method: &'static str },
    /// Nobody, and without wanting a reply.
    Nobody { name: String },
}

/// Calls of the broker's own method.
pub(super) async fn call(worker: Worker) -> Result<Latencies, CliError> {
    let called = Called::Echo {
        target: BROKER_NAME.to_owned(),
        method: "benchmark.test",
    };
    run(worker, called).await
}

/// Calls of a method of the worker itself.
pub(super) async fn call_and_handle(worker: Worker) -> Result<Latencies, CliError> {
    let called = Called::Echo {
        target: worker.client.name().to_owned(),
        method: OWN_ECHO,
    };
    run(worker, called).await
}

/// Calls to nobody that want no reply.
pub(super) async fn call0(worker: Worker) -> Result<Latencies, CliError> {
    let name = nobody(&worker.client);
    run(worker, Called::Nobody { name }).await
}

const OWN_ECHO: &str = "benchmark.selftest";

async fn echo(_: (), params: Bytes) -> Result<Bytes, Failure> {
    Ok(params)
}

async fn run(worker: Worker, called: Called) -> Result<Latencies, CliError> {
    let Worker { client, inbox, share } = worker;
    let options = Options::new()
        .timeout(share.patience)
        .concurrent(share.in_flight)
        .service(Service::new(()).method(OWN_ECHO, raw(echo)));
    let rpc = options.start(client, inbox).map_err(CliError::Start)?;
    let begun = Arc::new(AtomicU64::new(0));
    let mut flights = JoinSet::new();
    for _ in 0..share.in_flight {
        flights.spawn(fly(
            rpc.clone(),
            called.clone(),
            share.clone(),
            Arc::clone(&begun),
        ));
    }
    let mut latencies = Latencies::default();
    while let Some(flown) = flights.join_next().await {
        match flown {
            Ok(flown) => latencies.merge(&flown?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
    Ok(latencies)
}

/// Calls one after the other until all that the worker has to do have begun.
async fn fly(rpc: Rpc, called: Called, share: Share, begun: Arc<AtomicU64>) -> Result<Latencies, CliError> {
    let mut latencies = Latencies::default();
    let mut payload = share.payload();
    loop {
        let number = begun.fetch_add(1, Relaxed);
        if number >= share.operations {
            return Ok(latencies);
        }
        payload.stamp(number, 0);
        let began = share.clock.now();
        called.call(&rpc, &payload.0).await?;
        latencies.add(share.clock.now() - began);
        share.note_done();
    }
}

impl Called {
    async fn call(&self, rpc: &Rpc, params: &[u8]) -> Result<(), CliError> {
        let failed = |target: &str, method, error| CliError::call(target, method, error);
        match self {
            Self::Echo { target, method } => match rpc.call_raw(target, method, params).await {
                Ok(reply) if reply == params => Ok(()),
                Ok(_) => Err(CliError::OtherReply),
                Err(error) => Err(failed(target, method, error)),
            },
            Self::Nobody { name } => match rpc.call0_raw(name, "test", params).await {
                Ok(()) | Err(CallError::Refused(Code::NotRegistered)) => Ok(()),
                Err(error) => Err(failed(name, "test", error)),
            },
        }
    }
}
