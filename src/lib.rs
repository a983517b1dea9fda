//! A fast local message bus: programs on one machine, or on a fast local network, find each other by name and
//! exchange messages one-to-one, one-to-many by name mask, and by publish/subscribe topics, over UNIX sockets, TCP, or
//! memory when they live in one process.
//!
//! This crate gathers the library crates of the project under one roof, each behind a feature:
//!
//! | feature | brings | is for |
//! | --- | --- | --- |
//! | `ipc` (default) | [`client`] | programs that connect to a bus |
//! | `rpc` | [`rpc`] | requests, replies and services over a client |
//! | `broker` | [`broker`] | programs that carry the bus themselves |
//! | `full` | all of them | |
//!
//! The wire protocol, [`proto`], is always there. The server and the command line are programs of their own: the
//! crates `elbus-server` and `elbus-cli`.
//!
#![cfg_attr(
    feature = "broker",
    doc = r#"
A bus inside a program:

```
use elbus::broker::{Broker, Config};

# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), Box<dyn std::error::Error>> {
let broker = Broker::new(Config::default())?;
let (sensor, _) = broker.client("plant.sensor")?;
let (display, mut inbox) = broker.client("plant.display")?;

display.subscribe(&["temperature/#"]).await?;
sensor.publish("temperature/hall", "21.5").await?;

let frame = inbox.recv().await.ok_or("closed")?;
assert_eq!(frame.topic(), Some("temperature/hall"));
# Ok(())
# }
```
"#
)]

#[cfg(feature = "broker")]
pub use elbus_broker as broker;
#[cfg(any(feature = "ipc", feature = "rpc", feature = "broker"))]
pub use elbus_client as client;
pub use elbus_proto as proto;
#[cfg(feature = "rpc")]
pub use elbus_rpc as rpc;
