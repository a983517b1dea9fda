//! A large result, paged through: one record at a time, and many at once.
//!
//! `cargo run --features full --example cursor` prints what the client reads and ends.
use std::error::Error;

use elbus::{
    broker::{Broker, Config},
    rpc::{CursorId, Cursors, Failure, Rpc, Service, typed},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Customer {
    id: u32,
    name: String,
}

/// Answers with a cursor; what stands behind it may as well be the rows of a database, as a stream.
async fn customers(cursors: Cursors, (): ()) -> Result<CursorId, Failure> {
    cursors.open((1..=100_000).map(|id| Customer {
        id,
        name: format!("Customer {id}"),
    }))
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

    let cursors = Cursors::new();
    let (client, inbox) = broker.client("db")?;
    let service = Service::new(cursors.clone()).cursors(&cursors).method(
        "customers",
        typed(customers).description("A cursor of all customers."),
    );
    let _db = service.start(client, inbox)?;

    let (client, inbox) = broker.client("panel")?;
    let rpc = Rpc::new(client, inbox);
    let mut one_by_one = rpc.records::<_, Customer>("db", "customers", &());
    for _ in 0..3 {
        if let Some(customer) = one_by_one.next().await {
            let Customer { id, name } = customer?;
            println!("{id}: {name}");
        }
    }

    let mut count = 0;
    let mut in_bulk = rpc.records::<_, Customer>("db", "customers", &()).bulk(1000);
    while let Some(customer) = in_bulk.next().await {
        count += u32::from(customer?.id > 0);
    }
    println!("{count} customers, a thousand at a time");
    broker.shutdown().await;
    Ok(())
}
