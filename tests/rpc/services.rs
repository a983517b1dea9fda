//! Typed services: params, results, errors, descriptions.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use elbus_rpc::{CallError, Context, Failure, Service, StartError, code, raw, typed};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{in_process, on_every_link, options};

#[derive(Default)]
struct Counter {
    total: AtomicU64,
}

#[derive(Serialize, Deserialize)]
struct Amounts {
    amounts: Vec<Amount>,
    #[serde(default)]
    note: String,
}

#[derive(Serialize, Deserialize)]
struct Amount {
    value: u64,
}

async fn add(counter: Arc<Counter>, params: Amounts) -> Result<u64, Failure> {
    let sum: u64 = params.amounts.iter().map(|amount| amount.value).sum();
    Ok(counter.total.fetch_add(sum, Relaxed) + sum)
}

async fn total(counter: Arc<Counter>, (): ()) -> Result<u64, Failure> {
    Ok(counter.total.load(Relaxed))
}

async fn who(_: Arc<Counter>, (): (), context: Context) -> Result<(String, String), Failure> {
    Ok((context.caller().to_owned(), context.primary_caller().to_owned()))
}

async fn reverse(_: Arc<Counter>, params: Bytes) -> Result<Vec<u8>, Failure> {
    Ok(params.iter().rev().copied().collect())
}

fn service() -> Service<Arc<Counter>> {
    Service::new(Arc::new(Counter::default()))
        .method("add", typed(add).description("Adds amounts to the total."))
        .method("total", typed(total).description("The total so far."))
        .method("who", who)
        .method(
            "reverse",
            raw(reverse).description("Bytes, backwards.").concurrent(2),
        )
}

fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> (i16, String) {
    match result {
        Err(CallError::Service(failure)) => (failure.code(), failure.text().into_owned()),
        other => panic!("no error of the service: {other:?}"),
    }
}

#[test]
fn methods_share_their_state_and_may_know_who_calls() {
    on_every_link(async |bus| {
        let _service = bus.serve("service", service()).await;
        let rpc = bus.caller("panel").await;
        let amounts = json!({"amounts": [{"value": 1}, {"value": 2}]});
        assert_eq!(rpc.call("service", "add", &amounts).await, Ok(3));
        assert_eq!(rpc.call("service", "add", &amounts).await, Ok(6));
        assert_eq!(rpc.call("service", "total", &()).await, Ok(6));
        assert_eq!(
            &rpc.call_raw("service", "reverse", b"abc").await.unwrap()[..],
            b"cba"
        );
        let secondary = bus.caller("panel%%2").await;
        let who: (String, String) = secondary.call("service", "who", &()).await.unwrap();
        assert_eq!(who, ("panel%%2".to_owned(), "panel".to_owned()));
    });
}

#[test]
fn params_in_every_form_of_none_are_none() {
    on_every_link(async |bus| {
        let _service = bus.serve("service", service()).await;
        let rpc = bus.caller("panel").await;
        for none in [&b""[..], b"\x80", b"\xc0"] {
            assert_eq!(&rpc.call_raw("service", "total", none).await.unwrap()[..], b"\0");
        }
    });
}

#[test]
fn a_wrong_param_is_named_wherever_it_stands() {
    on_every_link(async |bus| {
        let _service = bus.serve("service", service()).await;
        let rpc = bus.caller("panel").await;
        for (params, expected) in [
            (json!({}), "missing field `amounts`"),
            (json!({"amounts": 1}), "amounts: "),
            (
                json!({"amounts": [{"value": 1}, {"value": "x"}]}),
                "amounts[1].value: ",
            ),
            (
                json!({"amounts": [{"valeu": 1}]}),
                "amounts[0]: missing field `value`",
            ),
            (json!({"amounts": [], "note": 7}), "note: "),
        ] {
            let (code, text) = failure(rpc.call::<_, u64>("service", "add", &params).await);
            assert_eq!(code, code::INVALID_PARAMS, "{params}: {text}");
            assert!(text.contains(expected), "{params}: {text}");
        }
        assert_eq!(rpc.call("service", "total", &()).await, Ok(0));
    });
}

#[test]
fn what_is_no_message_pack_and_what_is_no_method_have_codes_of_their_own() {
    on_every_link(async |bus| {
        let _service = bus.serve("service", service()).await;
        let rpc = bus.caller("panel").await;
        for broken in [&b"\xc1"[..], b"\x81\xa7amounts", b"\x80\x80"] {
            let (code, _) = failure(rpc.call_raw("service", "add", broken).await);
            assert_eq!(code, code::PARSE, "{broken:?}");
        }
        for unknown in ["", "Add", "add ", ".describe.more", "größer"] {
            let (code, text) = failure(rpc.call_raw("service", unknown, b"").await);
            assert_eq!(code, code::METHOD_NOT_FOUND);
            assert!(text.contains(unknown), "{text}");
        }
    });
}

#[test]
fn a_service_describes_itself() {
    on_every_link(async |bus| {
        let _service = bus.serve("service", service()).await;
        let rpc = bus.caller("panel").await;
        let description = rpc.describe("service").await.unwrap();
        let methods: Vec<_> = description
            .methods
            .iter()
            .map(|method| (method.name.as_str(), method.description.as_str()))
            .collect();
        assert_eq!(
            methods,
            [
                ("add", "Adds amounts to the total."),
                ("reverse", "Bytes, backwards."),
                ("total", "The total so far."),
                ("who", ""),
            ]
        );
        assert_eq!(rpc.describe("panel").await.unwrap().methods, []);
    });
}

#[test]
fn a_fallback_takes_what_no_method_takes() {
    on_every_link(async |bus| {
        async fn any(_: Arc<Counter>, params: Bytes, context: Context) -> Result<String, Failure> {
            Ok(format!("{} {}", context.method(), params.len()))
        }
        let _service = bus.serve("service", service().fallback(raw(any))).await;
        let rpc = bus.caller("panel").await;
        assert_eq!(rpc.call("service", "total", &()).await, Ok(0));
        assert_eq!(
            &rpc.call_raw("service", "any thing", b"abc").await.unwrap()[..],
            b"any thing 3"
        );
        assert_eq!(rpc.describe("service").await.unwrap().methods.len(), 4);
    });
}

#[test]
fn method_names_that_cannot_be_called_are_refused_at_the_start() {
    in_process(async |bus| {
        for name in ["", ".describe", ".x", "a\0b"] {
            let (client, inbox) = bus.client("service").await;
            let refused = Service::new(Arc::new(Counter::default()))
                .method(name, total)
                .start(client, inbox);
            let expected = StartError::MethodName {
                name: name.to_owned(),
            };
            assert_eq!(refused.unwrap_err(), expected);
        }
        let (client, inbox) = bus.client("service").await;
        assert_eq!(
            service().method("add", total).start(client, inbox).unwrap_err(),
            StartError::DuplicateMethod {
                name: "add".to_owned()
            }
        );
        let (client, inbox) = bus.client("service").await;
        let refused = options()
            .service(service().method("none", typed(total).concurrent(0)))
            .start(client, inbox);
        assert!(matches!(
            refused,
            Err(StartError::Setting {
                setting: "concurrent",
                ..
            })
        ));
    });
}

#[test]
fn an_embedding_program_adds_methods_to_the_broker() {
    on_every_link(async |bus| {
        let (client, inbox) = bus.test.broker.own_client().unwrap();
        let _own = service().start(client, inbox).unwrap();
        let rpc = bus.caller("panel").await;
        assert_eq!(rpc.call(".broker", "total", &()).await, Ok(0));
        let test: serde_json::Value = rpc.call(".broker", "test", &()).await.unwrap();
        assert_eq!(test, json!({"ok": true}));
        let (code, _) = failure(rpc.call::<_, ()>(".broker", "no.such", &()).await);
        assert_eq!(code, code::METHOD_NOT_FOUND);
        assert_eq!(rpc.describe(".broker").await.unwrap().methods.len(), 4);
    });
}
