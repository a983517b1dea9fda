//! A program that carries the bus: a service inside it talks in memory, clients from outside come over a socket.
//!
//! `cargo run --features broker,ipc --example broker_and_outside_clients [ADDRESS]` serves at the address until Ctrl-C;
//! without one it takes a free port, asks its own service over the socket, and ends.
use std::{env, error::Error};

use elbus::{
    broker::{Address, Broker, Config},
    client::{Client, Inbox, Options},
};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let asked = env::args().nth(1);
    let address: Address = asked.as_deref().unwrap_or("127.0.0.1:0").parse()?;

    let broker = Broker::new(Config::default())?;
    // Registered before anyone can connect, so that nobody from outside takes its name.
    let (service, inbox) = broker.client("example.service")?;
    let serving = tokio::spawn(serve(service, inbox));
    let address = broker.listen(&address).await?;
    println!("clients may join at {address}");

    if asked.is_some() {
        serving.await?;
    } else {
        ask(address).await?;
        broker.shutdown().await;
    }
    Ok(())
}

/// Answers every message with its length, in memory.
async fn serve(service: Client, mut inbox: Inbox) {
    while let Some(frame) = inbox.recv().await {
        if frame.topic().is_some() {
            continue;
        }
        let answer = format!("{} bytes", frame.payload().len());
        if let Err(error) = service.send(frame.sender(), answer).await {
            eprintln!("{} gets no answer: {error}", frame.sender());
        }
    }
}

/// What a program elsewhere would do.
async fn ask(address: Address) -> Result<(), Box<dyn Error>> {
    let (client, mut inbox) = Options::new("example.outside").address(address).connect().await?;
    client.send("example.service", "how long is this?").await?;
    let answer = inbox.recv().await.ok_or("the connection is closed")?;
    println!(
        "{} answers: {}",
        answer.sender(),
        String::from_utf8_lossy(answer.payload())
    );
    client.close().await?;
    Ok(())
}
