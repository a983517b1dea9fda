//! How a listener answers requests.
use elbus_client::{Client, Frame, Qos};
use elbus_proto::rpc::{code, error_header, reply_header};
use rmpv::Value;

use crate::{output::Seen, params::encoded};

/// Answers every request with the same result.
#[derive(Debug)]
pub(crate) struct Answers {
    result: Vec<u8>,
}

impl Answers {
    pub(super) fn new(result: &Value) -> Self {
        Self {
            result: encoded(result),
        }
    }

    /// Answers a frame that is a call. Methods with a leading dot are the RPC layer's own: whoever calls one asks what
    /// a service is, and this is none.
    pub(crate) async fn answer(&self, client: &Client, frame: &Frame, seen: &Seen<'_>) {
        let Seen::Call { id, method, .. } = seen else {
            return;
        };
        let answer = match id {
            0 => return,
            id if method.starts_with('.') => {
                let header = error_header(*id, code::METHOD_NOT_FOUND);
                [
                    &header[..],
                    b"this is a listener, which has no methods of its own",
                ]
                .concat()
            }
            id => [&reply_header(*id)[..], &self.result].concat(),
        };
        let qos = if frame.is_realtime() {
            Qos::RealtimeProcessed
        } else {
            Qos::Processed
        };
        // Whoever asked may have gone: nobody waits for this one's verdict.
        drop(client.send(frame.sender(), answer).qos(qos).confirm().await);
    }
}
