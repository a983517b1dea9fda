//! A fast local message bus: programs on one machine, or on a fast local network, find each other by name and
//! exchange messages one-to-one, one-to-many by name mask, and by publish/subscribe topics, over UNIX sockets, TCP, or
//! memory when they live in one process.
//!
//! This crate gathers the library crates of the project under one roof, each behind a feature:
//!
//! | feature | brings | is for |
//! | --- | --- | --- |
//! | `ipc` (default) | [`client`] with `Options`, `Client::connect` and the default address | programs that connect to a bus |
//! | `rpc` | [`rpc`] and [`client`] | requests, replies and services over a client |
//! | `broker` | [`broker`] and [`client`] | programs that carry the bus themselves |
//! | `tls` | TLS for [`client`] and [`broker`], whichever is there | connections between machines |
//! | `full` | all of them | |
//!
//! The wire protocol, [`proto`], is always there. The server and the command line are programs of their own: the
//! crates `elbus-server` and `elbus-cli`.
//!
#![cfg_attr(
    feature = "ipc",
    doc = r#"
A program on the bus. It finds the bus of this user, comes back when the server restarts, and is still subscribed then:

```no_run
use elbus::client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, mut inbox) = Client::connect("plant.display").await?;
    client.subscribe(&["temperature/#"]).await?;
    while let Some(frame) = inbox.recv().await {
        let value = String::from_utf8_lossy(frame.payload());
        println!("{value} from {}", frame.sender());
        if let Err(error) = client.send("plant.log", format!("saw {value}")).await {
            eprintln!("plant.log was not told: {error}");
        }
    }
    Ok(())
}
```

Where it connects, and every limit and time-out, is up to [`client::Options`]; what happens to the connection is told by
[`client::Events`]; why an operation failed, and whether it may have been carried out, by [`client::Error`]; why there
is no connection, by [`client::ConnectError`].
"#
)]
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
/// The client: sending, receiving, and (feature `ipc`) connecting over a socket.
#[cfg(any(feature = "ipc", feature = "rpc", feature = "broker"))]
pub use elbus_client as client;
pub use elbus_proto as proto;
#[cfg(feature = "rpc")]
pub use elbus_rpc as rpc;
