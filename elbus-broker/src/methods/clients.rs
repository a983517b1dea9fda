//! Methods about clients.
use std::sync::Arc;

use elbus_proto::{
    BROKER_NAME, Code, NameMask,
    rpc::{self, code::INVALID_PARAMS},
};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{Done, Failure, encode, may_manage, params};
use crate::{
    core::Core,
    peer::{Cut, Peer},
    stats::{ClientInfo, ClientKind},
};

/// Bytes of a filter, and of what it is compiled to: it is run over every name, in time in proportion to both.
const FILTER: usize = 1024;
const COMPILED_FILTER: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// A regular expression that is found in the name, as BUS/RT has it.
    #[serde(default)]
    filter: Option<String>,
    /// A name mask.
    #[serde(default)]
    mask: Option<String>,
}

#[derive(Serialize)]
struct List {
    clients: Vec<Client>,
}

#[derive(Serialize)]
struct Client {
    name: String,
    kind: &'static str,
    source: Option<String>,
    port: Option<String>,
    r_frames: u64,
    r_bytes: u64,
    w_frames: u64,
    w_bytes: u64,
    queue: usize,
    dropped: u64,
    held: u64,
    /// In milliseconds.
    held_ms: u64,
    instances: usize,
}

impl From<ClientInfo> for Client {
    fn from(info: ClientInfo) -> Self {
        Self {
            name: info.name,
            kind: match info.kind {
                ClientKind::Internal => "internal",
                ClientKind::LocalIpc => "local_ipc",
                ClientKind::Tcp => "tcp",
                ClientKind::Tls => "tls",
            },
            source: info.source,
            port: info.port,
            r_frames: info.r_frames,
            r_bytes: info.r_bytes,
            w_frames: info.w_frames,
            w_bytes: info.w_bytes,
            queue: info.queue,
            dropped: info.dropped,
            held: info.held,
            held_ms: u64::try_from(info.held_for.as_millis()).unwrap_or(u64::MAX),
            instances: info.instances,
        }
    }
}

/// The clients by name, without secondaries; the broker's own among them.
pub(super) fn list(core: &Core, params: &[u8]) -> Result<Vec<u8>, Failure> {
    let which: Which = params::decode(params)?;
    let filter = which.filter.as_deref().map(compile).transpose()?;
    let mut peers = match &which.mask {
        Some(mask) => core.registry.matching(parse(core, mask)?),
        None => core.registry.all(),
    };
    let is_own_wanted = which
        .mask
        .as_deref()
        .is_none_or(|mask| ["*", "?", BROKER_NAME].contains(&mask));
    peers.retain(|peer| !peer.is_secondary());
    let mut clients: Vec<_> = peers.iter().map(|peer| ClientInfo::of(core, peer)).collect();
    if is_own_wanted && core.registry.find(BROKER_NAME).is_none() {
        clients.push(ClientInfo::of_broker());
    }
    clients.retain(|client| filter.as_ref().is_none_or(|filter| filter.is_match(&client.name)));
    clients.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    encode(&List {
        clients: clients.into_iter().map(Client::from).collect(),
    })
}

fn parse<'a>(core: &Core, mask: &'a str) -> Result<NameMask<'a>, Failure> {
    NameMask::parse(mask.as_bytes(), core.settings.names())
        .map_err(|reason| Failure::new(INVALID_PARAMS, format!("mask {mask:?}: {reason}")))
}

fn compile(filter: &str) -> Result<Regex, Failure> {
    let invalid = |reason: &str| Failure::new(INVALID_PARAMS, format!("filter: {reason}"));
    if filter.len() > FILTER {
        return Err(invalid(&format!("longer than {FILTER} bytes")));
    }
    RegexBuilder::new(filter)
        .size_limit(COMPILED_FILTER)
        .dfa_size_limit(COMPILED_FILTER)
        .build()
        .map_err(|reason| invalid(&reason.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

/// One client, secondaries too.
pub(super) fn get(core: &Core, params: &[u8]) -> Result<Vec<u8>, Failure> {
    let Named { name } = params::decode(params)?;
    let info = match core.registry.find(&name) {
        Some(peer) => ClientInfo::of(core, &peer),
        None if name == BROKER_NAME => ClientInfo::of_broker(),
        None => return Err(Failure::not_found(&name)),
    };
    encode(&Client::from(info))
}

/// Disconnects a client. The broker's own ones stay: nobody would bring them back.
pub(super) fn disconnect(core: &Arc<Core>, caller: &Peer, params: &[u8]) -> Result<Vec<u8>, Failure> {
    let Named { name } = params::decode(params)?;
    may_manage(core, caller)?;
    let peer = core.registry.find(&name);
    if name == BROKER_NAME || peer.is_some() && name.starts_with('.') {
        let reason = format!("{name:?} belongs to the broker and stays");
        return Err(Failure::new(rpc::bus_error(Code::Access), reason));
    }
    let peer = peer.ok_or_else(|| Failure::not_found(&name))?;
    tracing::info!(client = %peer.name, by = %caller.name, "disconnected on request");
    core.cut(&peer, Cut::Disconnected);
    encode(&Done { ok: true })
}
