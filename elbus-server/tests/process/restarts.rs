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

async fn send(client: Client, target: String, done: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::new();
    for number in 0_u64.. {
        if stop.load(SeqCst) {
            break;
        }
        let payload = number.to_le_bytes();
        let sending = client.send(&target, &payload);
        let verdict = tokio::time::timeout(PATIENCE, sending.into_future())
            .await
            .expect("a verdict");
        match verdict {
            Ok(()) => {
                done.fetch_add(1, SeqCst);
                told.insert(number, None);
            }
            Err(error) => {
                told.insert(number, Some(error.outcome()));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    told
}

async fn receive(mut inbox: Inbox) -> Vec<u64> {
    let mut got = Vec::new();
    while let Some(frame) = inbox.recv().await {
        got.extend(frame.payload()[..].try_into().map(u64::from_le_bytes));
    }
    got
}

/// Waits until every pair has had so many messages acknowledged from now on.
async fn load(done: &[Arc<AtomicU64>]) {
    let goals: Vec<u64> = done.iter().map(|done| done.load(SeqCst) + LOAD).collect();
    let all = async {
        while done
            .iter()
            .zip(&goals)
            .any(|(done, goal)| done.load(SeqCst) < *goal)
        {
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
        let stop = Arc::new(AtomicBool::new(false));
        let (mut done, mut pairs, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..PAIRS {
            let target = format!("receiver.{n}");
            let (receiver, inbox) = client(directory.path(), &target).await;
            let (sender, _) = client(directory.path(), &format!("sender.{n}")).await;
            let counter = Arc::new(AtomicU64::new(0));
            done.push(Arc::clone(&counter));
            receivers.push(receiver);
            let sending = tokio::spawn(send(sender, target, counter, Arc::clone(&stop)));
            pairs.push((sending, tokio::spawn(receive(inbox))));
        }
        for signal in [Signal::TERM, Signal::KILL, Signal::TERM, Signal::KILL] {
            load(&done).await;
            server.signal(signal);
            server.exit_code();
            server = server_at(directory.path());
        }
        load(&done).await;
        stop.store(true, SeqCst);
        let mut outcomes = Vec::new();
        for ((sending, receiving), receiver) in pairs.into_iter().zip(receivers) {
            let told = sending.await.unwrap();
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
            // A message that was acknowledged may be lost only with the server or with its receiver's connection.
            let acknowledged = told.values().filter(|told| told.is_none()).count();
            let arrived = got.iter().filter(|number| told[number].is_none()).count();
            assert!(acknowledged - arrived <= 4, "{arrived} of {acknowledged} arrived");
        }
    });
}
