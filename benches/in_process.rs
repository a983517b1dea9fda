//! How fast messages go between clients in one process, beside tokio's own channel.
//!
//! Every iteration moves a batch, so that the cost of entering the runtime is spread over many messages.
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbus_broker::{Broker, Config};
use elbus_client::{Client, Inbox, Qos};
use tokio::runtime::Runtime;

/// Messages an iteration; fewer than wait for a client in this process at most.
const BATCH: usize = 4_096;

fn clients(broker: &Broker, names: &[&str]) -> Vec<(Client, Inbox)> {
    names
        .iter()
        .map(|name| broker.client(name).expect("a free name"))
        .collect()
}

fn one_to_one(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let broker = Broker::new(Config::default()).expect("a valid configuration");
    let mut clients = clients(&broker, &["bench.sender", "bench.receiver"]);
    let (_, mut inbox) = clients.pop().expect("two clients");
    let (sender, _) = clients.pop().expect("two clients");
    let payload = Bytes::from(vec![7; 100]);

    let mut group = c.benchmark_group("in_process");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("one_to_one_100_bytes", |b| {
        b.iter(|| {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    sender
                        .send("bench.receiver", payload.clone())
                        .qos(Qos::No)
                        .await
                        .expect("sent");
                }
                for _ in 0..BATCH {
                    black_box(inbox.recv().await.expect("received"));
                }
            });
        });
    });
    group.bench_function("tokio_mpsc_100_bytes", |b| {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(BATCH);
        b.iter(|| {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    sender.send(payload.clone()).await.expect("sent");
                }
                for _ in 0..BATCH {
                    black_box(receiver.recv().await.expect("received"));
                }
            });
        });
    });
    group.finish();
}

fn fan_out(c: &mut Criterion) {
    const SUBSCRIBERS: usize = 50;
    const MESSAGES: usize = 100;
    let runtime = Runtime::new().expect("a runtime");
    let broker = Broker::new(Config::default()).expect("a valid configuration");
    let (publisher, _) = broker.client("bench.publisher").expect("a free name");
    let mut subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|n| {
            broker
                .client(&format!("bench.subscriber{n}"))
                .expect("a free name")
        })
        .collect();
    runtime.block_on(async {
        for (client, _) in &subscribers {
            client.subscribe(&["bench/#"]).await.expect("subscribed");
        }
    });
    let payload = Bytes::from(vec![7; 100]);

    let mut group = c.benchmark_group("in_process");
    group.throughput(Throughput::Elements((SUBSCRIBERS * MESSAGES) as u64));
    group.bench_function("fan_out_to_50", |b| {
        b.iter(|| {
            runtime.block_on(async {
                for _ in 0..MESSAGES {
                    publisher
                        .publish("bench/topic", payload.clone())
                        .qos(Qos::No)
                        .await
                        .expect("published");
                }
                for (_, inbox) in &mut subscribers {
                    for _ in 0..MESSAGES {
                        black_box(inbox.recv().await.expect("received"));
                    }
                }
            });
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = one_to_one, fan_out
}
criterion_main!(benches);
