//! RPC payloads, from the codec to a service and a caller.
use std::{cell::RefCell, collections::BTreeMap};

use elbus_broker::{Broker, Config};
use elbus_client::{Client, Inbox};
use elbus_proto::rpc::{self, Payload, RpcError};
use elbus_rpc::{Failure, Rpc, Service};
use tokio::runtime::Runtime;

use crate::bus::{runtime, soon};

struct Services {
    runtime: Runtime,
    stranger: Client,
    inbox: Inbox,
    service: Rpc,
    caller: Rpc,
    _broker: Broker,
}

thread_local! {
    static SERVICES: RefCell<Services> = RefCell::new(Services::new());
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Params {
    text: String,
    number: i64,
    list: Vec<f64>,
    #[serde(default)]
    map: BTreeMap<String, Option<bool>>,
}

async fn count(_: (), params: Params) -> Result<usize, Failure> {
    Ok(params.text.len() + params.list.len() + params.map.len())
}

async fn double(_: (), number: i64) -> Result<i64, Failure> {
    Ok(number.wrapping_mul(2))
}

impl Services {
    fn new() -> Self {
        let runtime = runtime();
        let broker = Broker::new(Config::default()).unwrap();
        let _entered = runtime.enter();
        let (stranger, inbox) = broker.client("stranger").unwrap();
        let (client, own) = broker.client("service").unwrap();
        let service = Service::new(()).method("count", count).method("double", double);
        let service = service.start(client, own).unwrap();
        let (client, own) = broker.client("caller").unwrap();
        let caller = Rpc::new(client, own);
        drop(_entered);
        Self {
            runtime,
            stranger,
            inbox,
            service,
            caller,
            _broker: broker,
        }
    }
}

/// The codec, written down once more.
fn simple(payload: &[u8]) -> Result<Payload<'_>, RpcError> {
    let (kind, rest) = payload.split_first().ok_or(RpcError::Empty)?;
    let number = |at: usize| {
        rest.get(at..at + 4)
            .map(|id| u32::from_le_bytes(id.try_into().unwrap()))
    };
    match kind {
        0x00 => Ok(Payload::Notification(rest)),
        0x01 => {
            let id = number(0).ok_or(RpcError::Truncated)?;
            let end = rest[4..].iter().position(|byte| *byte == 0);
            let end = 4 + end.ok_or(RpcError::MissingSeparator)?;
            Ok(Payload::Request {
                id,
                method: &rest[4..end],
                params: &rest[end + 1..],
            })
        }
        0x11 => Ok(Payload::Reply {
            id: number(0).ok_or(RpcError::Truncated)?,
            result: &rest[4..],
        }),
        0x12 => {
            let code = rest.get(4..6).ok_or(RpcError::Truncated)?;
            Ok(Payload::Error {
                id: number(0).ok_or(RpcError::Truncated)?,
                code: i16::from_le_bytes(code.try_into().unwrap()),
                reason: &rest[6..],
            })
        }
        kind => Err(RpcError::UnknownKind(*kind)),
    }
}

/// Payloads: the first byte of each says how long it is, and to whom it goes.
pub fn rpc_codec(mut data: &[u8]) {
    let mut payloads = Vec::new();
    while let Some((&first, rest)) = data.split_first() {
        let (payload, rest) = rest.split_at(usize::from(first / 2).min(rest.len()));
        assert_eq!(rpc::decode(payload), simple(payload), "of {payload:?}");
        payloads.push((first % 2 == 0, payload));
        data = rest;
    }
    SERVICES.with_borrow_mut(|all| {
        let Services {
            runtime,
            stranger,
            inbox,
            service,
            caller,
            ..
        } = all;
        runtime.block_on(soon("the end of an input", async {
            let calling = caller.call::<_, i64>("service", "double", &21);
            for (to_service, payload) in payloads {
                let to = if to_service { "service" } else { "caller" };
                stranger.send(to, payload).await.unwrap();
                // Every request that wants an answer gets one, and nothing else does.
                if let Ok(Payload::Request { id, .. }) = rpc::decode(payload)
                    && id != 0
                {
                    let answer = inbox.recv().await.unwrap();
                    assert_eq!(answer.sender(), to);
                    match rpc::decode(answer.payload()) {
                        Ok(Payload::Reply { id: answered, .. } | Payload::Error { id: answered, .. }) => {
                            assert_eq!(answered, id);
                        }
                        other => panic!("{other:?} is no answer"),
                    }
                }
            }
            assert_eq!(
                calling.await,
                Ok(42),
                "the caller gets its own reply and no other"
            );
            assert_eq!(inbox.try_recv(), None, "nothing that was not asked for");
            let stats = service.stats();
            assert_eq!((stats.requests_running, stats.requests_waiting), (0, 0));
            assert_eq!(caller.stats().calls_pending, 0);
        }));
    });
}
