//! A program that carries the bus itself and adds a method to the broker: beside `test`, `info` and the others every
//! client can call `uptime.text` of `.broker`.
//!
//! `cargo run --features full --example broker_method` prints what a client is answered and ends.
use std::{error::Error, sync::Arc, time::Instant};

use elbus::{
    broker::{Broker, Config},
    client::Options,
    rpc::{Failure, Rpc, Service, typed},
};

async fn uptime(started: Arc<Instant>, (): ()) -> Result<String, Failure> {
    Ok(format!("up for {} ms", started.elapsed().as_millis()))
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let broker = Broker::new(Config::default())?;
    let address = broker.listen(&"127.0.0.1:0".parse()?).await?;

    let (client, inbox) = broker.own_client()?;
    let methods = Service::new(Arc::new(Instant::now())).method(
        "uptime.text",
        typed(uptime).description("For how long the broker has been there."),
    );
    let _methods = methods.start(client, inbox)?;

    let (client, inbox) = Options::new("panel").address(address).connect().await?;
    let rpc = Rpc::new(client, inbox);
    let uptime: String = rpc.call(".broker", "uptime.text", &()).await?;
    println!("{uptime}");
    for method in rpc.describe(".broker").await?.methods {
        println!("{}: {}", method.name, method.description);
    }
    broker.shutdown().await;
    Ok(())
}
