//! The client libraries behind one face.
pub(crate) mod busrt;
pub(crate) mod busrt_blocking;
pub(crate) mod elbus;
pub(crate) mod ours;

use ::busrt::{ErrorKind, Frame};

use crate::{Got, Party};

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The asynchronous client of the crate `elbus`.
    Elbus,
    /// The asynchronous client of the crate `busrt`.
    Busrt,
    /// The blocking client of the crate `busrt`.
    BusrtBlocking,
    /// Our own: the crate `elbus-client` of this tree.
    Ours,
}

impl Library {
    /// All that are published.
    pub const PUBLISHED: [Self; 3] = [Self::Elbus, Self::Busrt, Self::BusrtBlocking];

    /// All.
    pub const ALL: [Self; 4] = [Self::Elbus, Self::Busrt, Self::BusrtBlocking, Self::Ours];

    pub(crate) fn connect(self, settings: &Settings<'_>) -> Result<Box<dyn Party>, ErrorKind> {
        match self {
            Self::Elbus => elbus::Client::connect(settings),
            Self::Busrt => busrt::Client::connect(settings),
            Self::BusrtBlocking => busrt_blocking::Client::connect(settings),
            Self::Ours => ours::Client::connect(settings),
        }
    }
}

/// What a library is told when it connects.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) address: &'a str,
    pub(crate) name: &'a str,
    /// Wait as long as tests do; else as long as the library does by default, which is a second.
    pub(crate) patient: bool,
}

/// A frame of `busrt`, which is the same for both of its clients.
pub(crate) fn got(frame: &Frame) -> Got {
    Got {
        kind: frame.kind(),
        sender: frame.sender().to_owned(),
        primary: frame.primary_sender().to_owned(),
        topic: frame.topic().map(str::to_owned),
        payload: frame.payload().to_vec(),
        realtime: frame.is_realtime(),
    }
}
