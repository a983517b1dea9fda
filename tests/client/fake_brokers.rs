//! Brokers that stop answering, and brokers that talk nonsense.
use std::time::Duration;

use elbus_client::{Code, ConnectError, Disconnect, Error, Event, Outcome, Qos};
use elbus_proto::{
    OK, Op,
    delivery::{self, Kind},
    request::RequestHeader,
};
use tokio::io::AsyncWriteExt;

use crate::common::{Fake, block_on, connected, disconnected, event, soon};

#[test]
fn a_broker_that_stops_answering_is_taken_for_dead() {
    block_on(async {
        let fake = Fake::start().await;
        let limit = Duration::from_secs(2);
        let (client, _inbox, _silent) = fake.connect(fake.options("pump").timeout(limit)).await;
        let mut events = client.events();
        let error = soon("a verdict", client.send("panel", "x")).await.unwrap_err();
        assert_eq!(error, Error::TimedOut { limit });
        assert_eq!(error.outcome(), Outcome::Unknown);
        let why = disconnected(&mut events).await;
        assert!(matches!(*why, Disconnect::Silent { .. }), "{why}");
        fake.accept(OK).await;
    });
}

/// What goes into the system's buffers proves nothing.
#[test]
fn a_broker_that_hangs_is_taken_for_dead_although_the_client_sends_on() {
    block_on(async {
        let fake = Fake::start().await;
        let limit = Duration::from_secs(3);
        let (client, _inbox, _hung) = fake.connect(fake.options("pump").timeout(limit)).await;
        let mut events = client.events();
        let mut end = std::pin::pin!(disconnected(&mut events));
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        let why = loop {
            tokio::select! {
                why = &mut end => break why,
                _ = pause.tick() => drop(client.send("panel", "x").confirm().await),
            }
        };
        assert!(matches!(*why, Disconnect::Silent { .. }), "{why}");
    });
}

#[test]
fn what_came_before_the_end_of_the_connection_is_received_although_sending_fails() {
    block_on(async {
        for _ in 0..20 {
            let fake = Fake::start().await;
            let (client, mut inbox, mut broker) = fake.connect(fake.options("pump")).await;
            let confirmation = client.send("panel", "x").confirm().await.unwrap();
            let id = broker.request().await.id;
            for n in 0..100 {
                broker.write(&message("panel", &[n])).await;
            }
            broker.acknowledge(id, Ok(())).await;
            // In an orderly way: what was written is not taken back.
            broker.stream.shutdown().await.unwrap();
            drop(broker);
            let _ = client.send("panel", vec![0; 1_000_000]).qos(Qos::Realtime).await;
            for n in 0..100 {
                let frame = soon("a message", inbox.recv()).await.unwrap();
                assert_eq!(frame.payload(), &[n][..]);
            }
            assert_eq!(soon("a verdict", confirmation).await, Ok(()));
        }
    });
}

#[test]
fn a_broker_that_has_nothing_to_say_is_asked_for_a_sign_of_life_and_not_taken_for_dead() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake
            .options("pump")
            .timeout(Duration::from_secs(2))
            .ping_interval(Duration::from_millis(10));
        let (client, mut inbox, mut broker) = fake.connect(options).await;
        // One comes each eighth of the time-out at most: these take longer than that.
        for _ in 0..20 {
            let mut ping = [0; 9];
            let read = tokio::io::AsyncReadExt::read_exact(&mut broker.stream, &mut ping);
            soon("a ping", read).await.unwrap();
            let header = RequestHeader::decode(&ping).unwrap();
            if !header.is_ping() {
                assert_eq!((header.op(), header.body_len), (Some(Op::Subscribe), 0));
                broker.acknowledge(header.id, Ok(())).await;
            }
        }
        broker.write(&message("panel", b"x")).await;
        soon("a message", inbox.recv()).await.unwrap();
        drop(client);
    });
}

/// The broker does not read on behind a message for a slow receiver, however long that takes.
#[test]
fn who_is_held_back_for_a_slow_receiver_and_has_nothing_else_to_say_stays_on_the_bus() {
    block_on(async {
        let fake = Fake::start().await;
        let options = fake
            .options("pump")
            .timeout(Duration::from_millis(500))
            .ping_interval(Duration::from_millis(10));
        let (client, _inbox, mut broker) = fake.connect(options).await;
        client.send("panel", "x").qos(Qos::No).await.unwrap();
        assert_eq!(broker.request().await.op, Op::Message);
        // These take longer than two time-outs.
        let mut pings = [1; 9 * 20];
        let read = tokio::io::AsyncReadExt::read_exact(&mut broker.stream, &mut pings);
        soon("twenty pings", read).await.unwrap();
        assert_eq!(pings, [0; 9 * 20]);
        let confirmation = client.send("panel", "y").confirm().await.unwrap();
        let id = broker.request().await.id;
        broker.acknowledge(id, Ok(())).await;
        assert_eq!(soon("a verdict", confirmation).await, Ok(()));
    });
}

#[test]
fn a_client_that_only_listens_notices_a_broker_that_is_silent() {
    block_on(async {
        let fake = Fake::start().await;
        let limit = Duration::from_millis(500);
        let options = fake
            .options("panel")
            .timeout(limit)
            .ping_interval(Duration::from_millis(100));
        let (client, _inbox, _silent) = fake.connect(options).await;
        let mut events = client.events();
        let why = disconnected(&mut events).await;
        assert!(matches!(*why, Disconnect::Silent { .. }), "{why}");
        fake.accept(OK).await;
    });
}

#[test]
fn who_answers_in_the_place_of_the_broker_for_a_while_does_not_end_the_client() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, broker) = fake.connect(fake.options("panel")).await;
        let mut events = client.events();
        drop(broker);
        for _ in 0..2 {
            fake.answer(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        }
        let failed = event(&mut events, "a failed attempt", |event| {
            matches!(event, Event::Retrying { .. })
        });
        let Event::Retrying { why } = failed.await else {
            unreachable!("it was matched");
        };
        assert!(matches!(*why, ConnectError::Greeting { .. }), "{why}");
        fake.accept(OK).await;
        connected(&mut events).await;
    });
}

#[test]
fn why_a_connection_does_not_come_back_is_told_once_for_each_reason() {
    block_on(async {
        let fake = Fake::start().await;
        let (client, _inbox, broker) = fake.connect(fake.options("panel")).await;
        let mut events = client.events();
        drop(broker);
        for answer in [Code::Busy, Code::Busy, Code::NotRegistered] {
            fake.accept(answer.byte()).await;
        }
        let _broker = fake.accept(OK).await;
        let mut told = Vec::new();
        while let Some(event) = soon("an event", events.recv()).await {
            match event {
                Event::Retrying { why } => told.push(why.to_string()),
                Event::Connected => break,
                _ => {}
            }
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("name taken") && told[1].contains("no such client"),
            "{told:?}"
        );
    });
}

#[test]
fn one_operation_that_is_not_answered_times_out_and_the_connection_goes_on() {
    block_on(async {
        let fake = Fake::start().await;
        let limit = Duration::from_secs(2);
        let (client, mut inbox, mut broker) = fake.connect(fake.options("pump").timeout(limit)).await;
        let unanswered = client.send("panel", "x").confirm().await.unwrap();
        let late = broker.request().await.id;
        let mut unanswered = std::pin::pin!(unanswered);
        let verdict = soon("a verdict", async {
            loop {
                tokio::select! {
                    verdict = &mut unanswered => return verdict,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {
                        broker.write(&message("panel", b"alive")).await;
                    }
                }
            }
        });
        assert_eq!(verdict.await, Err(Error::TimedOut { limit }));
        let next = client.send("panel", "y").confirm().await.unwrap();
        let id = broker.request().await.id;
        assert_ne!(id, late);
        // What comes too late, twice, or for nobody is nobody's answer.
        for id in [late, late, 0, 12_345, u32::MAX] {
            broker.acknowledge(id, Err(elbus_proto::Code::Other)).await;
        }
        broker.acknowledge(id, Ok(())).await;
        assert_eq!(soon("a verdict", next).await, Ok(()));
        assert_eq!(&inbox.recv().await.unwrap().payload()[..], b"alive");
    });
}

/// Line 34 of what breaks the peers: the client believes what a frame says.
#[test]
fn malformed_frames_end_the_connection_with_a_reason_and_nothing_else() {
    type Expected = fn(&Disconnect) -> bool;
    let cases: [(&str, Vec<u8>, Expected); 7] = [
        ("an unknown kind", vec![0x77; 6], |why| {
            matches!(why, Disconnect::Malformed(_))
        }),
        ("no separator", frame(Kind::Message, b"sender"), |why| {
            matches!(why, Disconnect::Malformed(_))
        }),
        (
            "one separator of two",
            frame(Kind::Publication, b"sender\0topic"),
            |why| matches!(why, Disconnect::Malformed(_)),
        ),
        ("an empty body", frame(Kind::Broadcast, b""), |why| {
            matches!(why, Disconnect::Malformed(_))
        }),
        (
            "a sender that is not UTF-8",
            frame(Kind::Message, b"\xFF\0x"),
            |why| matches!(why, Disconnect::NotUtf8),
        ),
        (
            "a topic that is not UTF-8",
            frame(Kind::Publication, b"s\0\xFF\0x"),
            |why| matches!(why, Disconnect::NotUtf8),
        ),
        (
            "four gigabytes",
            delivery::header(Kind::Message, u32::MAX, false).to_vec(),
            |why| matches!(why, Disconnect::TooLarge { .. }),
        ),
    ];
    block_on(async {
        for (what, bytes, is_expected) in cases {
            let fake = Fake::start().await;
            let (client, mut inbox, mut broker) = fake.connect(fake.options("panel")).await;
            let mut events = client.events();
            broker.write(&[message("pump", b"whole"), bytes].concat()).await;
            let why = disconnected(&mut events).await;
            assert!(is_expected(&why), "{what}: {why}");
            // What came before is there, and the client comes back.
            let frame = soon("the frame before", inbox.recv()).await.unwrap();
            assert_eq!(&frame.payload()[..], b"whole");
            fake.accept(OK).await;
        }
    });
}

#[test]
fn frames_are_read_whole_however_they_are_split() {
    block_on(async {
        let fake = Fake::start().await;
        let (_client, mut inbox, mut broker) = fake.connect(fake.options("panel")).await;
        let sizes = [
            0, 1, 100, 4090, 4096, 65_500, 65_530, 65_536, 70_000, 131_072, 1_000_000,
        ];
        let bytes: Vec<u8> = sizes
            .iter()
            .flat_map(|&len| message("pump", &vec![len as u8; len]))
            .collect();
        let writing = tokio::spawn(async move {
            for piece in [1, 5, 1000, 60_000, 65_536, 200_000]
                .iter()
                .cycle()
                .scan(0, |at, len| {
                    let from = *at;
                    *at = (*at + len).min(bytes.len());
                    (from < bytes.len()).then(|| bytes[from..*at].to_vec())
                })
            {
                broker.write(&piece).await;
                tokio::task::yield_now().await;
            }
            broker
        });
        for len in sizes {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.sender(), "pump");
            assert!(frame.payload().len() == len && frame.payload().iter().all(|&byte| byte == len as u8));
        }
        soon("the broker", writing).await.unwrap();
    });
}

fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    [&delivery::header(kind, body.len() as u32, false)[..], body].concat()
}

fn message(sender: &str, payload: &[u8]) -> Vec<u8> {
    frame(Kind::Message, &[sender.as_bytes(), b"\0", payload].concat())
}
