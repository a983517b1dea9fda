//! Methods about subscriptions.
use elbus_proto::{Topic, rpc::code::INVALID_PARAMS};
use serde::{Deserialize, Serialize};

use super::{Failure, encode, params};
use crate::core::Core;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    topic: Option<String>,
}

#[derive(Serialize)]
struct OfClient {
    client: String,
    subscriptions: Vec<String>,
    exclusions: Vec<String>,
}

#[derive(Serialize)]
struct OfTopic<'a> {
    topic: &'a str,
    clients: Vec<&'a str>,
}

/// What a client subscribes to and excludes, or who receives a topic.
pub(super) fn list(core: &Core, params: &[u8]) -> Result<Vec<u8>, Failure> {
    match params::decode(params)? {
        Of {
            client: Some(client),
            topic: None,
        } => of_client(core, client),
        Of {
            client: None,
            topic: Some(topic),
        } => of_topic(core, &topic),
        _ => Err(Failure::new(
            INVALID_PARAMS,
            "expected either `client` or `topic`",
        )),
    }
}

fn of_client(core: &Core, client: String) -> Result<Vec<u8>, Failure> {
    let peer = core
        .registry
        .find(&client)
        .ok_or_else(|| Failure::not_found(&client))?;
    let (mut subscriptions, mut exclusions) = core.subscriptions.of_client(peer.id);
    subscriptions.sort_unstable();
    exclusions.sort_unstable();
    encode(&OfClient {
        client,
        subscriptions,
        exclusions,
    })
}

fn of_topic(core: &Core, topic: &str) -> Result<Vec<u8>, Failure> {
    let parsed = Topic::parse(topic.as_bytes(), core.settings.topics())
        .map_err(|reason| Failure::new(INVALID_PARAMS, format!("topic {topic:?}: {reason}")))?;
    let (peers, _) = core.subscriptions.receivers(parsed);
    let mut clients: Vec<_> = peers.iter().map(|peer| &*peer.name).collect();
    clients.sort_unstable();
    encode(&OfTopic { topic, clients })
}
