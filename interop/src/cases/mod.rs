//! What holds for every library on every broker. Each case is given two places to join from.
mod announcements;
mod masks;
mod messages;
mod names;
mod order;
mod rpc;
mod secondaries;
mod sizes;
mod topics;

pub use announcements::*;
pub use masks::*;
pub use messages::*;
pub use names::*;
pub use order::*;
pub use rpc::*;
pub use secondaries::*;
pub use sizes::*;
pub use topics::*;

use busrt::QoS;

/// Every quality of service.
const QUALITIES: [QoS; 4] = [QoS::No, QoS::Processed, QoS::Realtime, QoS::RealtimeProcessed];
