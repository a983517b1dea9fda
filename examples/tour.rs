//! The program of the README's tour, as it stands there: `cargo run --example tour`.
use elbus_client::Client;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (client, mut inbox) = Client::connect("tour.display").await?;
    client.subscribe(&["plant/#"]).await?;
    println!("ready");
    while let Some(frame) = inbox.recv().await {
        let text = String::from_utf8_lossy(frame.payload());
        match frame.topic() {
            Some(".broker/warn") => println!("the server goes down"),
            Some(topic) => {
                println!("{topic} from {}: {text}", frame.sender());
                if let Err(error) = client.send("tour.listener", format!("{topic} is {text}")).await {
                    println!("tour.listener was not told: {error}");
                }
            }
            None => println!("message from {}: {text}", frame.sender()),
        }
    }
    Ok(())
}
