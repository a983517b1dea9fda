//! Cursors: the client of `busrt` pages through what our service offers, and ours through what `busrt`'s does.
use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use busrt::{
    QoS, async_trait, cursors, empty_payload, ipc,
    rpc::{Rpc, RpcClient, RpcError, RpcEvent, RpcHandlers, RpcResult},
};
use elbus_client::Options;
use elbus_interop::{Broker, PATIENCE, Transport, wait};
use elbus_rpc::{CursorId, Cursors, Failure, Service};

const RECORDS: u32 = 25;
const BULK: usize = 10;

/// A cursor of `busrt` that counts.
struct Counting {
    next: AtomicU32,
    meta: cursors::Meta,
}

#[async_trait]
impl cursors::Cursor for Counting {
    async fn next(&self) -> Result<Option<Vec<u8>>, RpcError> {
        let n = self.next.fetch_add(1, Relaxed);
        if n < RECORDS {
            return Ok(Some(rmp_serde::to_vec_named(&n)?));
        }
        self.meta.mark_finished();
        Ok(None)
    }

    async fn next_bulk(&self, count: usize) -> Result<Vec<u8>, RpcError> {
        let first = self.next.fetch_add(u32::try_from(count).unwrap(), Relaxed);
        let records: Vec<u32> = (first..RECORDS).take(count).collect();
        if records.len() < count {
            self.meta.mark_finished();
        }
        Ok(rmp_serde::to_vec_named(&records)?)
    }

    fn meta(&self) -> &cursors::Meta {
        &self.meta
    }
}

struct Counter(cursors::Map);

#[async_trait]
impl RpcHandlers for Counter {
    async fn handle_call(&self, event: RpcEvent) -> RpcResult {
        match event.parse_method()? {
            "count" => {
                let cursor = Counting {
                    next: AtomicU32::new(0),
                    meta: cursors::Meta::new(Duration::from_secs(30)),
                };
                let cursor = cursors::Payload::from(self.0.add(cursor).await);
                Ok(Some(rmp_serde::to_vec_named(&cursor)?))
            }
            "N" => {
                let cursor: cursors::Payload = rmp_serde::from_slice(event.payload())?;
                self.0.next(cursor.uuid()).await
            }
            "NB" => {
                let cursor: cursors::Payload = rmp_serde::from_slice(event.payload())?;
                self.0.next_bulk(cursor.uuid(), cursor.bulk_number()).await
            }
            _ => Err(RpcError::method(None)),
        }
    }
}

async fn theirs(broker: &Broker, transport: Transport, name: &str) -> ipc::Client {
    let config = ipc::Config::new(broker.address(transport), name).timeout(PATIENCE);
    ipc::Client::connect(&config).await.unwrap()
}

async fn ours(
    broker: &Broker,
    transport: Transport,
    name: &str,
) -> (elbus_client::Client, elbus_client::Inbox) {
    let options = Options::new(name).address(broker.address(transport));
    options.connect().await.unwrap()
}

#[test]
fn ours_reads_what_busrt_offers() {
    for transport in Transport::ALL {
        let broker = Broker::ours();
        wait(async {
            let map = cursors::Map::new(Duration::from_secs(30));
            let _service = RpcClient::new(theirs(&broker, transport, "counter").await, Counter(map));
            let (client, inbox) = ours(&broker, transport, "reader").await;
            let rpc = elbus_rpc::Rpc::new(client, inbox);
            let records = || rpc.records::<_, u32>("counter", "count", &());
            let bulk = u32::try_from(BULK).unwrap();
            for mut records in [records(), records().bulk(bulk), records().bulk(1)] {
                for expected in 0..RECORDS {
                    assert_eq!(records.next().await, Some(Ok(expected)));
                }
                assert_eq!(records.next().await, None);
            }
        });
    }
}

#[test]
fn busrt_reads_what_ours_offers() {
    for transport in Transport::ALL {
        let broker = Broker::ours();
        wait(async {
            let (client, inbox) = ours(&broker, transport, "counter").await;
            let cursors = Cursors::new();
            let _service = Service::new(cursors.clone())
                .cursors(&cursors)
                .method(
                    "count",
                    async |cursors: Cursors, (): ()| -> Result<CursorId, Failure> {
                        cursors.open(0..RECORDS)
                    },
                )
                .start(client, inbox)
                .unwrap();
            let rpc = RpcClient::new0(theirs(&broker, transport, "reader").await);
            let call = async |method: &str, params: &[u8]| {
                let called = rpc.call("counter", method, params.into(), QoS::Processed).await;
                called.map(|event| event.payload().to_vec())
            };
            let open = async || {
                let cursor = rpc
                    .call("counter", "count", empty_payload!(), QoS::Processed)
                    .await;
                rmp_serde::from_slice::<cursors::Payload>(cursor.unwrap().payload()).unwrap()
            };
            let cursor = rmp_serde::to_vec_named(&open().await).unwrap();
            for expected in 0..RECORDS {
                let record = call("N", &cursor).await.unwrap();
                assert_eq!(rmp_serde::from_slice::<u32>(&record).unwrap(), expected);
            }
            assert_eq!(call("N", &cursor).await.unwrap(), b"");
            let gone = call("N", &cursor).await.unwrap_err();
            assert_eq!(gone.code(), elbus_rpc::code::NOT_FOUND);
            let mut cursor = open().await;
            cursor.set_bulk_number(BULK);
            let cursor = rmp_serde::to_vec_named(&cursor).unwrap();
            let mut all: Vec<u32> = Vec::new();
            loop {
                let records: Vec<u32> = rmp_serde::from_slice(&call("NB", &cursor).await.unwrap()).unwrap();
                all.extend(&records);
                if records.len() < BULK {
                    break;
                }
            }
            assert_eq!(all, (0..RECORDS).collect::<Vec<_>>());
            assert!(cursors.is_empty());
        });
    }
}
