//! Streams cut in every way: what arrives does not depend on how it was written or read.
use elbus_proto::{Code, Op, Qos};
use elbus_testkit::{Got, Random, Raw, TestBroker, Transport, frame};

const ALL_QOS: [Qos; 4] = [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed];

/// A stream of valid operations and some that are refused, with a frame for everyone at the end.
fn stream(random: &mut Random, operations: u32, largest: usize) -> Vec<u8> {
    let mut stream = frame(0, Op::Subscribe, Qos::Processed, b"t/#");
    for id in 1..=operations {
        let qos = ALL_QOS[random.below(4)];
        let len = random.below(largest + 1);
        let payload = random.bytes(len);
        let addressed = |address: &[u8]| [address, &payload].concat();
        let (op, body) = match random.below(12) {
            0 => (Op::Nop, Vec::new()),
            1 => (Op::Publish, addressed(b"t/a\0")),
            2 => (Op::PublishFor, addressed(b"t/b\0receiver\0")),
            3 => (Op::Broadcast, addressed(b"?\0")),
            4 => (Op::Message, addressed(b"sender\0")),
            5 => (Op::Message, addressed(b"nobody\0")),
            6 => (Op::Subscribe, b"x/1\0x/#/y\0x/2".to_vec()),
            7 => (Op::Unsubscribe, b"x/1".to_vec()),
            _ => (Op::Message, addressed(b"receiver\0")),
        };
        stream.extend(frame(id, op, qos, &body));
        if random.below(8) == 0 {
            // A ping of arbitrary bytes.
            let mut ping = random.bytes(9);
            ping[4] = 0;
            stream.extend(ping);
        }
    }
    stream.extend(frame(0, Op::Broadcast, Qos::No, b"?\0the end"));
    stream
}

/// What two clients got: acknowledgements, and frames in their order.
#[derive(Default, PartialEq, Eq)]
struct Heard {
    acknowledgements: Vec<(u32, Result<(), Code>)>,
    frames: Vec<Got>,
}

fn hear(client: &mut Raw) -> Heard {
    let mut heard = Heard::default();
    loop {
        match client.got() {
            Got::Ping => {}
            Got::Ack(id, result) => heard.acknowledgements.push((id, result)),
            got => {
                let is_end = matches!(&got, Got::Frame { payload, .. } if payload == b"the end");
                heard.frames.push(got);
                if is_end {
                    return heard;
                }
            }
        }
    }
}

/// Writes a stream in pieces, to a broker that reads so many bytes at once.
fn deliver(transport: Transport, read_size: usize, pieces: &[&[u8]]) -> [Heard; 2] {
    let test = TestBroker::with(|config| config.read_size = read_size);
    let mut sender = test.client(transport, "sender");
    let mut receiver = test.client(transport, "receiver");
    receiver.subscribe("t/+");
    for piece in pieces {
        sender.write(piece);
    }
    let mut heard = [hear(&mut sender), hear(&mut receiver)];
    // Acknowledgements of what came last may stand behind the last frame.
    sender.send(u32::MAX, Op::Nop, Qos::Processed, b"");
    while let Got::Ack(id, result) = sender.got() {
        if id == u32::MAX {
            break;
        }
        heard[0].acknowledgements.push((id, result));
    }
    heard
}

fn cut<'a>(random: &mut Random, mut stream: &'a [u8], longest: usize) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !stream.is_empty() {
        let (piece, rest) = stream.split_at(stream.len().min(1 + random.below(longest)));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

#[test]
fn a_stream_cut_at_random_is_delivered_like_one_in_one_piece() {
    for transport in Transport::ALL {
        for seed in 0..6 {
            println!("{transport:?}, seed {seed}");
            let mut random = Random::new(seed);
            let stream = stream(&mut random, 200, 2_000);
            let whole = deliver(transport, 64 * 1024, &[&stream]);
            for longest in [17, 300, 5_000, 100_000] {
                let pieces = cut(&mut random, &stream, longest);
                let cut = deliver(transport, 64 * 1024, &pieces);
                assert!(
                    cut == whole,
                    "other deliveries when cut in pieces of up to {longest} bytes"
                );
            }
        }
    }
}

#[test]
fn a_stream_in_single_bytes_is_delivered_like_one_in_one_piece() {
    for transport in Transport::ALL {
        for seed in 100..103 {
            println!("{transport:?}, seed {seed}");
            let stream = stream(&mut Random::new(seed), 60, 40);
            let whole = deliver(transport, 64 * 1024, &[&stream]);
            let bytes: Vec<_> = stream.chunks(1).collect();
            assert!(deliver(transport, 64 * 1024, &bytes) == whole);
        }
    }
}

#[test]
fn what_the_broker_reads_at_once_makes_no_difference() {
    for transport in Transport::ALL {
        for seed in 200..204 {
            println!("{transport:?}, seed {seed}");
            let mut random = Random::new(seed);
            let stream = stream(&mut random, 150, 3_000);
            let whole = deliver(transport, 1 << 20, &[&stream]);
            for read_size in [512, 513, 600 + random.below(3_000), 4_096] {
                assert!(
                    deliver(transport, read_size, &[&stream]) == whole,
                    "{read_size} bytes"
                );
                let pieces = cut(&mut random, &stream, 2 * read_size);
                assert!(
                    deliver(transport, read_size, &pieces) == whole,
                    "{read_size} bytes, cut"
                );
            }
        }
    }
}

#[test]
fn large_frames_cut_at_random_are_delivered_like_in_one_piece() {
    for transport in Transport::ALL {
        for seed in 300..303 {
            println!("{transport:?}, seed {seed}");
            let mut random = Random::new(seed);
            let stream = stream(&mut random, 20, 200_000);
            let whole = deliver(transport, 64 * 1024, &[&stream]);
            let pieces = cut(&mut random, &stream, 100_000);
            assert!(deliver(transport, 64 * 1024, &pieces) == whole);
            assert!(deliver(transport, 1_000, &pieces) == whole);
        }
    }
}
