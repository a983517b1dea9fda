//! Calls, notifications and what they say.
use std::{future::IntoFuture, time::Duration};

use bytes::Bytes;
use elbus_client::{Code, Error, Kind, Outcome, Qos};
use elbus_rpc::{CallError, Context, Failure, Payload, Service, code, decode, raw};
use serde::{Deserialize, Serialize};

use crate::common::{LONG, nothing_is_left, on_every_link, silent, soon};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

async fn add(_: (), params: Add) -> Result<i64, Failure> {
    Ok(params.a + params.b)
}

async fn echo(_: (), params: Bytes) -> Result<Bytes, Failure> {
    Ok(params)
}

#[test]
fn a_call_yields_the_result_typed_or_raw() {
    on_every_link(async |bus| {
        let service = Service::new(()).method("add", add).method("echo", raw(echo));
        let _service = bus.serve("calculator", service).await;
        let rpc = bus.caller("panel").await;
        assert_eq!(rpc.call("calculator", "add", &Add { a: 20, b: 22 }).await, Ok(42));
        for len in [0, 1, 5000, 3_000_000] {
            let bytes = vec![7; len];
            let echoed = soon(
                "an echo",
                rpc.call_raw("calculator", "echo", &bytes).into_future(),
            )
            .await;
            assert_eq!(echoed.unwrap(), bytes);
        }
    });
}

#[test]
fn many_calls_are_in_flight_at_once_and_each_gets_its_own_reply() {
    on_every_link(async |bus| {
        let _service = bus.serve("calculator", Service::new(()).method("add", add)).await;
        let rpc = bus.caller("panel").await;
        let mut calls = tokio::task::JoinSet::new();
        for a in 0..500 {
            let rpc = rpc.clone();
            calls.spawn(async move {
                let sum: i64 = rpc.call("calculator", "add", &Add { a, b: 1 }).await.unwrap();
                assert_eq!(sum, a + 1);
            });
        }
        soon("all replies", calls.join_all()).await;
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn a_call_to_nobody_fails_at_once() {
    on_every_link(async |bus| {
        let rpc = bus.caller("panel").await;
        let error = soon("a refusal", rpc.call::<_, ()>("nobody", "add", &()).into_future())
            .await
            .unwrap_err();
        assert_eq!(error, CallError::Refused(Code::NotRegistered));
        assert_eq!(error.outcome(), Outcome::Refused);
        assert_eq!(
            rpc.call0("nobody", "add", &()).await,
            Err(CallError::Refused(Code::NotRegistered))
        );
        assert_eq!(
            rpc.notify("nobody", "hello").await,
            Err(CallError::Refused(Code::NotRegistered))
        );
        let malformed = rpc.call::<_, ()>("no*body", "add", &()).await.unwrap_err();
        assert!(
            matches!(
                malformed,
                CallError::Transport(Error::Name { .. })
                    | CallError::Refused(Code::Data | Code::NotRegistered)
            ),
            "{malformed}"
        );
        assert_eq!(
            rpc.call::<_, ()>("panel", "a\0b", &()).await,
            Err(CallError::Method {
                method: "a\0b".to_owned()
            })
        );
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn a_service_error_comes_with_its_code_and_its_bytes() {
    on_every_link(async |bus| {
        async fn fail(_: (), (): ()) -> Result<(), Failure> {
            Err(Failure::new(-7, &b"\xff no text"[..]))
        }
        let _service = bus.serve("service", Service::new(()).method("fail", fail)).await;
        let rpc = bus.caller("panel").await;
        let error = rpc.call::<_, ()>("service", "fail", &()).await.unwrap_err();
        let failure = error.failure().unwrap();
        assert_eq!(
            (failure.code(), &failure.reason()[..]),
            (-7, &b"\xff no text"[..])
        );
        assert_eq!(error.outcome(), Outcome::Unknown);
        let error = rpc.call::<_, ()>("service", "other", &()).await.unwrap_err();
        assert_eq!(error.failure().map(Failure::code), Some(code::METHOD_NOT_FOUND));
        assert_eq!(error.outcome(), Outcome::Refused);
    });
}

#[test]
fn a_result_that_is_something_else_is_an_error_that_names_the_field() {
    on_every_link(async |bus| {
        let _service = bus.serve("calculator", Service::new(()).method("add", add)).await;
        let rpc = bus.caller("panel").await;
        let result = rpc
            .call::<_, String>("calculator", "add", &Add { a: 1, b: 2 })
            .await;
        assert!(matches!(result, Err(CallError::Decode { .. })), "{result:?}");
        let list: Result<Vec<u8>, _> = rpc.call(".broker", "client.list", &()).await;
        assert!(matches!(list, Err(CallError::Decode { .. })), "{list:?}");
    });
}

#[test]
fn a_deadline_ends_a_call_whose_target_is_silent() {
    on_every_link(async |bus| {
        let _silent = silent(&bus, "silent").await;
        let rpc = bus.caller("panel").await;
        let limit = Duration::from_millis(30);
        let begin = std::time::Instant::now();
        let result = rpc.call::<_, ()>("silent", "x", &()).timeout(limit).await;
        assert_eq!(result, Err(CallError::TimedOut { limit }));
        assert!(begin.elapsed() >= limit);
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn requests_without_a_reply_and_notifications_are_what_the_protocol_says() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        rpc.call0("target", "start", &()).await.unwrap();
        rpc.call0_raw("target", "start", b"any").await.unwrap();
        rpc.notify("target", "look").await.unwrap();
        let mut next = async || soon("a message", inbox.recv()).await.unwrap();
        assert_eq!(&next().await.payload()[..], b"\x01\0\0\0\0start\0\x80");
        assert_eq!(&next().await.payload()[..], b"\x01\0\0\0\0start\0any");
        let frame = next().await;
        assert_eq!(
            (frame.kind(), frame.sender(), &frame.payload()[..]),
            (Kind::Message, "panel", &b"\0look"[..])
        );
    });
}

#[test]
fn a_real_time_request_gets_a_real_time_reply() {
    on_every_link(async |bus| {
        async fn ask(_: (), (): (), context: Context) -> Result<bool, Failure> {
            Ok(context.is_realtime())
        }
        let _service = bus.serve("service", Service::new(()).method("ask", ask)).await;
        let rpc = bus.caller("panel").await;
        assert_eq!(rpc.call("service", "ask", &()).realtime().await, Ok(true));
        assert_eq!(rpc.call("service", "ask", &()).await, Ok(false));
        // The same by hand: what comes back is marked.
        let (client, mut inbox) = bus.client("by.hand").await;
        for (qos, realtime) in [(Qos::RealtimeProcessed, true), (Qos::Processed, false)] {
            client
                .send("service", &b"\x01\x09\0\0\0ask\0"[..])
                .qos(qos)
                .await
                .unwrap();
            let frame = soon("a reply", inbox.recv()).await.unwrap();
            assert_eq!(frame.is_realtime(), realtime);
            assert!(matches!(
                decode(frame.payload()),
                Ok(Payload::Reply { id: 9, .. })
            ));
        }
    });
}

#[test]
fn a_call_to_oneself_works_too() {
    on_every_link(async |bus| {
        let rpc = bus.serve("self", Service::new(()).method("add", add)).await;
        let sum = soon(
            "a reply",
            rpc.call::<_, i64>("self", "add", &Add { a: 1, b: 2 })
                .timeout(LONG)
                .into_future(),
        );
        assert_eq!(sum.await, Ok(3));
    });
}
