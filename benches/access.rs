//! What access control costs: nothing for addresses that are remembered, little for those that are not.
//!
//! Messages and publications between clients in one process, without rules and with a hundred of them.
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use elbus_broker::{
    Broker, Config,
    access::{AccessRule, AccessRules, Source},
};
use elbus_client::{Client, Inbox, Qos};
use tokio::runtime::Runtime;

/// Messages an iteration; fewer than wait for a client in this process at most.
const BATCH: usize = 4_096;

/// A hundred rules that name the sender, of which the last one admits what it does.
fn rules() -> AccessRules {
    let rule = |n: usize| {
        let builder = AccessRule::new("bench.*").from([Source::Any]);
        match n {
            99 => builder
                .send(["bench.?"])
                .publish(["bench/+/x"])
                .subscribe(["bench/#"]),
            n => builder
                .send([format!("other.{n}.*")])
                .publish([format!("other/{n}/#")]),
        }
    };
    let builder = AccessRules::builder();
    let builder = (0..100).fold(builder, |builder, n| builder.rule(rule(n)));
    builder.build().expect("good rules")
}

struct Bus {
    runtime: Runtime,
    broker: Broker,
    sender: Client,
    receiver: (Client, Inbox),
}

impl Bus {
    fn new(rules: AccessRules) -> Self {
        let broker = Broker::new(Config::default()).expect("a valid configuration");
        broker.set_access(rules);
        let (sender, _) = broker.client("bench.sender").expect("a free name");
        let receiver = broker.client("bench.receiver").expect("a free name");
        Self {
            runtime: Runtime::new().expect("a runtime"),
            broker,
            sender,
            receiver,
        }
    }
}

fn remembered(c: &mut Criterion) {
    let mut group = c.benchmark_group("access");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, rules) in [("no_rules", AccessRules::default()), ("100_rules", rules())] {
        let mut bus = Bus::new(rules);
        group.bench_function(format!("send_{name}"), |b| {
            b.iter(|| {
                bus.runtime.block_on(async {
                    for _ in 0..BATCH {
                        let sending = bus.sender.send("bench.receiver", "x").qos(Qos::No);
                        sending.await.expect("sent");
                    }
                    for _ in 0..BATCH {
                        black_box(bus.receiver.1.recv().await.expect("received"));
                    }
                });
            });
        });
        let subscribed = bus
            .runtime
            .block_on(async { bus.receiver.0.subscribe(&["bench/#"]).await });
        subscribed.expect("subscribed");
        group.bench_function(format!("publish_{name}"), |b| {
            b.iter(|| {
                bus.runtime.block_on(async {
                    for _ in 0..BATCH {
                        let sending = bus.sender.publish("bench/1/x", "x").qos(Qos::No);
                        sending.await.expect("published");
                    }
                    for _ in 0..BATCH {
                        black_box(bus.receiver.1.recv().await.expect("received"));
                    }
                });
            });
        });
    }
    group.finish();
}

/// The first publication to a topic after the rules were replaced.
fn forgotten(c: &mut Criterion) {
    let mut group = c.benchmark_group("access");
    for (name, rules) in [("no_rules", AccessRules::default()), ("100_rules", rules())] {
        let bus = Bus::new(rules.clone());
        group.bench_function(format!("first_publication_{name}"), |b| {
            b.iter_batched(
                || bus.broker.set_access(rules.clone()),
                |()| {
                    let sending = bus.sender.publish("bench/1/x", "x").qos(Qos::No);
                    bus.runtime.block_on(async { sending.await.expect("published") });
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, remembered, forgotten);
criterion_main!(benches);
