//! The broker's methods: who may use those that change something.
use elbus_broker::access::{AccessRule, Source};
use elbus_proto::{
    Code,
    delivery::Kind,
    rpc::{self, code},
};
use elbus_testkit::Transport;

use crate::{
    common::{restrain, rule, rules},
    link::{Ask, Bus, Link, Party, on_every_link},
};

const ID: u32 = 7;

fn ask(client: &mut dyn Party, method: &str, params: &[u8]) {
    let request = [&rpc::request_header(ID)[..], method.as_bytes(), b"\0", params].concat();
    client.must(Ask::Message(".broker", &request));
}

fn answer(client: &mut dyn Party) -> Result<(), (i16, String)> {
    let frame = client.frame();
    assert_eq!((frame.kind, frame.sender.as_str()), (Kind::Message, ".broker"));
    match rpc::decode(&frame.payload).unwrap() {
        rpc::Payload::Reply { id: ID, .. } => Ok(()),
        rpc::Payload::Error { id: ID, code, reason } => {
            Err((code, String::from_utf8(reason.to_vec()).unwrap()))
        }
        other => panic!("no answer to the call: {other:?}"),
    }
}

fn call(client: &mut dyn Party, method: &str, params: &[u8]) -> Result<(), i16> {
    ask(client, method, params);
    answer(client).map_err(|(code, _)| code)
}

const VICTIM: &[u8] = b"\x81\xa4name\xa7other.a";

fn denied() -> Result<(), i16> {
    Err(rpc::bus_error(Code::Access))
}

#[test]
fn who_may_manage_disconnects_others_from_wherever_it_comes() {
    on_every_link(|bus| {
        restrain(bus, rule("me").manage(true));
        let mut client = bus.near("me");
        let mut victim = bus.near("other.a");
        assert_eq!(call(&mut *client, "client.disconnect", VICTIM), Ok(()));
        victim.expect_end();
    });
}

#[test]
fn who_may_not_manage_disconnects_nobody_even_as_the_brokers_own_user() {
    on_every_link(|bus| {
        restrain(bus, rule("me").send(["*"]));
        let mut client = bus.near("me");
        let mut victim = bus.near("other.a");
        assert_eq!(call(&mut *client, "client.disconnect", VICTIM), denied());
        victim.expect_nothing();
        assert_eq!(bus.test.broker.stats().denied, 1);
    });
}

#[test]
fn methods_that_only_tell_something_are_for_everybody_on_the_bus() {
    on_every_link(|bus| {
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        for method in ["test", "info", "stats", "client.list", "benchmark.test"] {
            assert_eq!(call(&mut *client, method, b""), Ok(()), "{method}");
        }
    });
}

#[test]
fn methods_that_a_program_adds_need_the_right_to_send_to_the_broker() {
    on_every_link(|bus| {
        let (_own, mut inbox) = bus.test.broker.own_client().unwrap();
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        let request = [&rpc::request_header(ID)[..], b"own.method\0"].concat();
        assert_eq!(client.ask(Ask::Message(".broker", &request)), Err(Code::Access));
        assert_eq!(call(&mut *client, "test", b""), Ok(()));
        restrain(bus, rule("me").send([".broker"]));
        client.must(Ask::Message(".broker", &request));
        let frame = bus.test.block_on(inbox.recv()).unwrap();
        assert_eq!((frame.sender(), &frame.payload()[..]), ("me", &request[..]));
    });
}

/// Answers the next request to reload.
fn carry_out(bus: &Bus, requests: &mut elbus_broker::ReloadRequests, outcome: Result<(), String>) -> String {
    bus.test.block_on(async {
        let request = requests.next().await.unwrap();
        let caller = request.caller().to_owned();
        request.answer(outcome).await;
        caller
    })
}

#[test]
fn a_program_that_reloads_is_asked_to_and_the_caller_hears_how_it_went() {
    on_every_link(|bus| {
        let mut requests = bus.test.broker.reload_requests();
        restrain(bus, rule("me").manage(true));
        let mut client = bus.near("me");
        ask(&mut *client, "reload", b"");
        assert_eq!(carry_out(bus, &mut requests, Ok(())), "me");
        assert_eq!(answer(&mut *client), Ok(()));
        ask(&mut *client, "reload", b"\x80");
        let reason = "line 3 makes no sense".to_owned();
        carry_out(bus, &mut requests, Err(reason.clone()));
        assert_eq!(answer(&mut *client), Err((code::INTERNAL, reason)));
        assert_eq!(
            call(&mut *client, "reload", b"\x81\xa1a\x01"),
            Err(code::INVALID_PARAMS)
        );
    });
}

#[test]
fn who_may_not_manage_does_not_have_the_program_reload() {
    on_every_link(|bus| {
        let mut requests = bus.test.broker.reload_requests();
        restrain(bus, rule("me"));
        let mut client = bus.near("me");
        assert_eq!(call(&mut *client, "reload", b""), denied());
        // Without rules it may, if the broker's own user or process may.
        bus.test.broker.set_access(rules([]));
        let from_network = [Transport::Tcp, Transport::Tls]
            .into_iter()
            .any(|transport| bus.near.is_same_peer(Link::Socket(transport)));
        if from_network {
            assert_eq!(call(&mut *client, "reload", b""), denied());
        } else {
            ask(&mut *client, "reload", b"");
            // The first that comes is not the one that was refused.
            carry_out(bus, &mut requests, Ok(()));
            assert_eq!(answer(&mut *client), Ok(()));
        }
    });
}

#[test]
fn a_program_that_reloads_nothing_has_no_such_method() {
    on_every_link(|bus| {
        restrain(bus, rule("me").manage(true));
        let mut client = bus.near("me");
        assert_eq!(call(&mut *client, "reload", b""), Err(code::METHOD_NOT_FOUND));
        let requests = bus.test.broker.reload_requests();
        drop(requests);
        assert_eq!(call(&mut *client, "reload", b""), Err(code::INTERNAL));
    });
}

#[test]
fn requests_to_reload_that_nobody_carries_out_do_not_pile_up() {
    on_every_link(|bus| {
        let mut requests = bus.test.broker.reload_requests();
        bus.test
            .broker
            .set_access(rules([AccessRule::new("me").from([Source::Any]).manage(true)]));
        let mut client = bus.near("me");
        for _ in 0..16 {
            ask(&mut *client, "reload", b"");
        }
        assert_eq!(call(&mut *client, "reload", b""), Err(rpc::bus_error(Code::Busy)));
        for _ in 0..16 {
            carry_out(bus, &mut requests, Ok(()));
            assert_eq!(answer(&mut *client), Ok(()));
        }
    });
}
