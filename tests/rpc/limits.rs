//! Limits at their boundary, and settings that make no sense.
use std::time::Duration;

use elbus_rpc::{CallError, Options, StartError};

use crate::common::{in_process, nothing_is_left, on_every_link, options, silent, soon};

#[test]
fn as_many_calls_wait_as_the_limit_and_one_more_fails_at_once() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "silent").await;
        let rpc = bus.start("panel", options().calls_limit(3)).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let rpc = rpc.clone();
            calls.spawn(async move { rpc.call::<_, ()>("silent", "x", &()).await });
        }
        for _ in 0..3 {
            soon("a request", inbox.recv()).await.unwrap();
        }
        let refused = rpc.call::<_, ()>("silent", "x", &()).await;
        assert_eq!(refused, Err(CallError::TooManyCalls { limit: 3 }));
        calls.shutdown().await;
        nothing_is_left(&rpc).await;
        let limit = Duration::from_millis(1);
        let granted = rpc.call::<_, ()>("silent", "x", &()).timeout(limit).await;
        assert_eq!(granted, Err(CallError::TimedOut { limit }));
    });
}

#[test]
fn bytes_that_wait_are_bounded_too() {
    on_every_link(async |bus| {
        let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        let service = elbus_rpc::Service::new(gate.clone()).method(
            "wait",
            elbus_rpc::raw(
                async |gate: std::sync::Arc<tokio::sync::Semaphore>, _: bytes::Bytes| {
                    gate.acquire().await.unwrap().forget();
                    Ok::<_, elbus_rpc::Failure>(bytes::Bytes::new())
                },
            ),
        );
        let limits = options().concurrent(1).waiting_bytes(1000);
        let service = bus.start("service", limits.service(service)).await;
        let rpc = bus.caller("panel").await;
        // One runs, and one that is larger than the limit waits.
        let mut calls = tokio::task::JoinSet::new();
        for n in 0..2 {
            let other = rpc.clone();
            calls.spawn(async move { other.call_raw("service", "wait", [7; 2000]).await });
            crate::common::eventually("it is taken", || {
                let stats = service.stats();
                stats.requests_running == 1 && stats.requests_waiting == n
            })
            .await;
        }
        let refused = rpc.call_raw("service", "wait", b"").await.unwrap_err();
        let code = refused.failure().unwrap().bus_code();
        assert_eq!(code, Some(elbus_client::Code::Busy));
        gate.add_permits(2);
        for result in soon("both replies", calls.join_all()).await {
            assert!(result.is_ok());
        }
    });
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    in_process(async |bus| {
        type Change = fn(Options) -> Options;
        let cases: [(&str, Change); 7] = [
            ("timeout", |options| options.timeout(Duration::ZERO)),
            ("calls_limit", |options| options.calls_limit(0)),
            ("watch_after", |options| options.watch_after(Duration::ZERO)),
            ("concurrent", |options| options.concurrent(0)),
            ("waiting_requests", |options| options.waiting_requests(usize::MAX)),
            ("waiting_events", |options| options.waiting_events(0)),
            ("waiting_bytes", |options| options.waiting_bytes(0)),
        ];
        for (name, change) in cases {
            let (client, inbox) = bus.client("panel").await;
            match change(Options::new()).start(client, inbox) {
                Err(StartError::Setting { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    });
}

#[test]
fn a_limit_longer_than_the_clock_counts_is_none() {
    in_process(async |bus| {
        let rpc = bus.caller("panel").await;
        let call = rpc.call::<_, serde::de::IgnoredAny>(".broker", "test", &());
        assert!(call.timeout(Duration::MAX).await.is_ok());
    });
}
