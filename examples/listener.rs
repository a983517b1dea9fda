//! Prints what arrives until Ctrl-C, also when the server is restarted meanwhile.
//!
//! `cargo run --example listener [ADDRESS]`; `sender` in another terminal gives it something to print.
use std::{env, error::Error};

use elbus::client::Options;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut options = Options::new("example.listener");
    if let Some(address) = env::args().nth(1) {
        options = options.address(address);
    }
    let (client, mut inbox) = options.connect().await?;
    client.subscribe(&["temperature/#"]).await?;
    println!("listening");

    while let Some(frame) = inbox.recv().await {
        let payload = String::from_utf8_lossy(frame.payload());
        match frame.topic() {
            // The broker's announcements reach everyone.
            Some(topic) if topic.starts_with(".broker/") => {}
            Some(topic) => println!("{topic} from {}: {payload}", frame.sender()),
            None => println!("{:?} from {}: {payload}", frame.kind(), frame.sender()),
        }
    }
    Ok(())
}
