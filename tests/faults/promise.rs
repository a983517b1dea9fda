//! The promise about a message: acknowledged, it reaches a receiver that stays connected exactly once and in order; refused,
//! it was not delivered; and what was lost with the connection is unknown.
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use elbus_client::{Client, Confirmation, Event, Options};
use elbus_testkit::{PATIENCE, Random, TestBroker, Transport};

use crate::{
    block_on, expect_nothing_left,
    ledger::{Ledger, Told},
    proxy::Proxy,
    soon,
};

/// How long each goes on.
const SHORT: Duration = Duration::from_millis(1_500);

/// Messages that are sent in any case, so that a slow machine has something to tell of too.
const FEWEST: u64 = 3_000;

/// Operations whose verdict is waited for at once.
const WINDOW: usize = 50;

/// Bytes of a payload, which begin with its number.
const LARGEST: usize = 3_000;

/// Sends numbered messages until the time is over, some of them to nobody, and keeps account of the verdicts.
pub(crate) async fn send(client: &Client, target: &str, mut random: Random, end: Instant) -> Ledger {
    let mut ledger = Ledger::default();
    let mut waiting: VecDeque<(u64, Confirmation)> = VecDeque::new();
    for number in 0_u64.. {
        if number >= FEWEST && Instant::now() >= end {
            break;
        }
        let mut payload = number.to_le_bytes().to_vec();
        payload.resize(8 + random.below(LARGEST), b'.');
        let target = if random.below(20) == 0 { "nobody" } else { target };
        match soon("a place for a message", client.send(target, payload).confirm()).await {
            Ok(confirmation) => waiting.push_back((number, confirmation)),
            Err(error) => {
                ledger.told(number, &Err(error));
                // There is no connection now; the next one is tried for every few milliseconds.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        if waiting.len() > WINDOW {
            settle(&mut ledger, waiting.pop_front()).await;
        }
    }
    while let one @ Some(_) = waiting.pop_front() {
        settle(&mut ledger, one).await;
    }
    ledger
}

async fn settle(ledger: &mut Ledger, one: Option<(u64, Confirmation)>) {
    if let Some((number, confirmation)) = one {
        ledger.told(number, &soon("a verdict", confirmation).await);
    }
}

/// The number of a payload.
pub(crate) fn number(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().unwrap())
}

pub(crate) fn options(name: &str) -> Options {
    Options::new(name)
        .timeout(PATIENCE)
        .retry_first_connect(PATIENCE)
        .backoff(Duration::from_millis(2), Duration::from_millis(10))
}

#[test]
fn over_a_network_that_splits_delays_and_cuts_the_promise_about_a_message_is_kept() {
    let mut random = Random::from_environment();
    let test = TestBroker::start();
    let end = Instant::now() + SHORT;
    block_on(async {
        let address = test.address(Transport::Unix).clone();
        let (receiver, mut inbox) = options("receiver").address(address).connect().await.unwrap();
        let mut events = receiver.events();
        let proxy = Proxy::start(&test, Random::new(random.next()), 2_000_000).await;
        let sender = options("sender").address(proxy.address.clone());
        let (sender, _) = sender.connect().await.unwrap();
        let sending = tokio::spawn({
            let random = Random::new(random.next());
            async move { send(&sender, "receiver", random, end).await }
        });
        let mut got = Vec::new();
        let mut sending = std::pin::pin!(sending);
        let ledger = loop {
            tokio::select! {
                frame = inbox.recv() => got.push(number(frame.unwrap().payload())),
                ledger = &mut sending => break ledger.unwrap(),
            }
        };
        // The sender has left, and what it had sent is carried out: a message of the receiver's own comes behind it.
        test_left(&test, "sender").await;
        receiver.send("receiver", &u64::MAX.to_le_bytes()).await.unwrap();
        while got.last() != Some(&u64::MAX) {
            got.push(number(soon("the last", inbox.recv()).await.unwrap().payload()));
        }
        got.pop();
        assert!(proxy.cuts() > 0, "the network has cut connections");
        let counts = [Told::Done, Told::Refused, Told::Unknown].map(|told| ledger.count(told));
        println!("{} cuts; done, refused, unknown: {counts:?}", proxy.cuts());
        assert!(counts[0] > 100 && counts[1] > 0, "{counts:?}");
        ledger.expect_kept(&got);
        let lost = std::future::poll_fn(|cx| std::task::Poll::Ready(events.poll_recv(cx))).await;
        assert!(
            !matches!(lost, std::task::Poll::Ready(Some(Event::Disconnected { .. }))),
            "the receiver stayed connected"
        );
    });
    expect_nothing_left(&test);
}

/// Waits until a client is off the bus.
async fn test_left(test: &TestBroker, name: &str) {
    soon("it has left", async {
        while test.broker.clients().iter().any(|client| client.name == name) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[test]
fn an_acknowledgement_that_is_lost_with_its_connection_is_unknown_and_a_later_send_is_certain() {
    let mut random = Random::from_environment();
    let test = TestBroker::start();
    block_on(async {
        let address = test.address(Transport::Unix).clone();
        let (_receiver, mut inbox) = options("receiver").address(address).connect().await.unwrap();
        // Each connection is cut before it has carried much, often between a message and its acknowledgement.
        let proxy = Proxy::start(&test, Random::new(random.next()), 400).await;
        let sender = options("sender").address(proxy.address.clone());
        let (sender, _) = soon("a first connection", sender.connect()).await.unwrap();
        let mut ledger = Ledger::default();
        let mut number_sent = 0_u64;
        while ledger.count(Told::Unknown) < 20 {
            let verdict = soon("a verdict", sender.send("receiver", &number_sent.to_le_bytes())).await;
            ledger.told(number_sent, &verdict);
            number_sent += 1;
            if verdict.is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        soon("the end of the client", sender.close()).await.ok();
        drop(sender);
        test_left(&test, "sender").await;
        let (closing, _) = test.broker.client("closing").unwrap();
        closing.send("receiver", &u64::MAX.to_le_bytes()).await.unwrap();
        let mut got = Vec::new();
        while got.last() != Some(&u64::MAX) {
            got.push(number(soon("the last", inbox.recv()).await.unwrap().payload()));
        }
        got.pop();
        ledger.expect_kept(&got);
    });
    expect_nothing_left(&test);
}
