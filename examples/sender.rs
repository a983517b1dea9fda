//! Publishes, sends, and says what became of it.
//!
//! `cargo run --example sender [ADDRESS]`, with `listener` in another terminal.
use std::{env, error::Error};

use elbus::client::{Code, Error as BusError, Options, Qos};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut options = Options::new("example.sender");
    if let Some(address) = env::args().nth(1) {
        options = options.address(address);
    }
    let (client, _) = options.connect().await?;

    // Awaited one by one: each waits for the broker's verdict.
    client.publish("temperature/hall", "21.4").await?;
    match client.send("example.listener", "hello").await {
        Ok(()) => println!("delivered"),
        Err(BusError::Refused(Code::NotRegistered)) => println!("nobody is called example.listener"),
        Err(error) => return Err(error.into()),
    }

    // Many in flight: handed over first, confirmed later.
    let mut confirmations = Vec::new();
    for n in 0..100 {
        let value = format!("{}.{}", 20 + n / 10, n % 10);
        confirmations.push(client.publish("temperature/yard", value).confirm().await?);
    }
    for confirmation in confirmations {
        confirmation.await?;
    }
    println!("100 publications confirmed");

    // Not acknowledged: on its way when the client has closed.
    client.broadcast("example.*", "goodbye").qos(Qos::No).await?;
    client.close().await?;
    Ok(())
}
