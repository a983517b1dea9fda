//! What it costs to read and to write one frame, without I/O.
use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use elbus_proto::{
    ClientName, NameLimits, Op, Qos, Topic, TopicLimits,
    delivery::{self, Kind},
    request::{self, RequestHeader},
};

const PAYLOAD: [u8; 100] = [b'x'; 100];
const TARGET: &[u8] = b"plant.boiler.control";
const TOPIC: &[u8] = b"plant/area7/boiler12/temperature";

/// What a session reads at once.
const CHUNK: usize = 64 * 1024;

fn message(id: u32) -> Vec<u8> {
    let body = [TARGET, b"\0", &PAYLOAD].concat();
    let header = RequestHeader::new(id, Op::Message, Qos::No, body.len() as u32);
    [&header.encode()[..], &body].concat()
}

/// Reads the frame at the front as the broker does: header, body, address and payload.
fn read(bytes: &[u8]) -> Option<(RequestHeader, &[u8], &[u8], usize)> {
    let header = RequestHeader::decode(bytes)?;
    let len = usize::try_from(header.frame_len()).ok()?;
    let body = bytes.get(request::HEADER_LEN..len)?;
    header.op()?;
    let (address, payload) = request::addressed(body)?;
    Some((header, address, payload, len))
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    let frame = message(1);
    group.bench_function("decode one message of 100 bytes", |b| {
        b.iter(|| read(black_box(&frame)).is_some())
    });

    let chunk: Vec<u8> = (0..).flat_map(message).take(CHUNK).collect();
    let frames = (CHUNK / frame.len()) as u64;
    group.throughput(Throughput::Elements(frames));
    group.bench_function("decode a chunk of 64 KiB", |b| {
        b.iter(|| {
            let mut rest = black_box(&chunk[..]);
            let mut bytes = 0;
            while let Some((_, _, payload, len)) = read(rest) {
                bytes += payload.len();
                rest = &rest[len..];
            }
            bytes
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode a header", |b| {
        b.iter(|| RequestHeader::new(black_box(7), Op::Message, Qos::Processed, black_box(121)).encode());
    });
    group.finish();
}

fn deliveries(c: &mut Criterion) {
    let mut group = c.benchmark_group("delivery");
    let mut outbox = Vec::with_capacity(CHUNK);
    group.bench_function("encode a message of 100 bytes into a buffer", |b| {
        b.iter(|| {
            if outbox.len() + 200 > CHUNK {
                outbox.clear();
            }
            let body_len = TARGET.len() + 1 + PAYLOAD.len();
            outbox.extend_from_slice(&delivery::header(
                Kind::Message,
                black_box(body_len as u32),
                false,
            ));
            outbox.extend_from_slice(black_box(TARGET));
            outbox.push(0);
            outbox.extend_from_slice(black_box(&PAYLOAD));
        });
    });
    let body = [TARGET, b"\0", TOPIC, b"\0", &PAYLOAD].concat();
    let header = delivery::header(Kind::Publication, body.len() as u32, false);
    let frame = [&header[..], &body].concat();
    group.bench_function("decode a publication of 100 bytes", |b| {
        b.iter(|| delivery::decode(black_box(&frame)).is_some());
    });
    group.finish();
}

fn addresses(c: &mut Criterion) {
    let mut group = c.benchmark_group("address");
    group.bench_function("check a name", |b| {
        b.iter(|| ClientName::parse(black_box(TARGET), NameLimits::default()).is_ok());
    });
    group.bench_function("check a topic", |b| {
        b.iter(|| Topic::parse(black_box(TOPIC), TopicLimits::default()).is_ok());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = requests, deliveries, addresses
}
criterion_main!(benches);
