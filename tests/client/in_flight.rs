//! Many operations in flight.
use std::{collections::VecDeque, sync::Arc};

use elbus_client::{Code, Error, Qos};

use crate::common::{on_every_socket, soon};

#[test]
fn one_task_has_thousands_in_flight_and_each_gets_its_own_verdict() {
    on_every_socket(async |bus| {
        let (pump, _) = bus.client("pump").await;
        let (_panel, inbox) = bus.client("panel").await;
        drop(inbox);
        let mut in_flight = VecDeque::new();
        for n in 0..5000 {
            let target = if n % 3 == 0 { "nobody" } else { "panel" };
            in_flight.push_back((target, pump.send(target, "x").confirm().await.unwrap()));
        }
        for (target, confirmation) in in_flight {
            let expected = match target {
                "panel" => Ok(()),
                _ => Err(Error::Refused(Code::NotRegistered)),
            };
            assert_eq!(soon("a verdict", confirmation).await, expected);
        }
    });
}

#[test]
fn confirmations_that_nobody_has_awaited_yet_do_not_keep_others_from_being_sent() {
    on_every_socket(async |bus| {
        let options = bus.options("pump").in_flight_limit(10);
        let (pump, _) = options.connect().await.unwrap();
        let mut confirmations = Vec::new();
        for _ in 0..1000 {
            let confirming = pump.send("nobody", "x").confirm();
            confirmations.push(soon("a confirmation", confirming).await.unwrap());
        }
        for confirmation in confirmations {
            let expected = Err(Error::Refused(Code::NotRegistered));
            assert_eq!(soon("a verdict", confirmation).await, expected);
        }
    });
}

#[test]
fn a_sender_that_never_stops_does_not_keep_answers_from_being_read() {
    on_every_socket(async |bus| {
        let (pump, _) = bus.client("pump").await;
        let (_panel, inbox) = bus.client("panel").await;
        drop(inbox);
        let flood = tokio::spawn({
            let pump = pump.clone();
            async move {
                loop {
                    pump.send("panel", &[0; 100]).qos(Qos::No).await.unwrap();
                }
            }
        });
        for _ in 0..200 {
            let verdict = soon("a verdict", pump.send("nobody", "x")).await;
            assert_eq!(verdict, Err(Error::Refused(Code::NotRegistered)));
        }
        flood.abort();
    });
}

#[test]
fn thousands_of_tasks_send_at_once_and_each_gets_its_own_verdict() {
    on_every_socket(async |bus| {
        let (pump, _) = bus.client("pump").await;
        let (_panel, mut inbox) = bus.client("panel").await;
        let tasks: Vec<_> = (0..3000)
            .map(|n| {
                let pump = pump.clone();
                tokio::spawn(async move {
                    assert_eq!(pump.send("panel", format!("{n}")).await, Ok(()));
                    let nobody = pump.send("nobody", format!("{n}")).await;
                    assert_eq!(nobody, Err(Error::Refused(Code::NotRegistered)));
                })
            })
            .collect();
        for task in tasks {
            soon("a task", task).await.unwrap();
        }
        let mut seen = vec![false; 3000];
        for _ in 0..3000 {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            let n: usize = std::str::from_utf8(frame.payload()).unwrap().parse().unwrap();
            assert!(!std::mem::replace(&mut seen[n], true), "{n} came twice");
        }
    });
}

#[test]
fn what_one_client_sends_to_another_arrives_in_order_whatever_the_qos_and_size() {
    on_every_socket(async |bus| {
        let (pump, _) = bus.client("pump").await;
        let (_panel, mut inbox) = bus.client("panel").await;
        let sending = tokio::spawn(async move {
            let large = Arc::new(vec![7; 300_000]);
            let mut confirmations = Vec::new();
            for n in 0..2000_u32 {
                let qos = [Qos::No, Qos::Processed, Qos::Realtime, Qos::RealtimeProcessed][n as usize % 4];
                let mut payload = n.to_le_bytes().to_vec();
                if n % 50 == 0 {
                    payload.extend_from_slice(&large);
                }
                confirmations.push(pump.send("panel", payload).qos(qos).confirm().await.unwrap());
            }
            for confirmation in confirmations {
                confirmation.await.unwrap();
            }
        });
        for n in 0..2000_u32 {
            let frame = soon("a message", inbox.recv()).await.unwrap();
            assert_eq!(frame.payload()[..4], n.to_le_bytes());
            let len = if n % 50 == 0 { 300_004 } else { 4 };
            assert_eq!(frame.payload().len(), len);
        }
        soon("the sender", sending).await.unwrap();
    });
}

#[test]
fn operations_beyond_the_limit_in_flight_wait_for_their_turn() {
    on_every_socket(async |bus| {
        let (pump, _inbox) = bus.options("pump").in_flight_limit(2).connect().await.unwrap();
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let pump = pump.clone();
                tokio::spawn(async move { pump.publish("topic", "x").await })
            })
            .collect();
        for task in tasks {
            assert_eq!(soon("a task", task).await.unwrap(), Ok(()));
        }
    });
}
