//! A published broker as a program, for tests in other languages: prints where it listens, a path and a TCP address, and
//! ends with its standard input. `cargo run --example broker elbus` or `busrt`.
use std::{
    error::Error,
    io::{self, Read},
};

use elbus_interop::{Broker, Transport};

fn main() -> Result<(), Box<dyn Error>> {
    let mut broker = match std::env::args().nth(1).as_deref() {
        Some("elbus") => Broker::elbusd(),
        Some("busrt") => Broker::busrtd(),
        _ => return Err("which broker? elbus or busrt".into()),
    };
    for transport in Transport::ALL {
        println!("{}", broker.address(transport));
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    broker.end();
    Ok(())
}
