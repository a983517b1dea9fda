//! What a client receives.
use std::sync::Arc;

use bytes::Bytes;
use elbus_proto::{SECONDARY_SEPARATOR, delivery::Kind};

/// A message, broadcast or publication as it reached its receiver.
///
/// Cloning is cheap: names and payload are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    kind: Kind,
    realtime: bool,
    sender: Arc<str>,
    topic: Option<Arc<str>>,
    payload: Bytes,
}

impl Frame {
    /// A frame as a link hands it to an inbox; `topic` is there for publications only.
    #[must_use]
    pub const fn new(
        kind: Kind,
        realtime: bool,
        sender: Arc<str>,
        topic: Option<Arc<str>>,
        payload: Bytes,
    ) -> Self {
        Self {
            kind,
            realtime,
            sender,
            topic,
            payload,
        }
    }

    /// How the frame came: as a message, a broadcast or a publication.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it was sent as real-time.
    #[must_use]
    pub const fn is_realtime(&self) -> bool {
        self.realtime
    }

    /// The full name of the client that sent it.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// The name of the sender's primary: [`sender`](Self::sender) without a secondary's suffix.
    #[must_use]
    pub fn primary_sender(&self) -> &str {
        self.sender
            .split_once(SECONDARY_SEPARATOR)
            .map_or(&self.sender, |(primary, _)| primary)
    }

    /// The topic of a publication; `None` for messages and broadcasts.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// The payload. `Bytes` derefs to `[u8]`; a clone shares the memory.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The payload, taking the frame apart.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}
