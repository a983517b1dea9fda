//! Requests, replies and services over a client of the elbus message bus.
//!
//! An [`Rpc`] calls methods of other clients, and a [`Service`] offers methods of one's own. Both work on any `Client`,
//! over a socket or in the broker's process, and on one connection at the same time. It runs on tokio.
//!
//! ```
//! use elbus_rpc::{Failure, Rpc, Service};
//!
//! async fn double(_: (), number: i64) -> Result<i64, Failure> {
//!     Ok(2 * number)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let broker = elbus_broker::Broker::new(Default::default())?;
//! # let (client, inbox) = broker.client("calculator")?;
//! // `client` and `inbox` belong to the client "calculator"; they come from `Client::connect` or `Broker::client`.
//! let service = Service::new(()).method("double", double).start(client, inbox)?;
//!
//! # let (client, inbox) = broker.client("panel")?;
//! let rpc = Rpc::new(client, inbox);
//! let doubled: i64 = rpc.call("calculator", "double", &21).await?;
//! assert_eq!(doubled, 42);
//! # Ok(())
//! # }
//! ```
//!
//! | item | is |
//! | --- | --- |
//! | [`Rpc`] | a cheap clone that calls and notifies |
//! | [`Service`] | methods by name, typed or raw, and who hears everything else |
//! | [`Options`] | how to start, and every limit |
//! | [`CallError`] | why a call failed |
//! | [`Failure`] | what a service answers instead of a result |
//! | [`Rpc::call_many`] | the same call to everybody whom a mask names |
//! | [`Cursors`], [`Rpc::records`] | paging through large results |
//! | [`Payload`], [`decode`] | the codec, for those who do it by hand |
//!
//! # What holds
//! - A call ends by itself: with its reply, at its deadline, when its target is not there or leaves, or when the own
//!   connection is lost. Dropping it leaves nothing behind.
//! - A reply counts only if it comes from whom was called.
//! - Every request that wants a reply gets exactly one, also when its handler panics or is dropped.
//! - The layer never stops reading: what cannot be handled now waits up to a bound and is then refused. So services may
//!   call each other in turns.

mod call;
mod call_many;
mod cursor;
mod driver;
mod error;
mod failure;
mod format;
mod options;
mod pending;
mod rpc;
mod service;
mod shared;
mod verdict;
mod watch;

pub use call::{Call, Calling, RawCall, RawCalling};
pub use call_many::CallMany;
pub use cursor::{CursorId, Cursors, Records};
pub use driver::Driver;
pub use elbus_proto::rpc::{Payload, RpcError, bus_error, code, decode};
pub use error::{CallError, StartError};
pub use failure::Failure;
pub use options::Options;
pub use rpc::{Rpc, Stats};
pub use service::{
    Arrival, Context, Description, IntoMethod, Method, MethodDescription, RawHandler, Service, raw, typed,
};
