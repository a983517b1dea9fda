//! Remote calls: to the broker they are messages.
use busrt::{ErrorKind, QoS};

use super::QUALITIES;
use crate::{Bus, Caller, Failure, Got, Heard};

/// Calls are answered, whatever their quality of service; a reply may be empty, and any bytes.
pub fn calls_are_answered(bus: &Bus<'_>) {
    let (a, b) = (bus.caller(bus.near, "a"), bus.caller(bus.far, "b"));
    let names = [bus.name("a"), bus.name("b")];
    for (caller, service, [from, to]) in [(&a, &b, [0, 1]), (&b, &a, [1, 0])] {
        for qos in QUALITIES {
            for params in [&b""[..], b"\0", b"with\0zeros"] {
                assert_eq!(caller.call(&names[to], "echo", params, qos), Ok(params.to_vec()));
                assert_eq!(service.heard(), call(&names[from], "echo", params, true));
            }
        }
        assert_eq!(
            caller.call(&names[to], "nothing", b"x", QoS::Processed),
            Ok(Vec::new())
        );
        assert_eq!(service.heard(), call(&names[from], "nothing", b"x", true));
    }
}

/// What a service answers with an error is an error for the caller.
pub fn calls_fail_as_the_service_says(bus: &Bus<'_>) {
    let (a, b) = (bus.caller(bus.near, "a"), bus.caller(bus.far, "b"));
    let failure = a.call(&bus.name("b"), "fail", b"because", QoS::Processed);
    assert_eq!(failure, Err(failed(-777, b"because")));
    assert_eq!(b.heard(), call(&bus.name("a"), "fail", b"because", true));
    let failure = a.call(&bus.name("b"), "no such method", b"", QoS::Processed);
    assert_eq!(failure, Err(failed(-32601, b"")));
}

/// A call to nobody that is acknowledged fails at once, with the broker's code.
pub fn calls_to_nobody_fail(bus: &Bus<'_>) {
    let a = bus.caller(bus.near, "a");
    for qos in [QoS::Processed, QoS::RealtimeProcessed] {
        let failure = a.call(&bus.name("nobody"), "echo", b"", qos).unwrap_err();
        assert_eq!(failure.code, -32_000 - ErrorKind::NotRegistered as i16, "{qos:?}");
    }
}

/// Who notifies nobody, or calls nobody without wanting a reply, learns it.
pub fn notifications_to_nobody_are_refused(bus: &Bus<'_>) {
    let a = bus.caller(bus.near, "a");
    let nobody = bus.name("nobody");
    let refused = Err(ErrorKind::NotRegistered);
    assert_eq!(a.call_without_reply(&nobody, "echo", b""), refused);
    assert_eq!(a.notify(&nobody, b""), refused);
}

/// Calls that want no reply and notifications reach their handlers.
pub fn notifications_and_calls_without_reply_are_heard(bus: &Bus<'_>) {
    let (a, b) = (bus.caller(bus.near, "a"), bus.caller(bus.far, "b"));
    assert_eq!(a.call_without_reply(&bus.name("b"), "echo", b"params"), Ok(()));
    assert_eq!(b.heard(), call(&bus.name("a"), "echo", b"params", false));
    assert_eq!(a.notify(&bus.name("b"), b"take note"), Ok(()));
    assert_eq!(
        b.heard(),
        Heard::Notification(bus.name("a"), b"take note".to_vec())
    );
}

/// Broadcasts pass the RPC layer unchanged.
pub fn broadcasts_pass_the_rpc_layer(bus: &Bus<'_>) {
    let (mut a, b) = (bus.near("a"), bus.caller(bus.far, "b"));
    assert_eq!(a.broadcast(&bus.name("b"), b"\x01all"), Ok(()));
    assert_eq!(b.heard(), Heard::Frame(Got::broadcast(a.name(), b"\x01all")));
}

/// Many calls from several threads at once get each its own reply.
pub fn every_call_gets_its_own_reply(bus: &Bus<'_>) {
    const THREADS: usize = 4;
    const CALLS: usize = 50;
    let (a, _b) = (bus.caller(bus.near, "a"), bus.caller(bus.far, "b"));
    let (a, target): (&dyn Caller, _) = (&*a, &bus.name("b"));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for n in 0..CALLS {
                    let params = format!("{thread}: {n}").into_bytes();
                    assert_eq!(a.call(target, "echo", &params, QoS::Processed), Ok(params));
                }
            });
        }
    });
}

fn call(sender: &str, method: &str, params: &[u8], reply: bool) -> Heard {
    Heard::Call {
        sender: sender.to_owned(),
        method: method.to_owned(),
        params: params.to_vec(),
        reply,
    }
}

fn failed(code: i16, data: &[u8]) -> Failure {
    Failure {
        code,
        data: data.to_vec(),
    }
}
