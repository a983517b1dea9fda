//! Cursors: paging through large results.
use std::{future::IntoFuture, time::Duration};

use elbus_client::Code;
use elbus_rpc::{CallError, CursorId, Cursors, Failure, Records, Rpc, Service, code};
use serde::{Deserialize, Serialize};

use crate::common::{Bus, eventually, in_process, on_every_link, soon};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Customer {
    id: u32,
    name: String,
}

fn customer(id: u32) -> Customer {
    Customer {
        id,
        name: format!("customer {id}"),
    }
}

async fn customers(cursors: Cursors, count: u32) -> Result<CursorId, Failure> {
    cursors.open((0..count).map(customer))
}

async fn serve(bus: &Bus, cursors: &Cursors) -> Rpc {
    let service = Service::new(cursors.clone())
        .cursors(cursors)
        .method("customers", customers);
    bus.serve("db", service).await
}

async fn all(mut records: Records<Customer>) -> Vec<Customer> {
    let mut all = Vec::new();
    while let Some(record) = soon("a record", records.next()).await {
        all.push(record.unwrap());
    }
    all
}

fn code_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> i16 {
    result.unwrap_err().failure().unwrap().code()
}

#[test]
fn a_result_is_read_one_by_one_or_in_bulk_and_its_cursor_closed() {
    on_every_link(async |bus| {
        let cursors = Cursors::new();
        let _db = serve(&bus, &cursors).await;
        let rpc = bus.caller("panel").await;
        for count in [0, 1, 99, 100, 101, 250] {
            let expected: Vec<_> = (0..count).map(customer).collect();
            let records = || rpc.records::<_, Customer>("db", "customers", &count);
            assert_eq!(all(records()).await, expected);
            assert_eq!(all(records().bulk(100)).await, expected);
            assert_eq!(all(records().bulk(1)).await, expected);
        }
        assert!(cursors.is_empty());
    });
}

#[test]
fn the_wire_is_that_of_bus_rt() {
    in_process(async |bus| {
        let cursors = Cursors::new();
        let _db = serve(&bus, &cursors).await;
        let rpc = bus.caller("panel").await;
        let cursor = rpc.call_raw("db", "customers", b"\x03").await.unwrap();
        // {u: 16 bytes}
        assert_eq!((cursor.len(), &cursor[..5]), (21, &b"\x81\xa1u\xc4\x10"[..]));
        let record = rpc.call_raw("db", "N", &cursor).await.unwrap();
        assert_eq!(&record[..], b"\x82\xa2id\x00\xa4name\xaacustomer 0");
        let bulk = [b"\x82", &cursor[1..], b"\xa1n\x05"].concat();
        let records = rpc.call_raw("db", "NB", &bulk).await.unwrap();
        assert_eq!(records[0], 0x92);
        assert_eq!(code_of(rpc.call_raw("db", "N", &cursor).await), code::NOT_FOUND);
        let cursor = rpc.call_raw("db", "customers", b"\x00").await.unwrap();
        assert_eq!(rpc.call_raw("db", "N", &cursor).await.unwrap().len(), 0);
        assert_eq!(code_of(rpc.call_raw("db", "NB", &bulk).await), code::NOT_FOUND);
        assert_eq!(
            code_of(rpc.call_raw("db", "N", b"\x80").await),
            code::INVALID_PARAMS
        );
    });
}

#[test]
fn abandoned_cursors_expire_and_those_that_are_read_do_not() {
    on_every_link(async |bus| {
        let cursors = Cursors::new().time_to_live(Duration::from_secs(2));
        let _db = serve(&bus, &cursors).await;
        let rpc = bus.caller("panel").await;
        let mut read = rpc.records::<_, Customer>("db", "customers", &1_000_000);
        let abandoned: CursorId = rpc.call("db", "customers", &10).await.unwrap();
        soon("a record", read.next()).await.unwrap().unwrap();
        assert_eq!(cursors.len(), 2);
        soon("the abandoned one expires", async {
            while cursors.len() == 2 {
                soon("a record", read.next()).await.unwrap().unwrap();
                // The million must outlast the abandoned cursor.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert_eq!(
            code_of(rpc.call::<_, Customer>("db", "N", &abandoned).await),
            code::NOT_FOUND
        );
        soon("a record", read.next()).await.unwrap().unwrap();
        eventually("it expires when it is read no more", || cursors.is_empty()).await;
        let gone = soon("an error", read.next()).await.unwrap();
        assert_eq!(code_of(gone), code::NOT_FOUND);
        assert!(read.next().await.is_none());
    });
}

#[test]
fn cursors_and_bulks_are_bounded_and_nothing_is_lost_by_asking_for_too_much() {
    in_process(async |bus| {
        let cursors = Cursors::new().limit(2).bulk_limit(10).bulk_bytes_limit(60);
        let _db = serve(&bus, &cursors).await;
        let rpc = bus.caller("panel").await;
        let cursor: CursorId = rpc.call("db", "customers", &8).await.unwrap();
        let _second: CursorId = rpc.call("db", "customers", &8).await.unwrap();
        let third = rpc.call::<_, CursorId>("db", "customers", &8).await.unwrap_err();
        assert_eq!(third.failure().unwrap().bus_code(), Some(Code::Busy));
        let bytes = |n: u8| {
            let id = rmp_serde::to_vec_named(&cursor).unwrap();
            [b"\x82", &id[1..], b"\xa1n", &[n]].concat()
        };
        assert_eq!(
            code_of(rpc.call_raw("db", "NB", bytes(11)).await),
            code::INVALID_PARAMS
        );
        assert_eq!(
            code_of(rpc.call_raw("db", "NB", bytes(10)).await),
            code::INVALID_PARAMS
        );
        for first in [0, 2, 4, 6] {
            let two = rpc.call_raw("db", "NB", bytes(2)).await.unwrap();
            let two: Vec<Customer> = rmp_serde::from_slice(&two).unwrap();
            assert_eq!(two, [customer(first), customer(first + 1)]);
        }
        let none = rpc.call_raw("db", "NB", bytes(2)).await.unwrap();
        assert_eq!(&none[..], b"\x90");
        assert_eq!(cursors.len(), 1);
    });
}

#[test]
fn records_that_cannot_be_had_end_with_the_services_error() {
    on_every_link(async |bus| {
        let rpc = bus.caller("panel").await;
        let mut nobody = rpc.records::<_, Customer>("db", "customers", &1);
        let error = soon("an error", nobody.next()).await.unwrap().unwrap_err();
        assert_eq!(error, CallError::Refused(Code::NotRegistered));
        assert!(nobody.next().await.is_none());
        let cursors = Cursors::new().bulk_limit(10);
        let _db = serve(&bus, &cursors).await;
        let mut greedy = rpc.records::<_, Customer>("db", "customers", &1).bulk(11);
        let error = soon("an error", greedy.next()).await.unwrap();
        assert_eq!(code_of(error), code::INVALID_PARAMS);
        let call = rpc.call::<_, ()>("db", "unknown", &()).into_future();
        assert_eq!(code_of(soon("an error", call).await), code::METHOD_NOT_FOUND);
    });
}
