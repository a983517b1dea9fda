//! The server ends under load, in an orderly way and at once, and comes back; clients reconnect.
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use elbus_client::{Client, Inbox, Options, Outcome};
use elbus_testkit::PATIENCE;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Server, command};

const PAIRS: usize = 3;

/// Acknowledged messages of each pair between two endings.
const LOAD: u64 = 200;

fn server_at(directory: &Path) -> Server {
    Server::run(
        command(directory)
            .arg("-B")
            .arg(directory.join("bus.sock"))
            .args(["-w", "2"]),
    )
}

async fn client(directory: &Path, name: &str) -> (Client, Inbox) {
    let options = Options::new(name)
        .address(elbus_broker::Address::Unix(directory.join("bus.sock")))
        .timeout(PATIENCE)
        .retry_first_connect(PATIENCE)
        .backoff(Duration::from_millis(2), Duration::from_millis(20));
    options.connect().await.unwrap()
}

/// What one sender was told about each of its messages: nothing, if it was acknowledged.
type Told = BTreeMap<u64, Option<Outcome>>;

/// What all senders and receivers are told.
#[derive(Default)]
struct Course {
    /// Servers that were started behind others.
    restarts: AtomicU64,
    stop: AtomicBool,
}

/// What has become of the messages of one pair.
#[derive(Default)]
struct Pair {
    acknowledged: AtomicU64,
    /// One more than the number of the last one.
    arrived: AtomicU64,
}

async fn send(client: Client, target: String, pair: Arc<Pair>, course: Arc<Course>) -> Told {
    let mut told = Told::new();
    for number in 0_u64.. {
        if course.stop.load(SeqCst) {
            break;
        }
        let restarts = course.restarts.load(SeqCst);
        let payload = number.to_le_bytes();
        let sending = client.send(&target, &payload);
        let verdict = tokio::time::timeout(PATIENCE, sending.into_future())
            .await
            .expect("a verdict");
        match verdict {
            Ok(()) => {
                pair.acknowledged.fetch_add(1, SeqCst);
                told.insert(number, None);
                // A server that is killed takes at most one acknowledged message of each pair with it.
                while pair.arrived.load(SeqCst) <= number && course.restarts.load(SeqCst) == restarts {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Err(error) => {
                told.insert(number, Some(error.outcome()));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    told
}

async fn receive(mut inbox: Inbox, pair: Arc<Pair>) -> Vec<u64> {
    let mut got = Vec::new();
    while let Some(frame) = inbox.recv().await {
        if let Ok(number) = frame.payload()[..].try_into().map(u64::from_le_bytes) {
            pair.arrived.store(number + 1, SeqCst);
            got.push(number);
        }
    }
    got
}

/// Waits until every pair has had so many messages acknowledged from now on.
async fn load(pairs: &[Arc<Pair>]) {
    let done = |pair: &Arc<Pair>| pair.acknowledged.load(SeqCst);
    let goals: Vec<u64> = pairs.iter().map(|pair| done(pair) + LOAD).collect();
    let all = async {
        while pairs.iter().zip(&goals).any(|(pair, goal)| done(pair) < *goal) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("traffic goes on after the restart");
}

#[test]
fn a_server_that_restarts_under_load_finds_its_clients_again_and_none_is_told_what_is_not_true() {
    let directory = tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut server = server_at(directory.path());
    runtime.block_on(async {
        let course = Arc::<Course>::default();
        let (mut pairs, mut working, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..PAIRS {
            let target = format!("receiver.{n}");
            let (receiver, inbox) = client(directory.path(), &target).await;
            let (sender, _) = client(directory.path(), &format!("sender.{n}")).await;
            let pair = Arc::<Pair>::default();
            pairs.push(Arc::clone(&pair));
            receivers.push(receiver);
            let receiving = tokio::spawn(receive(inbox, Arc::clone(&pair)));
            let sending = tokio::spawn(send(sender, target, pair, Arc::clone(&course)));
            working.push((sending, receiving));
        }
        for signal in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL] {
            load(&pairs).await;
            server.signal(signal);
            server.exit_code();
            server = server_at(directory.path());
            course.restarts.fetch_add(1, SeqCst);
        }
        load(&pairs).await;
        course.stop.store(true, SeqCst);
        let mut outcomes = Vec::new();
        for ((sending, receiving), receiver) in working.into_iter().zip(receivers) {
            let told = tokio::time::timeout(PATIENCE, sending).await;
            let told = told.expect("what was acknowledged arrives").unwrap();
            receiver.close().await.unwrap();
            outcomes.push((told, receiving.await.unwrap()));
        }
        for (told, got) in outcomes {
            assert!(
                got.windows(2).all(|pair| pair[0] < pair[1]),
                "in order, and nothing twice"
            );
            for number in &got {
                assert_ne!(
                    told[number],
                    Some(Outcome::Refused),
                    "{number} was refused and arrived"
                );
            }
            // A message that was acknowledged may be lost only with the server: one with each of the four.
            let acknowledged = told.values().filter(|told| told.is_none()).count();
            let arrived = got.iter().filter(|number| told[number].is_none()).count();
            assert!(acknowledged - arrived <= 4, "{arrived} of {acknowledged} arrived");
        }
    });
}
