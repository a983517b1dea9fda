//! How calls end that get no reply: nobody waits for ever, and nothing is left behind.
use std::{
    future::IntoFuture,
    time::{Duration, Instant},
};

use elbus_client::{Code, Error};
use elbus_rpc::{CallError, Failure, Service};

use crate::common::{LONG, Link, eventually, nothing_is_left, on_every_link, options, silent, soon};

#[test]
fn a_call_ends_when_its_target_leaves_the_bus() {
    on_every_link(async |bus| {
        let (target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_millis(1)))
            .await;
        // One call begins before anybody watches, the other one afterwards.
        for n in 0..2 {
            let (target, mut inbox) = match n {
                0 => (
                    target.clone(),
                    std::mem::replace(&mut inbox, bus.client("unused").await.1),
                ),
                _ => silent(&bus, "target").await,
            };
            let calling = tokio::spawn({
                let rpc = rpc.clone();
                async move { rpc.call::<_, ()>("target", "x", &()).timeout(LONG).await }
            });
            soon("the request", inbox.recv()).await.unwrap();
            soon("the target leaves", target.close()).await.unwrap();
            assert_eq!(
                soon("the call's end", calling).await.unwrap(),
                Err(CallError::TargetLeft {
                    target: "target".to_owned()
                })
            );
        }
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn a_call_ends_when_its_target_has_left_before_anybody_watched() {
    on_every_link(async |bus| {
        let (target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_millis(50)))
            .await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target", "x", &()).timeout(LONG).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        assert!(bus.test.broker.disconnect("target"));
        drop((target, inbox));
        assert_eq!(
            soon("the call's end", calling).await.unwrap(),
            Err(CallError::TargetLeft {
                target: "target".to_owned()
            })
        );
    });
}

#[test]
fn a_call_to_a_secondary_ends_when_its_primary_leaves() {
    on_every_link(async |bus| {
        let (primary, _inbox) = silent(&bus, "target").await;
        let (_secondary, mut inbox) = bus.client("target%%1").await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_millis(1)))
            .await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target%%1", "x", &()).timeout(LONG).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        soon("the primary leaves", primary.close()).await.unwrap();
        let ended = soon("the call's end", calling).await.unwrap();
        assert!(matches!(ended, Err(CallError::TargetLeft { .. })), "{ended:?}");
    });
}

#[test]
fn nobody_is_subscribed_to_announcements_unless_a_call_takes_long() {
    on_every_link(async |bus| {
        async fn ping(_: (), (): ()) -> Result<(), Failure> {
            Ok(())
        }
        let _service = bus.serve("service", Service::new(()).method("ping", ping)).await;
        let _silent = silent(&bus, "silent").await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_secs(3600)))
            .await;
        for _ in 0..100 {
            rpc.call::<_, ()>("service", "ping", &()).await.unwrap();
        }
        let subscriptions = || bus.test.broker.clients().len();
        let before = subscriptions();
        assert_eq!(list(&rpc).await, 0);
        drop(rpc);
        eventually("the client leaves", || subscriptions() < before).await;
        let rpc = bus
            .start("panel", options().watch_after(Duration::from_millis(1)))
            .await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("silent", "x", &()).timeout(LONG).await }
        });
        soon("somebody watches", async {
            while list(&rpc).await == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        calling.abort();
    });

    /// How many filters of `panel` the broker knows.
    async fn list(rpc: &elbus_rpc::Rpc) -> usize {
        #[derive(serde::Serialize)]
        struct Params<'a> {
            client: &'a str,
        }
        let list: serde_json::Value = rpc
            .call(".broker", "subscription.list", &Params { client: "panel" })
            .await
            .unwrap();
        list["subscriptions"].as_array().unwrap().len()
    }
}

#[test]
fn a_call_ends_when_the_own_connection_is_lost() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target", "x", &()).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        assert!(bus.test.broker.disconnect("panel"));
        let expected = match bus.link {
            Link::Process => Error::Closed,
            Link::Socket(_) => Error::ConnectionLost,
        };
        assert_eq!(
            soon("the call's end", calling).await.unwrap(),
            Err(CallError::Transport(expected))
        );
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn a_call_ends_when_the_client_is_closed_and_none_begins_afterwards() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target", "x", &()).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        drop(rpc.client().close());
        let ended = soon("the call's end", calling).await.unwrap();
        assert!(matches!(ended, Err(CallError::Transport(_))), "{ended:?}");
        let after = rpc.call::<_, ()>("target", "x", &()).await;
        assert_eq!(after, Err(CallError::Transport(Error::Closed)));
    });
}

#[test]
fn a_client_leaves_the_bus_when_every_handle_is_dropped() {
    on_every_link(async |bus| {
        let rpc = bus.caller("panel").await;
        let other = rpc.clone();
        drop(rpc);
        assert!(
            other
                .call::<_, serde::de::IgnoredAny>(".broker", "test", &())
                .await
                .is_ok()
        );
        drop(other);
        eventually("it leaves", || bus.test.broker.clients().is_empty()).await;
    });
}

#[test]
fn a_dropped_call_leaves_no_entry() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target", "x", &()).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        assert!(rpc.stats().calls_pending >= 1);
        calling.abort();
        assert!(soon("the task's end", calling).await.is_err());
        nothing_is_left(&rpc).await;
    });
}

#[test]
fn of_100_000_calls_answered_timed_out_or_cancelled_none_leaves_an_entry() {
    const CALLS: u32 = 100_000;
    const AT_ONCE: u32 = 2000;
    on_every_link(async |bus| {
        async fn answer(_: (), n: u32) -> Result<u32, Failure> {
            Ok(n)
        }
        let service = options()
            .service(Service::new(()).method("answer", answer))
            .waiting_requests(AT_ONCE as usize);
        let _service = bus.start("service", service).await;
        let (_silent, mut inbox) = silent(&bus, "silent").await;
        tokio::spawn(async move { while inbox.recv().await.is_some() {} });
        let rpc = bus.caller("panel").await;
        let begin = Instant::now();
        for from in (0..CALLS).step_by(AT_ONCE as usize) {
            let mut calls = tokio::task::JoinSet::new();
            for n in from..from + AT_ONCE {
                let rpc = rpc.clone();
                calls.spawn(async move {
                    let limit = Duration::from_millis(5);
                    match n % 3 {
                        0 => {
                            let answered = rpc.call::<_, u32>("service", "answer", &n).await;
                            assert_eq!(answered, Ok(n));
                        }
                        1 => {
                            let late = rpc.call::<_, u32>("silent", "x", &n).timeout(limit).await;
                            assert_eq!(late, Err(CallError::TimedOut { limit }));
                        }
                        _ => {
                            let call = rpc.call::<_, u32>("silent", "x", &n).into_future();
                            assert!(tokio::time::timeout(limit, call).await.is_err());
                        }
                    }
                });
            }
            calls.join_all().await;
        }
        println!("{CALLS} calls in {:?}", begin.elapsed());
        nothing_is_left(&rpc).await;
        assert_eq!(rpc.stats().strays, 0);
    });
}

#[test]
fn a_layer_on_a_broker_that_shuts_down_ends_every_call() {
    on_every_link(async |bus| {
        let (_target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call::<_, ()>("target", "x", &()).await }
        });
        soon("the request", inbox.recv()).await.unwrap();
        soon("the shutdown", bus.test.broker.shutdown()).await;
        let ended = soon("the call's end", calling).await.unwrap().unwrap_err();
        assert!(
            matches!(
                ended,
                CallError::Transport(_) | CallError::Refused(Code::NotRegistered)
            ),
            "{ended}"
        );
    });
}
