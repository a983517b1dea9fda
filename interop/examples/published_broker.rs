//! The broker of the published crate `elbus`, for the tests of clients in other languages: `published_broker SOCKET TCP`
//! listens at both, says `ready`, and ends when it is killed.
use std::{env, future, time::Duration};

use elbus::{
    Error,
    broker::{Broker, ServerConfig},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let [socket, tcp] = [1, 2].map(|n| env::args().nth(n).unwrap_or_default());
    let mut broker = Broker::new();
    broker.init_default_core_rpc().await?;
    let config = || ServerConfig::new().timeout(Duration::from_secs(5));
    broker.spawn_unix_server(&socket, config()).await?;
    broker.spawn_tcp_server(&tcp, config()).await?;
    println!("ready");
    future::pending().await
}
