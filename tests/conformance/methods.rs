//! The broker's own methods: calls to `.broker`.
use elbus_proto::{
    Code, Qos,
    delivery::Kind,
    rpc::{self, code},
};
use elbus_testkit::Transport;
use serde_json::{Value, json};

use crate::link::{Ask, Bus, Link, Party, on_every_link, on_every_pair};

const ID: u32 = 7;

fn request(id: u32, method: &str, params: &[u8]) -> Vec<u8> {
    [&rpc::request_header(id)[..], method.as_bytes(), b"\0", params].concat()
}

/// Calls a method with MessagePack params and answers its result, or the code of its error.
fn call(client: &mut dyn Party, method: &str, params: &Value) -> Result<Value, i16> {
    call_with(client, method, &rmp_serde::to_vec_named(params).unwrap())
        .map(|result| rmp_serde::from_slice(&result).unwrap())
}

fn call_with(client: &mut dyn Party, method: &str, params: &[u8]) -> Result<Vec<u8>, i16> {
    client.must(Ask::Message(".broker", &request(ID, method, params)));
    let frame = client.frame();
    assert_eq!((frame.kind, frame.sender.as_str()), (Kind::Message, ".broker"));
    match rpc::decode(&frame.payload).unwrap() {
        rpc::Payload::Reply { id: ID, result } => Ok(result.to_vec()),
        rpc::Payload::Error { id: ID, code, reason } => {
            assert!(!reason.is_empty(), "an error without a reason");
            Err(code)
        }
        other => panic!("no answer to the call: {other:?}"),
    }
}

/// The names in what `client.list` answers.
fn names(list: &Value) -> Vec<&str> {
    let clients = list["clients"].as_array().unwrap();
    clients
        .iter()
        .map(|client| client["name"].as_str().unwrap())
        .collect()
}

#[test]
fn test_info_and_stats_answer_as_published_clients_expect() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        let client = &mut *client;
        assert_eq!(call(client, "test", &json!({})), Ok(json!({"ok": true})));
        let info = call(client, "info", &json!({})).unwrap();
        assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
        assert!(!info["author"].as_str().unwrap().is_empty());
        let stats = call(client, "stats", &json!({})).unwrap();
        for expected in ["r_bytes", "r_frames", "uptime", "w_bytes", "w_frames"] {
            assert!(stats[expected].is_u64(), "{expected}: {stats}");
        }
        // Ours tells more: what is used, and what may be.
        let clients = &stats["usage"]["clients"];
        assert_eq!(clients, &json!({"used": 1, "limit": 65_536}));
        let user = &stats["users"][0];
        if matches!(
            bus.near,
            Link::Socket(Transport::Unix) | Link::Library(Transport::Unix)
        ) {
            assert_eq!(user["clients"]["used"], 1, "{stats}");
            assert!(user["uid"].is_u64());
        }
        assert!(stats["r_frames"].as_u64().unwrap() >= 2);
        // Published Python clients send no params at all.
        assert!(call_with(client, "test", b"").is_ok());
        client.expect_nothing();
    });
}

#[test]
fn benchmark_test_answers_its_params_whatever_they_are() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for params in [&b""[..], b"\x80", b"\xc1 no message pack \0", &[7; 100_000]] {
            assert_eq!(
                call_with(&mut *client, "benchmark.test", params),
                Ok(params.to_vec())
            );
        }
    });
}

#[test]
fn client_list_holds_primaries_by_name_and_the_broker_itself() {
    on_every_pair(|bus| {
        let mut client = bus.near("b.client");
        let other = bus.far("a.client");
        let _secondary = bus.over(bus.far, "a.client%%1");
        let list = call(&mut *client, "client.list", &json!({})).unwrap();
        assert_eq!(names(&list), [".broker", "a.client", "b.client"]);
        let [broker, far, near] = list["clients"].as_array().unwrap().as_slice() else {
            panic!("not three: {list}");
        };
        assert_eq!(
            (&broker["kind"], &broker["source"], &broker["port"]),
            (&json!("internal"), &Value::Null, &Value::Null)
        );
        for (info, link) in [(far, bus.far), (near, bus.near)] {
            let kind = match link {
                Link::Process => "internal",
                Link::Socket(Transport::Unix) | Link::Library(Transport::Unix) => "local_ipc",
                Link::Socket(Transport::Tcp) | Link::Library(Transport::Tcp) => "tcp",
                Link::Socket(Transport::Tls) | Link::Library(Transport::Tls) => "tls",
            };
            assert_eq!(info["kind"], kind);
            assert_eq!(info["port"].is_string(), link != Link::Process);
            for counter in ["r_frames", "r_bytes", "w_frames", "w_bytes", "queue"] {
                assert!(info[counter].is_u64(), "{counter}: {info}");
            }
        }
        assert_eq!((&far["instances"], &near["instances"]), (&json!(2), &json!(1)));
        other.leave();
        let list = call(&mut *client, "client.list", &json!({})).unwrap();
        assert_eq!(names(&list), [".broker", "b.client"]);
    });
}

#[test]
fn client_list_is_narrowed_by_a_mask_and_by_a_regular_expression() {
    on_every_link(|bus| {
        let mut client = bus.near("a.one");
        let _others = ["a.two", "b.two", "c"].map(|name| bus.near(name));
        for (params, expected) in [
            (json!({"mask": "a.*"}), &["a.one", "a.two"][..]),
            (json!({"mask": "?"}), &[".broker", "c"]),
            (json!({"filter": "two$"}), &["a.two", "b.two"]),
            (json!({"filter": "^\\.b"}), &[".broker"]),
            (json!({"filter": "two", "mask": "b.*"}), &["b.two"]),
            (
                json!({"filter": null}),
                &[".broker", "a.one", "a.two", "b.two", "c"],
            ),
            (json!({"mask": "nobody.*"}), &[]),
        ] {
            let list = call(&mut *client, "client.list", &params).unwrap();
            assert_eq!(names(&list), expected, "{params}");
        }
        for params in [
            json!({"filter": "("}),
            json!({"filter": "(a{1000}){1000}"}),
            json!({"filter": "a".repeat(2000)}),
            json!({"mask": "a.*.b"}),
            json!({"mask": 1}),
            json!({"other": "a"}),
            json!([]),
        ] {
            assert_eq!(
                call(&mut *client, "client.list", &params),
                Err(code::INVALID_PARAMS),
                "{params}"
            );
        }
    });
}

#[test]
fn client_get_answers_for_one_client_secondaries_too() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        let _secondary = bus.near("client%%1");
        for name in ["client", "client%%1", ".broker"] {
            let info = call(&mut *client, "client.get", &json!({"name": name})).unwrap();
            assert_eq!(info["name"], name);
        }
        let nobody = call(&mut *client, "client.get", &json!({"name": "nobody"}));
        assert_eq!(nobody, Err(code::NOT_FOUND));
        assert_eq!(
            call(&mut *client, "client.get", &json!({})),
            Err(code::INVALID_PARAMS)
        );
    });
}

#[test]
fn subscription_list_answers_by_client_and_by_topic() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        let mut other = bus.near("other");
        client.must(Ask::Subscribe(&["a/+", "#", "b"]));
        client.must(Ask::Exclude(&["a/x"]));
        other.must(Ask::Subscribe(&["a/#"]));
        assert_eq!(
            call(&mut *other, "subscription.list", &json!({"client": "client"})),
            Ok(json!({"client": "client", "subscriptions": ["#", "a/+", "b"], "exclusions": ["a/x"]}))
        );
        for (topic, clients) in [
            ("a/b", &["client", "other"][..]),
            ("a/x", &["other"]),
            ("c", &["client"]),
        ] {
            assert_eq!(
                call(&mut *client, "subscription.list", &json!({"topic": topic})),
                Ok(json!({"topic": topic, "clients": clients}))
            );
        }
        for (params, expected) in [
            (json!({}), code::INVALID_PARAMS),
            (json!({"client": "client", "topic": "a"}), code::INVALID_PARAMS),
            (json!({"topic": "a/#"}), code::INVALID_PARAMS),
            (json!({"client": "nobody"}), code::NOT_FOUND),
        ] {
            assert_eq!(
                call(&mut *client, "subscription.list", &params),
                Err(expected),
                "{params}"
            );
        }
    });
}

#[test]
fn client_disconnect_is_for_those_who_could_end_the_broker_itself() {
    on_every_pair(|bus| {
        let mut client = bus.near("client");
        let mut other = bus.far("other");
        let params = json!({"name": "other"});
        let answer = call(&mut *client, "client.disconnect", &params);
        let remote = [
            Link::Socket(Transport::Tcp),
            Link::Library(Transport::Tcp),
            Link::Library(Transport::Tls),
        ];
        if remote.contains(&bus.near) {
            assert_eq!(answer, Err(rpc::bus_error(Code::Access)));
            other.expect_nothing();
            return;
        }
        assert_eq!(answer, Ok(json!({"ok": true})));
        other.expect_end();
        assert_eq!(
            call(&mut *client, "client.disconnect", &params),
            Err(code::NOT_FOUND)
        );
    });
}

#[test]
fn the_brokers_own_clients_are_not_disconnected() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for name in [".broker", ".fifo"] {
            let _own = (name == ".fifo").then(|| crate::fifo::Pipe::of(&bus.test));
            let params = json!({"name": name});
            let answer = call(&mut *client, "client.disconnect", &params);
            assert_eq!(answer, Err(rpc::bus_error(Code::Access)), "{name}");
        }
    });
}

#[test]
fn wrong_params_and_unknown_methods_are_errors_with_codes_of_their_own() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for (method, params, expected) in [
            ("test", &b"\x81\xa1a\x01"[..], code::INVALID_PARAMS),
            ("info", b"\xc1", code::PARSE),
            ("stats", b"\x80\x80", code::PARSE),
            ("no.such.method", b"", code::METHOD_NOT_FOUND),
            ("", b"", code::METHOD_NOT_FOUND),
        ] {
            assert_eq!(call_with(&mut *client, method, params), Err(expected), "{method}");
        }
    });
}

#[test]
fn what_asks_for_no_reply_gets_none() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for payload in [
            &request(0, "test", b"")[..],
            &request(0, "no.such.method", b""),
            b"\0a notification",
            b"",
            b"\xff",
            b"\x01\0",
            b"\x11\0\0\0\0a reply",
        ] {
            client.must(Ask::Message(".broker", payload));
        }
        client.expect_nothing();
    });
}

#[test]
fn a_realtime_call_gets_a_realtime_reply() {
    on_every_link(|bus| {
        let mut client = bus.near("client");
        for (qos, realtime) in [(Qos::No, false), (Qos::Realtime, true)] {
            client
                .ask_with(Ask::Message(".broker", &request(ID, "test", b"")), qos)
                .unwrap();
            assert_eq!(client.frame().realtime, realtime);
        }
    });
}

#[test]
fn what_the_broker_does_not_know_goes_to_the_embedding_programs_own_client() {
    on_every_link(|bus: &Bus| {
        let (own, mut inbox) = bus.test.broker.own_client().unwrap();
        let mut client = bus.near("client");
        let unknown = request(ID, "plant.start", b"now");
        client.must(Ask::Message(".broker", &unknown));
        let frame = bus.test.block_on(inbox.recv()).unwrap();
        assert_eq!((frame.sender(), &frame.payload()[..]), ("client", &unknown[..]));

        // Its own methods the broker answers itself.
        assert_eq!(call(&mut *client, "test", &json!({})), Ok(json!({"ok": true})));
        let list = call(&mut *client, "client.list", &json!({})).unwrap();
        assert_eq!(names(&list), [".broker", "client"]);

        bus.test
            .block_on(async { own.send("client", b"done").await.unwrap() });
        client.expect(Kind::Message, ".broker", b"done");
        drop((own, inbox));
        assert_eq!(
            call(&mut *client, "plant.start", &json!({})),
            Err(code::METHOD_NOT_FOUND)
        );
    });
}

#[test]
fn a_client_that_does_not_read_its_replies_is_not_read_from() {
    let bus = elbus_testkit::TestBroker::with(|config| {
        config.high_water = 64 * 1024;
        config.stall_timeout = std::time::Duration::from_millis(200);
    });
    let caller = bus.client(Transport::Unix, "caller");
    let mut writer = caller.writer();
    let body = [&b".broker\0"[..], &request(ID, "benchmark.test", &[7; 60_000])].concat();
    let flood = std::thread::spawn(move || {
        while writer
            .try_write(&elbus_testkit::frame(0, elbus_proto::Op::Message, Qos::No, &body))
            .is_ok()
        {}
    });
    bus.eventually("it is cut", |broker| broker.stats().stalled == 1);
    flood.join().unwrap();
}
