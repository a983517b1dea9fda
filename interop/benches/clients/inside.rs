//! Clients of an embedded broker: ours, those of the published brokers, and tokio's own channel as the limit.
use busrt::client::AsyncClient as _;
use elbus::client::AsyncClient as _;
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{Busrt, Carrier, Elbus, Ours, PAYLOAD, Round, cpu, print};

const COUNT: u32 = 4_000_000;
/// Messages that wait in a channel: as many as in the published brokers' queues.
const QUEUE: usize = 8192;
const NAMES: [&str; 2] = ["one", "other"];

/// One end of a channel, or both.
struct Channel(Option<mpsc::Sender<Vec<u8>>>, Option<mpsc::Receiver<Vec<u8>>>);

impl Carrier for Channel {
    const NAME: &'static str = "tokio's mpsc";

    async fn send(&mut self, _target: &str, _realtime: bool) {
        self.0.as_ref().unwrap().send(PAYLOAD.to_vec()).await.unwrap();
    }

    async fn receive(&mut self) {
        self.1.as_mut().unwrap().recv().await.unwrap();
    }
}

pub(crate) fn measure(runtime: &Runtime, rounds: usize) {
    let mut results: [Vec<Round>; 4] = Default::default();
    for round in 0..rounds {
        eprint!("\rin the process: round {} of {rounds} ", round + 1);
        results[0].push(runtime.block_on(ours()));
        results[1].push(runtime.block_on(published_elbus()));
        results[2].push(runtime.block_on(published_busrt()));
        results[3].push(runtime.block_on(channel()));
    }
    eprint!("\r\x1b[K");
    let names = [
        Ours::NAME,
        Elbus::<elbus::broker::Client>::NAME,
        Busrt::<busrt::broker::Client>::NAME,
        Channel::NAME,
    ];
    print("in the process, send and receive", names, results);
}

async fn ours() -> Round {
    let broker = elbus_broker::Broker::new(Default::default()).unwrap();
    let [one, other] = NAMES.map(|name| {
        let (client, inbox) = broker.client(name).unwrap();
        Ours(client, inbox)
    });
    flood(one, other).await
}

async fn published_elbus() -> Round {
    let broker = elbus::broker::Broker::new();
    let mut ends = Vec::new();
    for name in NAMES {
        let mut client = broker.register_client(name).await.unwrap();
        let frames = client.take_event_channel().unwrap();
        ends.push(Elbus(client, frames));
    }
    let other = ends.pop().unwrap();
    flood(ends.pop().unwrap(), other).await
}

async fn published_busrt() -> Round {
    let broker = busrt::broker::Broker::new();
    let mut ends = Vec::new();
    for name in NAMES {
        let mut client = broker.register_client(name).await.unwrap();
        let frames = client.take_event_channel().unwrap();
        ends.push(Busrt(client, frames));
    }
    let other = ends.pop().unwrap();
    flood(ends.pop().unwrap(), other).await
}

async fn channel() -> Round {
    let (sender, receiver) = mpsc::channel(QUEUE);
    flood(Channel(Some(sender), None), Channel(None, Some(receiver))).await
}

/// One task sends, another receives, nothing acknowledged.
async fn flood<C: Carrier>(mut one: C, mut other: C) -> Round {
    let (start, cpu) = (std::time::Instant::now(), cpu());
    let receiving = tokio::spawn(async move {
        for _ in 0..COUNT {
            other.receive().await;
        }
    });
    let sending = tokio::spawn(async move {
        for _ in 0..COUNT {
            one.send(NAMES[1], false).await;
        }
        one
    });
    let _one = sending.await.unwrap();
    receiving.await.unwrap();
    Round {
        count: COUNT,
        took: start.elapsed(),
        cpu: crate::cpu() - cpu,
        each: Vec::new(),
    }
}
