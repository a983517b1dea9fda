//! A broker of the published crates, for the tests of clients in other languages: `published_broker SOCKET TCP [CRATE]` listens
//! at both, says `ready`, and ends when it is killed. CRATE is `elbus` (default) or `busrt`.
use std::{env, future, time::Duration};

/// What the daemons of both crates have for a time-out by default.
const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), String> {
    let [socket, tcp, origin] = [1, 2, 3].map(|n| env::args().nth(n).unwrap_or_default());
    match origin.as_str() {
        "" | "elbus" => elbus(&socket, &tcp).await.map_err(|error| error.to_string()),
        "busrt" => busrt(&socket, &tcp).await.map_err(|error| error.to_string()),
        _ => Err(format!("{origin} is neither elbus nor busrt")),
    }
}

async fn elbus(socket: &str, tcp: &str) -> Result<(), elbus::Error> {
    let mut broker = elbus::broker::Broker::new();
    // Without it nothing is announced.
    broker.init_default_core_rpc().await?;
    let config = || elbus::broker::ServerConfig::new().timeout(TIMEOUT);
    broker.spawn_unix_server(socket, config()).await?;
    broker.spawn_tcp_server(tcp, config()).await?;
    println!("ready");
    future::pending().await
}

async fn busrt(socket: &str, tcp: &str) -> Result<(), busrt::Error> {
    let mut broker = busrt::broker::Broker::new();
    broker.init_default_core_rpc().await?;
    let config = || busrt::broker::ServerConfig::new().timeout(TIMEOUT);
    broker.spawn_unix_server(socket, config()).await?;
    broker.spawn_tcp_server(tcp, config()).await?;
    println!("ready");
    future::pending().await
}
