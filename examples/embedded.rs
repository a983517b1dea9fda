//! A bus inside a program: two of its threads talk in memory, and whoever connects to the socket joins them.
//!
//! `cargo run --features broker --example embedded` prints what the display receives and ends.
use std::{error::Error, thread};

use elbus::{
    broker::{Broker, Config},
    client::Client,
};

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let broker = Broker::new(Config::default())?;
    let address = runtime.block_on(broker.listen(&"127.0.0.1:0".parse()?))?;
    println!("others may join at {address}");

    let (display, mut inbox) = broker.client("plant.display")?;
    runtime.block_on(async { display.subscribe(&["temperature/#"]).await })?;

    let (sensor, _) = broker.client("plant.sensor")?;
    let handle = runtime.handle().clone();
    let measuring = thread::spawn(move || handle.block_on(measure(sensor)));

    for _ in 0..3 {
        let frame = runtime.block_on(inbox.recv()).ok_or("the bus is closed")?;
        let value = String::from_utf8_lossy(frame.payload());
        println!(
            "{} {} from {}",
            frame.topic().unwrap_or_default(),
            value,
            frame.sender()
        );
    }
    measuring.join().map_err(|_| "the sensor's thread panicked")??;
    runtime.block_on(broker.shutdown());
    Ok(())
}

async fn measure(sensor: Client) -> Result<(), elbus::client::Error> {
    for value in ["21.4", "21.5", "21.7"] {
        sensor.publish("temperature/hall", value).await?;
    }
    Ok(())
}
