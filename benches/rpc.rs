//! Calls a second: to the broker's own methods and to a service, over memory and a UNIX socket, with one call in flight a
//! caller and with 64.
//!
//! Four callers, each with a connection of its own, as in the `benchmark` command of elbus. The broker runs in the same
//! process, on the same runtime.
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use elbus_broker::{Address, Broker, Config};
use elbus_client::Options;
use elbus_rpc::{Failure, Rpc, Service, raw};
use tokio::{runtime::Runtime, task::JoinSet};

const CALLERS: usize = 4;

/// Calls an iteration.
const BATCH: usize = 4_096;

const SERVICE: &str = "bench.service";

/// Whom to call, and which method.
const STAGES: [(&str, &str); 2] = [(".broker", "benchmark.test"), (SERVICE, "echo")];

async fn echo(_: (), params: Bytes) -> Result<Bytes, Failure> {
    Ok(params)
}

fn service() -> Service<()> {
    Service::new(()).method("echo", raw(echo))
}

async fn connect(broker: &Broker, socket: Option<&Address>, name: &str) -> Rpc {
    let (client, inbox) = match socket {
        None => broker.client(name).expect("a free name"),
        Some(address) => {
            let options = Options::new(name).address(address.clone());
            options.connect().await.expect("a connection")
        }
    };
    service().start(client, inbox).expect("a service")
}

async fn call_all(rpcs: &[Rpc], in_flight: usize, (target, method): (&'static str, &'static str)) {
    let mut calls = JoinSet::new();
    let payload = Bytes::from(vec![7; 100]);
    for rpc in rpcs {
        for _ in 0..in_flight {
            let (rpc, payload) = (rpc.clone(), payload.clone());
            calls.spawn(async move {
                for _ in 0..BATCH / CALLERS / in_flight {
                    let echoed = rpc.call_raw(target, method, &payload).await;
                    assert_eq!(echoed.expect("an answer"), payload);
                }
            });
        }
    }
    calls.join_all().await;
}

fn calls(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let broker = Broker::new(Config::default()).expect("a valid configuration");
    let directory = tempfile::tempdir().expect("a directory");
    let socket = Address::Unix(directory.path().join("bus.sock"));
    let socket = runtime.block_on(broker.listen(&socket)).expect("a listener");
    for (link, address) in [("process", None), ("unix", Some(&socket))] {
        let mut group = c.benchmark_group(format!("rpc_{link}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let (rpcs, service) = runtime.block_on(async {
            let mut rpcs = Vec::new();
            for n in 0..CALLERS {
                rpcs.push(connect(&broker, address, &format!("bench.{link}.{n}")).await);
            }
            (rpcs, connect(&broker, address, SERVICE).await)
        });
        for (stage, name) in STAGES.into_iter().zip(["call", "call_and_handle"]) {
            for in_flight in [1, 64] {
                let id = BenchmarkId::new(name, in_flight);
                group.bench_function(id, |b| {
                    b.iter(|| runtime.block_on(call_all(&rpcs, in_flight, stage)));
                });
            }
        }
        group.finish();
        runtime.block_on(leave(rpcs, service));
    }
}

/// Frees the names for the next link.
async fn leave(rpcs: Vec<Rpc>, service: Rpc) {
    for rpc in rpcs.iter().chain([&service]) {
        rpc.client().close().await.expect("a good end");
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
