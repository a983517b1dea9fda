//! The method `reload`: what there is to read again is the embedding program's, so it is asked to.
use std::{fmt, sync::Arc};

use elbus_proto::{BROKER_NAME, Code, delivery::Kind, rpc};
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{Answer, Failure, encode, may_manage, params, reply};
use crate::{core::Core, deliver::Run, local, peer::Peer};

/// Requests that wait to be carried out: each reads everything anew, so that more are of no use to anybody.
const WAITING: usize = 16;

/// Whom to tell of requests to read the configuration again, if anybody.
#[derive(Default)]
pub(crate) struct Reloading(Mutex<Option<mpsc::Sender<ReloadRequest>>>);

impl Reloading {
    /// From now on requests come here.
    pub(crate) fn requests(&self) -> ReloadRequests {
        let (sender, receiver) = mpsc::channel(WAITING);
        *self.0.lock() = Some(sender);
        ReloadRequests(receiver)
    }
}

/// Passes a call on to the embedding program; `None` when it does not want to hear of it.
pub(super) fn ask(core: &Core, caller: &Arc<Peer>, id: u32, params: &[u8]) -> Option<Answer> {
    let program = core.reloading.0.lock().clone()?;
    let asked = params::none(params)
        .and_then(|()| may_manage(core, caller))
        .and_then(|()| {
            let request = ReloadRequest {
                caller: Arc::clone(caller),
                id,
            };
            program.try_send(request).map_err(|error| match error {
                TrySendError::Full(_) => Failure::from(Code::Busy),
                TrySendError::Closed(_) => {
                    Failure::new(rpc::code::INTERNAL, "nobody carries it out any more")
                }
            })
        });
    Some(match asked {
        // The answer comes when it is carried out.
        Ok(()) => Answer::Nothing,
        Err(failure) => reply(id, Err(failure)),
    })
}

/// Calls of the broker's method `reload`, for an embedding program that has something to read again.
#[derive(Debug)]
pub struct ReloadRequests(mpsc::Receiver<ReloadRequest>);

impl ReloadRequests {
    /// Waits for the next call; `None` when another [`Broker::reload_requests`](crate::Broker::reload_requests) gets
    /// them now.
    pub async fn next(&mut self) -> Option<ReloadRequest> {
        self.0.recv().await
    }
}

/// A call of `reload` by a client that may do so, which waits for an answer.
#[must_use = "the caller waits for an answer"]
pub struct ReloadRequest {
    caller: Arc<Peer>,
    id: u32,
}

impl ReloadRequest {
    /// The name of the client that called.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.caller.name
    }

    /// Tells the caller how it went; an error as a text for people.
    ///
    /// It waits for a caller that is full, at most for the time-out of the configuration.
    pub async fn answer(self, outcome: Result<(), String>) {
        let outcome = match outcome {
            Ok(()) => encode(&super::Done { ok: true }).map(Into::into),
            Err(reason) => Err(Failure::new(rpc::code::INTERNAL, reason)),
        };
        if let Answer::Reply(payload) = reply(self.id, outcome) {
            let mut run = Run::new(Kind::Message, BROKER_NAME.into(), None);
            run.push(&payload, false, true);
            // A caller that is gone, or does not read, has nobody to tell.
            let _ = local::place_rest(&self.caller.core, run, vec![(Arc::clone(&self.caller), 0)]).await;
        }
    }
}

impl fmt::Debug for ReloadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadRequest")
            .field("caller", &self.caller())
            .finish_non_exhaustive()
    }
}
