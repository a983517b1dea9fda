//! Handlers: how many run, what waits, what is refused, and what happens when they fail.
use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use elbus_client::Code;
use elbus_rpc::{CallError, Context, Failure, Rpc, Service, code, typed};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::common::{Bus, eventually, in_process, on_every_link, options, soon};

/// A gate that handlers wait at, and how many do.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gate {
    fn closed() -> Self {
        Self {
            open: Arc::new(Semaphore::new(0)),
            inside: Arc::default(),
            most: Arc::default(),
        }
    }

    async fn pass(&self) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(inside, SeqCst);
        let permit = self.open.acquire().await.unwrap();
        permit.forget();
        self.inside.fetch_sub(1, SeqCst);
    }

    async fn has_inside(&self, n: usize) {
        eventually("handlers begin", || self.inside.load(SeqCst) == n).await;
    }
}

async fn wait(gate: Gate, n: u32) -> Result<u32, Failure> {
    gate.pass().await;
    Ok(n)
}

async fn quick(_: Gate, (): ()) -> Result<(), Failure> {
    Ok(())
}

fn gated(gate: &Gate) -> Service<Gate> {
    Service::new(gate.clone())
        .method("wait", wait)
        .method("narrow", typed(wait).concurrent(1))
        .method("quick", quick)
}

/// Calls so often, at the same time.
fn call_all(rpc: &Rpc, method: &'static str, calls: u32) -> JoinSet<Result<u32, CallError>> {
    let mut all = JoinSet::new();
    for n in 0..calls {
        let rpc = rpc.clone();
        all.spawn(async move { rpc.call("service", method, &n).await });
    }
    all
}

fn is_busy(result: &Result<u32, CallError>) -> bool {
    let failure = result.as_ref().err().and_then(CallError::failure);
    failure.and_then(Failure::bus_code) == Some(Code::Busy)
}

#[test]
fn as_many_handlers_run_as_the_limit_and_as_many_wait_and_the_next_is_told_busy_at_once() {
    on_every_link(async |bus| {
        let gate = Gate::closed();
        let limits = options().concurrent(3).waiting_requests(2);
        let service = bus.start("service", limits.service(gated(&gate))).await;
        let rpc = bus.caller("panel").await;
        let mut calls = call_all(&rpc, "wait", 5);
        gate.has_inside(3).await;
        eventually("two wait", || service.stats().requests_waiting == 2).await;
        for n in 0..100 {
            let refused = soon("busy", rpc.call("service", "wait", &n).into_future()).await;
            assert!(is_busy(&refused), "{refused:?}");
        }
        assert_eq!(service.stats().requests_refused, 100);
        gate.open.add_permits(5);
        while let Some(result) = soon("a reply", calls.join_next()).await {
            assert!(result.unwrap().is_ok());
        }
        assert_eq!(gate.most.load(SeqCst), 3);
        eventually("nothing is left", || {
            let stats = service.stats();
            stats.requests_running == 0 && stats.requests_waiting == 0
        })
        .await;
    });
}

#[test]
fn a_method_with_a_limit_of_its_own_does_not_hold_the_others_up() {
    on_every_link(async |bus| {
        let gate = Gate::closed();
        let service = bus
            .start("service", options().concurrent(1).service(gated(&gate)))
            .await;
        let rpc = bus.caller("panel").await;
        let mut calls = call_all(&rpc, "narrow", 10);
        gate.has_inside(1).await;
        eventually("the others wait", || service.stats().requests_waiting == 9).await;
        for _ in 0..10 {
            soon(
                "a reply",
                rpc.call::<_, ()>("service", "quick", &()).into_future(),
            )
            .await
            .unwrap();
        }
        gate.open.add_permits(10);
        while let Some(result) = soon("a reply", calls.join_next()).await {
            assert!(result.unwrap().is_ok());
        }
        assert_eq!(gate.most.load(SeqCst), 1);
    });
}

#[test]
fn in_order_each_handler_begins_when_the_one_before_it_has_ended() {
    on_every_link(async |bus| {
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let service =
            Service::new(log.clone()).method("note", async |log: Arc<std::sync::Mutex<Vec<u32>>>, n: u32| {
                log.lock().unwrap().push(n);
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                log.lock().unwrap().push(n);
                Ok::<_, Failure>(())
            });
        let _service = bus.start("service", options().in_order().service(service)).await;
        let rpc = bus.caller("panel").await;
        for n in 0..500_u32 {
            rpc.call0("service", "note", &n).await.unwrap();
        }
        eventually("all are handled", || log.lock().unwrap().len() == 1000).await;
        let expected: Vec<u32> = (0..500).flat_map(|n| [n, n]).collect();
        assert_eq!(*log.lock().unwrap(), expected);
    });
}

#[test]
fn a_handler_that_panics_says_so_and_the_others_go_on() {
    on_every_link(async |bus| {
        async fn fail(_: (), late: bool) -> Result<(), Failure> {
            if late {
                tokio::task::yield_now().await;
            }
            panic!("on purpose");
        }
        let service = Service::new(()).method("fail", fail);
        let service = bus
            .start("service", options().concurrent(2).service(service))
            .await;
        let rpc = bus.caller("panel").await;
        for n in 0..20 {
            let call = rpc.call::<_, ()>("service", "fail", &(n % 2 == 0)).into_future();
            let error = soon("a reply", call).await.unwrap_err();
            assert_eq!(
                error.failure().map(Failure::code),
                Some(code::INTERNAL),
                "{error}"
            );
        }
        eventually("nothing is left", || service.stats().requests_running == 0).await;
    });
}

#[test]
fn handlers_that_are_cancelled_with_their_runtime_say_so() {
    on_every_link(async |bus| {
        let gate = Gate::closed();
        let (client, inbox) = bus.client("service").await;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let limits = options().concurrent(1);
        let service = {
            let _inside = runtime.enter();
            limits.service(gated(&gate)).start(client, inbox).unwrap()
        };
        let rpc = bus.caller("panel").await;
        let mut calls = call_all(&rpc, "wait", 500);
        gate.has_inside(1).await;
        eventually("the others wait", || service.stats().requests_waiting == 499).await;
        runtime.shutdown_background();
        while let Some(result) = soon("a reply", calls.join_next()).await {
            let error = result.unwrap().unwrap_err();
            assert_eq!(
                error.failure().map(Failure::code),
                Some(code::INTERNAL),
                "{error}"
            );
        }
    });
}

/// Answers by asking its caller.
async fn ask_back(_: (), depth: u32, context: Context) -> Result<u32, Failure> {
    if depth == 0 {
        return Ok(0);
    }
    let below: u32 = context.rpc().call(context.caller(), "ask", &(depth - 1)).await?;
    Ok(below + 1)
}

fn asking() -> Service<()> {
    Service::new(()).method("ask", ask_back)
}

async fn pair(bus: &Bus, concurrent: usize) -> (Rpc, Rpc) {
    let limits = || {
        options()
            .concurrent(concurrent)
            .waiting_requests(4096)
            .service(asking())
    };
    (
        bus.start("service", limits()).await,
        bus.start("twin", limits()).await,
    )
}

#[test]
fn a_handler_calls_its_caller_back_over_the_same_connection() {
    on_every_link(async |bus| {
        let (_service, twin) = pair(&bus, 64).await;
        assert_eq!(
            soon("the reply", twin.call("service", "ask", &20).into_future()).await,
            Ok(20)
        );
    });
}

#[test]
fn services_that_call_each_other_in_turns_do_not_lock_however_few_handlers_may_run() {
    on_every_link(async |bus| {
        for concurrent in [1, 8] {
            let (service, twin) = pair(&bus, concurrent).await;
            let mut calls = JoinSet::new();
            for _ in 0..100 {
                for (caller, target) in [(service.clone(), "twin"), (twin.clone(), "service")] {
                    calls.spawn(async move { caller.call::<_, u32>(target, "ask", &6).await });
                }
            }
            while let Some(result) = soon("a reply", calls.join_next()).await {
                assert_eq!(result.unwrap(), Ok(6));
            }
            drop((service, twin));
            eventually("both leave", || bus.test.broker.clients().is_empty()).await;
        }
    });
}

#[test]
fn a_service_whose_handlers_are_all_held_up_goes_on_reading_replies() {
    on_every_link(async |bus| {
        let gate = Gate::closed();
        let limits = options().concurrent(1).waiting_requests(0);
        let service = bus.start("service", limits.service(gated(&gate))).await;
        let rpc = bus.caller("panel").await;
        let held = call_all(&rpc, "wait", 1);
        gate.has_inside(1).await;
        for _ in 0..100 {
            let test = service.call::<_, serde::de::IgnoredAny>(".broker", "test", &());
            assert!(soon("a reply", test.into_future()).await.is_ok());
        }
        gate.open.add_permits(1);
        assert_eq!(soon("the end", held.join_all()).await, [Ok(0)]);
    });
}

#[test]
fn a_handler_that_gives_its_calls_away_or_drops_them_keeps_the_accounts() {
    in_process(async |bus| {
        async fn scatter(_: (), (): (), context: Context) -> Result<(), Failure> {
            let rpc = context.rpc().clone();
            // Polled here, ended in another task, after this handler is over.
            let mut given_away = Box::pin(async move { rpc.call::<_, ()>("silent", "x", &()).await });
            let limit = Duration::from_millis(1);
            assert!(tokio::time::timeout(limit, &mut given_away).await.is_err());
            tokio::spawn(tokio::time::timeout(Duration::from_millis(20), given_away));
            // Dropped here.
            let dropped = context.rpc().call::<_, ()>("silent", "x", &()).into_future();
            assert!(tokio::time::timeout(limit, dropped).await.is_err());
            Ok(())
        }
        let _silent = bus.client("silent").await;
        let service = Service::new(()).method("scatter", scatter);
        let service = bus
            .start("service", options().concurrent(2).service(service))
            .await;
        let rpc = bus.caller("panel").await;
        for _ in 0..20 {
            assert_eq!(rpc.call("service", "scatter", &()).await, Ok(()));
        }
        eventually("nothing is left", || {
            let stats = service.stats();
            stats.requests_running == 0 && stats.calls_pending == 0
        })
        .await;
    });
}
