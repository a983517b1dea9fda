//! Replies that nobody may send: others than whom was called, late ones, second ones, and nonsense.
use elbus_client::{Client, Inbox};
use elbus_rpc::{CallError, Payload, Rpc, Service, decode};

use crate::common::{eventually, on_every_link, silent, soon};

/// The id of the next request.
async fn request_id(inbox: &mut Inbox) -> u32 {
    let frame = soon("a request", inbox.recv()).await.unwrap();
    let Ok(Payload::Request { id, .. }) = decode(frame.payload()) else {
        panic!("no request: {frame:?}");
    };
    id
}

fn reply(id: u32, result: &[u8]) -> Vec<u8> {
    [&[0x11], &id.to_le_bytes()[..], result].concat()
}

async fn answer(client: &Client, id: u32, result: &[u8]) {
    client.send("panel", reply(id, result)).await.unwrap();
}

#[test]
fn a_reply_with_the_right_id_from_another_client_is_not_believed() {
    on_every_link(async |bus| {
        let (target, mut inbox) = silent(&bus, "target").await;
        let (forger, _) = bus.client("target.twin").await;
        let (secondary, _) = bus.client("target%%1").await;
        let rpc = bus.caller("panel").await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call_raw("target", "secret", b"").await }
        });
        let id = request_id(&mut inbox).await;
        for id in [id, id.wrapping_add(1), id.wrapping_sub(1), 0, 1] {
            answer(&forger, id, b"forged").await;
            answer(&secondary, id, b"forged").await;
        }
        eventually("the forgeries are counted", || rpc.stats().strays == 10).await;
        answer(&target, id, b"true").await;
        assert_eq!(&soon("the reply", calling).await.unwrap().unwrap()[..], b"true");
    });
}

#[test]
fn a_late_reply_and_a_second_one_find_nobody() {
    on_every_link(async |bus| {
        let (target, mut inbox) = silent(&bus, "target").await;
        let rpc = bus.caller("panel").await;
        let limit = std::time::Duration::from_millis(5);
        let late = rpc.call_raw("target", "x", b"").timeout(limit).await;
        assert_eq!(late, Err(CallError::TimedOut { limit }));
        let late = request_id(&mut inbox).await;
        let calling = tokio::spawn({
            let rpc = rpc.clone();
            async move { rpc.call_raw("target", "x", b"").await }
        });
        let id = request_id(&mut inbox).await;
        assert_ne!(id, late);
        answer(&target, late, b"late").await;
        answer(&target, id, b"first").await;
        answer(&target, id, b"second").await;
        assert_eq!(&soon("the reply", calling).await.unwrap().unwrap()[..], b"first");
        eventually("both are counted", || rpc.stats().strays == 2).await;
    });
}

/// Rpc.notify makes such a frame; the method of it is what a published library panics over.
#[test]
fn frames_that_are_no_rpc_and_notifications_of_any_form_hurt_nobody() {
    on_every_link(async |bus| {
        async fn ping(_: (), (): ()) -> Result<bool, elbus_rpc::Failure> {
            Ok(true)
        }
        let service: Rpc = bus.serve("service", Service::new(()).method("ping", ping)).await;
        let (client, _inbox) = bus.client("stranger").await;
        let frames: [&[u8]; 16] = [
            b"",
            b"\0",
            b"\0\0\0",
            b"\0\xff\xff no method here",
            b"\x01",
            b"\x01\x01\0\0\0",
            b"\x01\x01\0\0\0method without end",
            b"\x01\x01\0\0\0\0",
            b"\x01\x01\0\0\0\xff\xfe\0",
            b"\x02",
            b"\x11",
            b"\x11\x01\0\0",
            b"\x11\x01\0\0\0",
            b"\x12\x01\0\0\0",
            b"\x12\x01\0\0\0\0\0",
            b"\xff\xff\xff\xff\xff\xff",
        ];
        for frame in frames {
            client.send("service", frame).await.unwrap();
            client.broadcast("service", frame).await.unwrap();
        }
        let rpc = bus.caller("panel").await;
        assert_eq!(rpc.call("service", "ping", &()).await, Ok(true));
        assert_eq!(service.stats().strays, 2);
    });
}
