//! Who leaves the bus while calls wait for its reply.
//!
//! Most calls are answered long before it matters that their target may leave, so this costs nothing until one has
//! waited for `Options::watch_after`. Then the client subscribes to the broker's announcements of who leaves. Whoever left
//! before that took effect is found by asking the broker once who is there. When no call has taken long for a while,
//! the subscription is taken back.
//!
//! The filter is one that the user has hardly chosen: taking it back leaves the user's own subscriptions as they are.
use std::{collections::HashSet, sync::Arc, time::Duration};

use elbus_proto::{BROKER_NAME, ClientName};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{CallError, call::Call, shared::Shared};

const FILTER: &str = ".broker/+";

/// For how long after the last call that took long.
const LINGER: Duration = Duration::from_secs(5);

/// How often the broker is asked who is there when it does not let us hear its announcements.
const ASK: Duration = Duration::from_secs(1);

/// Ends calls to whoever leaves, for as long as there are calls that take long.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let subscribed = shared.client.subscribe(&[FILTER]).await.is_ok();
    end_calls_to_absent(&shared).await;
    let mut last_slow = Instant::now();
    while last_slow.elapsed() < LINGER && !shared.is_abandoned() {
        tokio::time::sleep(ASK.min(LINGER)).await;
        if !subscribed {
            end_calls_to_absent(&shared).await;
        }
        if shared.pending.lock().has_slow() {
            last_slow = Instant::now();
        }
    }
    if subscribed {
        // If that fails the connection or the client is gone.
        drop(shared.client.unsubscribe(&[FILTER]).await);
    }
    let mut pending = shared.pending.lock();
    pending.watched = false;
    if pending.len() > 0 {
        pending.look_soon();
    }
}

/// The name in an announcement that a client left.
pub(crate) fn who_left(announcement: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Announcement {
        s: String,
        d: String,
    }
    let announcement: Announcement = rmp_serde::from_slice(announcement).ok()?;
    (announcement.s == "unreg").then_some(announcement.d)
}

async fn end_calls_to_absent(shared: &Shared) {
    let mut targets = shared.pending.lock().targets();
    targets.retain(|target| target != BROKER_NAME);
    let mask = match targets.as_slice() {
        [] => return,
        [one] => ClientName::assume_checked(one).primary(),
        _ => "*",
    };
    // A broker that does not say is believed to have everybody: the calls have their deadline.
    let Ok(present) = clients(shared, mask).await else {
        return;
    };
    let present: HashSet<String> = present.into_iter().collect();
    for target in &targets {
        let primary = ClientName::assume_checked(target).primary();
        if !present.contains(primary) {
            shared.end_calls(|pending| pending.target_left(primary));
        }
    }
}

/// The names of the primaries that match a mask, as the broker knows them. Published brokers know no masks: they are
/// asked for everybody, and the caller filters.
pub(crate) async fn clients(shared: &Shared, mask: &str) -> Result<Vec<String>, CallError> {
    #[derive(Serialize)]
    struct Params<'a> {
        mask: &'a str,
    }
    #[derive(Deserialize)]
    struct Info {
        name: String,
    }
    #[derive(Deserialize)]
    struct List {
        clients: Vec<Info>,
    }
    let method = "client.list";
    let list = Call::<List>::new(shared, BROKER_NAME, method, &Params { mask }).await;
    let list = match list {
        Err(CallError::Service(_)) => Call::<List>::new(shared, BROKER_NAME, method, &()).await?,
        list => list?,
    };
    Ok(list.clients.into_iter().map(|info| info.name).collect())
}
