//! A plug-in: waits for the bus, keeps its subscriptions over restarts of the server, and tells what happens.
//!
//! `cargo run --example plugin [ADDRESS]`. It publishes the mean of what is published below `temperature` as
//! `mean/temperature`. Start, stop and restart the server as you like.
use std::{env, error::Error, time::Duration};

use elbus::client::{Event, Events, Options, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut options = Options::new("example.plugin")
        // Tries for a minute until the bus is there.
        .retry_first_connect(Duration::from_secs(60))
        // Between two tries after the connection was lost: from 50 ms up to 1 s.
        .backoff(Duration::from_millis(50), Duration::from_secs(1))
        // What is sent without a connection waits for it instead of failing.
        .wait_while_disconnected(Duration::from_secs(10));
    if let Some(address) = env::args().nth(1) {
        options = options.address(address);
    }
    let (client, mut inbox) = options.connect().await?;
    println!("on the bus as {}", client.name());
    tokio::spawn(tell(client.events()));
    client.subscribe(&["temperature/#"]).await?;
    println!("ready");

    let (mut count, mut sum) = (0.0, 0.0);
    while let Some(frame) = inbox.recv().await {
        let value = std::str::from_utf8(frame.payload())
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        let Some(value) = value else { continue };
        count += 1.0;
        sum += value;
        let mean = format!("{:.2}", sum / count);
        match client.publish("mean/temperature", mean).await {
            Ok(()) => {}
            Err(error) if error.outcome() == Outcome::Unknown => println!("perhaps not published: {error}"),
            Err(error) => println!("not published: {error}"),
        }
    }
    // The broker refuses us: the event said why.
    Err("turned away".into())
}

async fn tell(mut events: Events) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected => println!("back on the bus, with all subscriptions"),
            Event::Disconnected { why } => println!("off the bus: {why}"),
            Event::GaveUp { why } => println!("gave up: {why}"),
            other => println!("{other:?}"),
        }
    }
}
