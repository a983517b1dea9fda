//! A typed service with two methods. `cargo run --features rpc --example service` serves on the bus at the default
//! address; `… --example service -- call` calls it, and so does `elbus-cli rpc call calculator add a=1 b=2`.
use elbus::client::Client;
use elbus::rpc::{Failure, Rpc, Service, typed};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Pair {
    a: i64,
    b: i64,
}

async fn add(_: (), Pair { a, b }: Pair) -> Result<i64, Failure> {
    a.checked_add(b).ok_or_else(|| Failure::new(1, "too large"))
}

async fn divide(_: (), Pair { a, b }: Pair) -> Result<i64, Failure> {
    a.checked_div(b).ok_or_else(|| Failure::invalid_params("b: is 0"))
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() == Some("call") {
        let (client, inbox) = Client::connect("panel").await?;
        let rpc = Rpc::new(client, inbox);
        let sum: i64 = rpc.call("calculator", "add", &Pair { a: 1, b: 2 }).await?;
        println!("1 + 2 = {sum}");
        return Ok(());
    }
    let (client, inbox) = Client::connect("calculator").await?;
    let service = Service::new(())
        .method("add", typed(add).description("Adds b to a."))
        .method("divide", typed(divide).description("Divides a by b."));
    Ok(service.serve(client, inbox).await?)
}
