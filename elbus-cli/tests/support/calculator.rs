//! A service to be called.
use std::future::pending;

use bytes::Bytes;
use elbus_rpc::{Context, Failure, Rpc, Service, raw, typed};
use serde::Deserialize;

use super::Bus;

#[derive(Deserialize)]
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

async fn echo(_: (), params: Bytes) -> Result<Bytes, Failure> {
    Ok(params)
}

/// Answers with the code -1 and a reason of any bytes.
async fn fail(_: (), reason: Bytes) -> Result<Bytes, Failure> {
    Err(Failure::new(-1, reason))
}

async fn never(_: (), _: (), _: Context) -> Result<(), Failure> {
    pending().await
}

/// The service of the README, under the name `calculator`.
pub(crate) fn arithmetic(bus: &Bus) -> Rpc {
    bus.serve("calculator", two_methods())
}

/// The same with the methods `echo`, `fail` and `never`.
pub(crate) fn calculator(bus: &Bus) -> Rpc {
    let service = two_methods()
        .method("echo", raw(echo).description("Answers what it is given."))
        .method("fail", raw(fail))
        .method("never", never);
    bus.serve("calculator", service)
}

fn two_methods() -> Service<()> {
    Service::new(())
        .method("add", typed(add).description("Adds b to a."))
        .method("divide", typed(divide).description("Divides a by b."))
}
