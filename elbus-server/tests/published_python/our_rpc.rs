//! The published Python clients call a service of our own library, and it calls them.
use bytes::Bytes;
use elbus_client::Options;
use elbus_rpc::{Arrival, CallError, Context, CursorId, Cursors, Failure, Rpc, Service, code, raw};
use serde::Deserialize;
use tempfile::tempdir;
use tokio::runtime::Runtime;

use crate::{finish, start, support::Server};

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

async fn add(_: Cursors, Add { a, b }: Add) -> Result<i64, Failure> {
    Ok(a + b)
}

async fn caller(_: Cursors, (): (), context: Context) -> Result<String, Failure> {
    Ok(context.caller().to_owned())
}

async fn echo(_: Cursors, params: Bytes) -> Result<Bytes, Failure> {
    Ok(params)
}

async fn fail(_: Cursors, (): ()) -> Result<(), Failure> {
    Err(Failure::new(17, "on purpose"))
}

async fn panics(_: Cursors, (): ()) -> Result<(), Failure> {
    panic!("on purpose");
}

async fn count(cursors: Cursors, records: u32) -> Result<CursorId, Failure> {
    cursors.open(0..records)
}

/// Calls what the program in Python serves, and answers how often.
async fn ask_back(_: Cursors, (): (), context: Context) -> Result<i64, Failure> {
    const CALLS: i64 = 50;
    let (rpc, caller) = (context.rpc(), context.caller());
    for n in 0..CALLS {
        let sum: i64 = rpc.call(caller, "add", &[n, 1]).await?;
        expect(&sum, &(n + 1))?;
    }
    // A method of theirs that returns nothing answers no bytes.
    rpc.call::<_, ()>(caller, "nothing", &()).await?;
    expect(&rpc.call_raw(caller, "nothing", b"").await?.len(), &0)?;
    match rpc.call::<_, ()>(caller, "unknown", &()).await {
        Err(CallError::Service(failure)) => expect(&failure.code(), &code::METHOD_NOT_FOUND)?,
        other => return Err(Failure::internal(format_args!("{other:?}"))),
    }
    Ok(CALLS)
}

fn expect<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    Err(Failure::internal(format_args!(
        "{expected:?} expected, got {got:?}"
    )))
}

async fn note(_: Cursors, notification: Arrival) {
    let noted = [b"noted: ", notification.payload()].concat();
    notification
        .rpc()
        .notify(notification.sender(), noted)
        .await
        .unwrap();
}

fn service() -> Service<Cursors> {
    let cursors = Cursors::new();
    Service::new(cursors.clone())
        .cursors(&cursors)
        .method("add", add)
        .method("caller", caller)
        .method("echo", raw(echo))
        .method("fail", fail)
        .method("panic", panics)
        .method("count", count)
        .method("ask_back", ask_back)
        .on_notification(note)
}

/// The service at one of the server's addresses, the programs at both.
fn check(transport: usize) {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let runtime = Runtime::new().unwrap();
    let _service: Rpc = runtime.block_on(async {
        let address = server.addresses[transport].clone();
        let (client, inbox) = Options::new("rust.service")
            .address(address)
            .connect()
            .await
            .unwrap();
        service().start(client, inbox).unwrap()
    });
    let [unix, tcp] = [0, 1].map(|n: usize| server.addresses[n].to_string());
    finish(start("our_rpc.py", &[&unix, &tcp]));
}

#[test]
fn clients_and_our_service_on_a_unix_socket_call_each_other() {
    check(0);
}

#[test]
fn clients_and_our_service_on_tcp_call_each_other() {
    check(1);
}
