//! Mixed traffic for a while, with clients that die at any moment.
use std::{
    env,
    time::{Duration, Instant},
};

use elbus_client::{Client, Inbox};
use elbus_testkit::{Random, TestBroker, Transport};
use tokio::task::JoinSet;

use crate::{block_on, expect_nothing_left, promise::options, proxy::Proxy, soon};

/// Clients at any time.
const CLIENTS: usize = 24;

/// A third of the time is for memory to become what it will be; then it may not grow by more.
const GROWTH: usize = 24 << 20;

/// `ELBUS_SOAK_SECONDS`, or two minutes.
fn length() -> Duration {
    let given = env::var("ELBUS_SOAK_SECONDS").ok();
    Duration::from_secs(given.map_or(120, |seconds| seconds.parse().unwrap()))
}

/// Bytes resident in this process: the broker and all of its clients.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// One client's life: it does a bit of everything, and ends after a while or in the middle of something.
async fn live(client: Client, mut inbox: Inbox, mut random: Random) {
    for _ in 0..random.below(400) {
        let len = [10, 100, 1_000, 60_000][random.below(4)];
        let len = 1 + random.below(len);
        let payload = random.bytes(len);
        let other = format!("soak.{}", random.below(CLIENTS));
        let topic = format!("soak/{}/x", random.below(20));
        // Whatever becomes of it: others die as well.
        let _ = match random.below(12) {
            0 => client.subscribe(&[&topic, "soak/+/y", "soak/1/#"]).await,
            1 => client.unsubscribe(&[&topic]).await,
            2 => client.exclude(&[&topic]).await,
            3 => client.unexclude(&[&topic]).await,
            4..7 => client.publish(&topic, payload).await,
            7 => client.broadcast("soak.?", payload).await,
            8 => client.publish(&topic, payload).only_for(&other).await,
            _ => client.send(&other, payload).await,
        };
        while inbox.try_recv().is_some() {}
    }
}

#[test]
#[ignore = "takes two minutes or ELBUS_SOAK_SECONDS; the second stage of .ci/run runs it"]
fn mixed_traffic_with_clients_that_die_at_random_leaves_nothing_behind() {
    let mut random = Random::from_environment();
    let test = TestBroker::with(|config| config.high_water = 512 * 1024);
    let (length, start) = (length(), Instant::now());
    let mut settled = None;
    let lives = block_on(async {
        let proxy = Proxy::start(&test, Random::new(random.next()), 3_000_000).await;
        let mut all = JoinSet::new();
        let mut lives = 0_u64;
        while start.elapsed() < length {
            if all.len() < CLIENTS {
                lives += 1;
                let name = format!("soak.{}", lives % CLIENTS as u64);
                let address = match random.below(3) {
                    0 => test.address(Transport::Unix).clone(),
                    1 => test.address(Transport::Tcp).clone(),
                    _ => proxy.address.clone(),
                };
                let limit = Duration::from_millis(random.below(3_000) as u64);
                let own = Random::new(random.next());
                let options = options(&name).address(address).never_reconnect();
                all.spawn(async move {
                    // A death in the middle of something: the future is dropped where it stands.
                    let _ = tokio::time::timeout(limit, async {
                        if let Ok((client, inbox)) = options.connect().await {
                            live(client, inbox, own).await;
                        }
                    })
                    .await;
                });
            } else {
                soon("a life's end", all.join_next()).await.unwrap().unwrap();
            }
            if settled.is_none() && start.elapsed() > length / 3 {
                settled = Some(memory());
            }
        }
        while let Some(ended) = soon("the last lives' end", all.join_next()).await {
            ended.unwrap();
        }
        println!("{lives} lives, {} cuts", proxy.cuts());
        lives
    });
    assert!(lives > CLIENTS as u64);
    expect_nothing_left(&test);
    for n in 0..CLIENTS {
        drop(test.client(Transport::Unix, &format!("soak.{n}")));
    }
    expect_nothing_left(&test);
    let stats = test.broker.stats();
    println!("{stats:?}");
    let (before, after) = (settled.unwrap(), memory());
    println!(
        "{} MiB after a third, {} MiB at the end",
        before >> 20,
        after >> 20
    );
    assert!(
        after <= before + GROWTH,
        "memory grew from {before} to {after} bytes"
    );
}
