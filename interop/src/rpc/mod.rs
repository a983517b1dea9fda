//! The RPC layers of the libraries behind one face: every client serves the same methods, and calls.
mod busrt;
mod busrt_blocking;
mod elbus;
mod ours;

use std::sync::{
    Mutex,
    mpsc::{Receiver, Sender, channel},
};

use ::busrt::{QoS, rpc::RpcEvent};

use crate::{
    Bus, Got, Library, PATIENCE, Place, Verdict,
    libraries::{self, Settings},
};

/// A client that serves and calls. It serves `echo`, `nothing` and `fail`.
pub trait Caller: Send + Sync {
    /// Calls a method and waits for the reply.
    fn call(&self, target: &str, method: &str, params: &[u8], qos: QoS) -> Result<Vec<u8>, Failure>;

    /// Calls a method without wanting a reply.
    fn call_without_reply(&self, target: &str, method: &str, params: &[u8]) -> Verdict;

    /// Notifies.
    fn notify(&self, target: &str, payload: &[u8]) -> Verdict;

    /// What the handlers of this client were given.
    fn ears(&self) -> &Ears;

    /// Whether the library takes itself for connected.
    fn is_connected(&self) -> bool;
}

impl dyn Caller + '_ {
    /// The next thing that the handlers of this client were given.
    pub fn heard(&self) -> Heard {
        self.ears()
            .0
            .lock()
            .unwrap()
            .recv_timeout(PATIENCE)
            .expect("nothing was heard in time")
    }
}

/// An error reply, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub code: i16,
    /// What came with it.
    pub data: Vec<u8>,
}

/// What the handlers of a client are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A call.
    Call {
        /// Who calls.
        sender: String,
        /// The method.
        method: String,
        /// The parameters.
        params: Vec<u8>,
        /// Whether the caller waits for a reply.
        reply: bool,
    },
    /// A notification with a sender and a payload.
    Notification(String, Vec<u8>),
    /// What is not RPC.
    Frame(Got),
}

/// Where handlers leave what they were given.
pub struct Ears(Mutex<Receiver<Heard>>);

/// The handlers of a client, as far as they do not depend on the library.
pub(crate) struct Service(Sender<Heard>);

/// What a service makes of a call.
pub(crate) type Answer = Result<Option<Vec<u8>>, Failure>;

impl Service {
    pub(crate) fn new() -> (Self, Ears) {
        let (heard, ears) = channel();
        (Self(heard), Ears(Mutex::new(ears)))
    }

    pub(crate) fn hear(&self, heard: Heard) {
        // When the test has ended, nobody listens.
        let _ = self.0.send(heard);
    }

    pub(crate) fn answer(&self, sender: &str, method: &str, params: &[u8], reply: bool) -> Answer {
        self.hear(Heard::Call {
            sender: sender.to_owned(),
            method: method.to_owned(),
            params: params.to_vec(),
            reply,
        });
        match method {
            "echo" => Ok(Some(params.to_vec())),
            "nothing" => Ok(None),
            "fail" => Err(Failure {
                code: -777,
                data: params.to_vec(),
            }),
            _ => Err(Failure {
                code: ::busrt::rpc::RPC_ERROR_CODE_METHOD_NOT_FOUND,
                data: Vec::new(),
            }),
        }
    }
}

/// `busrt` has the same events for both of its clients.
impl Service {
    fn answer_event(&self, event: &RpcEvent) -> ::busrt::rpc::RpcResult {
        self.answer(
            event.sender(),
            event.parse_method()?,
            event.payload(),
            event.is_response_required(),
        )
        .map_err(|failure| ::busrt::rpc::RpcError::new(failure.code, Some(failure.data)))
    }

    fn hear_notification(&self, event: &RpcEvent) {
        self.hear(Heard::Notification(
            event.sender().to_owned(),
            event.payload().to_vec(),
        ));
    }

    fn hear_frame(&self, frame: &::busrt::Frame) {
        self.hear(Heard::Frame(libraries::got(frame)));
    }
}

impl From<::busrt::rpc::RpcError> for Failure {
    fn from(error: ::busrt::rpc::RpcError) -> Self {
        Self {
            code: error.code(),
            data: error.data().unwrap_or_default().to_vec(),
        }
    }
}

impl Bus<'_> {
    /// A client at a place that serves and calls.
    #[must_use]
    pub fn caller(&self, place: Place, name: &str) -> Box<dyn Caller> {
        let name = self.name(name);
        let settings = Settings {
            address: self.address(place.transport),
            name: &name,
            patient: true,
        };
        match place.library {
            Library::Elbus => Box::new(elbus::Client::new(&settings)),
            Library::Busrt => Box::new(busrt::Client::new(&settings)),
            Library::BusrtBlocking => Box::new(busrt_blocking::Client::new(&settings)),
            Library::Ours => Box::new(ours::Client::new(&settings)),
        }
    }
}
