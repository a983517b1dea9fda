//! What it costs to put frames into an outbox and to write them out.
//!
//! The outbox is private to the broker: its source is included here, so that it can be measured without being made
//! part of the public interface.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    unused_imports,
    reason = "only a part of the included modules is measured"
)]

use std::{cell::Cell, hint::black_box, io, io::IoSlice};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "../elbus-broker/src/account.rs"]
mod account;
#[path = "../elbus-broker/src/outbox/mod.rs"]
mod outbox;
#[path = "../elbus-broker/src/slow.rs"]
mod slow;
#[path = "../elbus-broker/src/sync.rs"]
mod sync;

use account::Reservation;
use outbox::{Outbox, Wire};
use slow::SlowConsumer;

/// A socket that takes everything and counts it.
#[derive(Default)]
struct Sink(Cell<usize>);

impl Wire for Sink {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = parts.iter().map(|part| part.len()).sum();
        self.0.set(self.0.get() + len);
        Ok(len)
    }
}

/// Frames as one 64 KiB chunk holds them.
const FRAMES: usize = 500;

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("outbox");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let outbox = Outbox::new(8 * 1024 * 1024, SlowConsumer::Hold, Reservation::default());
    let wire = Sink::default();
    let payload = [7; 100];
    let flush = || outbox.flush(&wire, |_| unreachable!("the wire is never full"));

    group.bench_function("500_frames_under_one_lock", |b| {
        b.iter(|| {
            let mut state = outbox.lock();
            for _ in 0..FRAMES {
                black_box(state.admit(None));
                state.append([b"\x12\x6a\0\0\0\0", b"sender\0", black_box(&payload)], 1);
            }
            state.settle(None, false);
            drop(state);
            flush()
        });
    });
    group.bench_function("500_frames_one_at_a_time", |b| {
        b.iter(|| {
            for _ in 0..FRAMES {
                let mut state = outbox.lock();
                black_box(state.admit(None));
                state.append([b"\x12\x6a\0\0\0\0", b"sender\0", black_box(&payload)], 1);
                state.settle(None, false);
            }
            flush()
        });
    });
    let shared = Bytes::from(vec![7; 32 * 1024]);
    group.bench_function("500_shared_payloads_of_32_kib", |b| {
        b.iter(|| {
            for _ in 0..FRAMES {
                let mut state = outbox.lock();
                state.append_shared([b"\x12\x6a\0\0\0\0", b"sender\0", b""], shared.clone(), 1);
                state.settle(None, false);
            }
            flush()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = append
}
criterion_main!(benches);
