//! How long a greeting and a frame may stay unfinished.
use std::time::{Duration, Instant};

use elbus_proto::{OK, Op, Qos, greeting::GREETING};
use elbus_testkit::{PATIENCE, Raw, TestBroker, Transport, frame};

/// Short for a test, and long enough for a greeting on a loaded machine.
const SHORT: Duration = Duration::from_secs(3);

/// What a client says until it is registered.
const WHOLE: &[u8] = b"\xEB\x01\x00\x06\x00client";

fn on_both_sockets(case: impl Fn(&TestBroker, Transport) + Sync) {
    std::thread::scope(|scope| {
        for transport in Transport::ALL {
            let case = &case;
            scope.spawn(move || {
                let test =
                    TestBroker::with(|config| (config.timeout, config.greetings) = (SHORT, WHOLE.len()));
                case(&test, transport);
            });
        }
    });
}

/// Writes byte after byte, slowly, until the broker closes the connection.
fn trickle(mut raw: Raw, byte: u8) {
    let end = Instant::now() + PATIENCE;
    let mut writer = raw.writer();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while writer.try_write(&[byte]).is_ok() && Instant::now() < end {
                // The pace of the sender, far below the time-out.
                std::thread::sleep(SHORT / 10);
            }
        });
        while raw.read_more() > 0 {}
        raw.finish_writing();
    });
}

#[test]
fn a_greeting_that_is_not_finished_in_time_is_closed_and_its_place_returned() {
    on_both_sockets(|test, transport| {
        for _ in 0..2 {
            let begun = Instant::now();
            let unfinished: Vec<_> = (0..WHOLE.len())
                .map(|said| {
                    let mut raw = test.connect(transport);
                    assert_eq!(raw.read_exact(), GREETING);
                    raw.write(&WHOLE[..said]);
                    if said >= GREETING.len() {
                        assert_eq!(raw.read_exact(), [OK], "there is a place for it");
                    }
                    raw
                })
                .collect();
            for mut raw in unfinished {
                raw.expect_end();
            }
            assert!(begun.elapsed() >= SHORT, "closed early");
        }
        let _client = test.client(transport, "client");
    });
}

#[test]
fn a_greeting_that_trickles_in_is_not_given_more_time() {
    on_both_sockets(|test, transport| {
        let mut raw = test.connect(transport);
        raw.write(&[&GREETING[..], &[255, 0]].concat());
        trickle(raw, b'a');
        assert_eq!(test.broker.stats().clients, 0);
        let _client = test.client(transport, "client");
    });
}

#[test]
fn a_frame_that_is_not_finished_in_time_costs_only_its_sender() {
    on_both_sockets(|test, transport| {
        let mut other = test.client(transport, "other");
        let small = frame(1, Op::Message, Qos::Processed, b"other\0payload");
        let large = frame(
            1,
            Op::Message,
            Qos::Processed,
            &[b"other\0", &[1; 300_000][..]].concat(),
        );
        let unfinished = [
            &small[..1],
            &small[..8],
            &small[..9],
            &small[..12],
            &small[..small.len() - 1],
            &large[..9],
            &large[..70_000],
            &large[..large.len() - 1],
        ];
        let clients: Vec<_> = (0..unfinished.len())
            .map(|n| {
                let mut client = test.client(transport, &format!("client.{n}"));
                client.write(unfinished[n]);
                client
            })
            .collect();
        for mut client in clients {
            client.expect_end();
            other.expect_nothing();
        }
        let _client = test.client(transport, "client.0");
        assert_eq!(test.broker.stats().clients, 2);
    });
}

#[test]
fn a_frame_that_trickles_in_is_not_given_more_time() {
    on_both_sockets(|test, transport| {
        let mut client = test.client(transport, "client");
        let begun = frame(1, Op::Message, Qos::No, &[0; 60_000]);
        client.write(&begun[..9]);
        trickle(client, b'a');
        test.eventually("it has left", |broker| broker.stats().clients == 0);
    });
}

#[test]
fn a_large_frame_that_makes_progress_is_given_the_time_it_needs() {
    let timeout = Duration::from_secs(4);
    std::thread::scope(|scope| {
        for transport in Transport::ALL {
            scope.spawn(move || {
                let test = TestBroker::with(|config| config.timeout = timeout);
                let mut client = test.client(transport, "client");
                let payload = vec![7; 500_000];
                let whole = frame(
                    1,
                    Op::Message,
                    Qos::Processed,
                    &[b"client\0", &payload[..]].concat(),
                );
                let begun = Instant::now();
                for piece in whole.chunks(100_000) {
                    client.write(piece);
                    // The pace of the sender: well below the time-out a piece, above it for the whole.
                    std::thread::sleep(timeout / 4);
                }
                assert!(begun.elapsed() > timeout);
                assert!(client.message().1 == payload);
            });
        }
    });
}
