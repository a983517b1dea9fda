//! The broker's own methods: how a message to `.broker` is answered.
//!
//! Whoever carries the message out answers it on the spot: there is no task and no queue in between. Methods that an
//! embedding program adds are not known here; their calls go to its `.broker` client.
mod clients;
mod params;
pub(crate) mod reload;
mod subscriptions;

use std::{borrow::Cow, sync::Arc};

use elbus_proto::{BROKER_NAME, Code, rpc};
use serde::Serialize;

use crate::{core::Core, peer::Peer, socket::Origin, stats::Usage};

/// How a message to the broker is answered.
pub(crate) enum Answer {
    /// With this payload.
    Reply(Vec<u8>),
    /// Not at all: no reply is wanted, or it is no call.
    Nothing,
    /// By the embedding program's `.broker` client.
    Forward,
}

/// Why a method failed: a code of RPC and a reason for people.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    code: i16,
    reason: String,
}

impl Failure {
    fn new(code: i16, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    fn not_found(name: &str) -> Self {
        Self::new(
            rpc::code::NOT_FOUND,
            format!("no client named {name:?} is on the bus"),
        )
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(rpc::bus_error(code), code.to_string())
    }
}

/// Answers a message that `caller` sent to the broker.
pub(crate) fn answer(core: &Arc<Core>, caller: &Arc<Peer>, payload: &[u8]) -> Answer {
    let Ok(rpc::Payload::Request { id, method, params }) = rpc::decode(payload) else {
        return or_forward(core, Answer::Nothing);
    };
    if method == b"reload"
        && let Some(answer) = reload::ask(core, caller, id, params)
    {
        return answer;
    }
    let Some(result) = call(core, caller, method, params) else {
        let method = String::from_utf8_lossy(method);
        let unknown = Failure::new(
            rpc::code::METHOD_NOT_FOUND,
            format!("the broker has no method {method:?}"),
        );
        return or_forward(core, reply(id, Err(unknown)));
    };
    reply(id, result)
}

/// Who may use methods that change something: who has that right by the access rules. Without rules, those who could
/// end the broker itself: its own process, its own user and root.
fn may_manage(core: &Core, caller: &Peer) -> Result<(), Failure> {
    let own = rustix::process::geteuid().as_raw();
    let may = caller.rights().may_manage().unwrap_or(match caller.origin {
        Origin::Process | Origin::Fifo => true,
        Origin::Unix { uid, .. } => uid == own || uid == 0,
        Origin::Tcp { .. } | Origin::Tls { .. } => false,
    });
    if may {
        return Ok(());
    }
    tracing::debug!(client = %caller.name, "not admitted: manage");
    core.totals.count_denied();
    Err(Code::Access.into())
}

fn or_forward(core: &Core, answer: Answer) -> Answer {
    match core.registry.find(BROKER_NAME) {
        Some(_) => Answer::Forward,
        None => answer,
    }
}

fn reply(id: u32, result: Result<Cow<'_, [u8]>, Failure>) -> Answer {
    if id == 0 {
        return Answer::Nothing;
    }
    Answer::Reply(match result {
        Ok(result) => [&rpc::reply_header(id)[..], &result].concat(),
        Err(failure) => [
            &rpc::error_header(id, failure.code)[..],
            failure.reason.as_bytes(),
        ]
        .concat(),
    })
}

/// `None` when there is no such method.
fn call<'a>(
    core: &Arc<Core>,
    caller: &Peer,
    method: &[u8],
    params: &'a [u8],
) -> Option<Result<Cow<'a, [u8]>, Failure>> {
    let result = match method {
        b"benchmark.test" => return Some(Ok(Cow::Borrowed(params))),
        b"test" => params::none(params).and_then(|()| encode(&Test { ok: true })),
        b"info" => params::none(params).and_then(|()| {
            encode(&Info {
                author: env!("CARGO_PKG_AUTHORS"),
                version: env!("CARGO_PKG_VERSION"),
            })
        }),
        b"stats" => params::none(params).and_then(|()| stats(core)),
        b"client.list" => clients::list(core, params),
        b"client.get" => clients::get(core, params),
        b"client.disconnect" => clients::disconnect(core, caller, params),
        b"subscription.list" => subscriptions::list(core, params),
        _ => return None,
    };
    Some(result.map(Cow::Owned))
}

#[derive(Serialize)]
struct Test {
    ok: bool,
}

/// That a method did what it was asked to.
#[derive(Serialize)]
struct Done {
    ok: bool,
}

#[derive(Serialize)]
struct Info {
    author: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Stats {
    uptime: u64,
    r_frames: u64,
    r_bytes: u64,
    w_frames: u64,
    w_bytes: u64,
    ignored: u64,
    dropped: u64,
    denied: u64,
    stalled: u64,
    slow: u64,
    usage: Usage,
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    uid: u32,
    #[serde(flatten)]
    usage: Usage,
}

fn stats(core: &Core) -> Result<Vec<u8>, Failure> {
    let stats = crate::Stats::of(core);
    let users = core.users.usage().into_iter();
    encode(&Stats {
        uptime: stats.uptime.as_secs(),
        r_frames: stats.r_frames,
        r_bytes: stats.r_bytes,
        w_frames: stats.w_frames,
        w_bytes: stats.w_bytes,
        ignored: stats.ignored,
        dropped: stats.dropped,
        denied: stats.denied,
        stalled: stats.stalled,
        slow: stats.slow,
        usage: stats.usage,
        users: users.map(|(uid, usage)| User { uid, usage }).collect(),
    })
}

fn encode(result: &impl Serialize) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(result).map_err(|error| Failure::new(rpc::code::INTERNAL, error.to_string()))
}
