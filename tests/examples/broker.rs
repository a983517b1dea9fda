//! Examples that carry the bus themselves.
use elbus_broker::Address;
use elbus_proto::{Op, Qos};
use elbus_testkit::{Got, Raw};

use crate::process::Example;

#[test]
fn threads_of_the_embedded_broker_talk_in_memory() {
    let mut example = Example::start("embedded", &[]);
    let joined = example.line().unwrap();
    assert!(joined.starts_with("others may join at 127.0.0.1:"), "{joined}");
    for value in ["21.4", "21.5", "21.7"] {
        example.says(&format!("temperature/hall {value} from plant.sensor"));
    }
    example.ends();
}

#[test]
fn a_service_in_the_brokers_process_answers_a_client_on_a_socket() {
    let mut example = Example::start("broker_and_outside_clients", &[]);
    let joined = example.line().unwrap();
    assert!(joined.starts_with("clients may join at 127.0.0.1:"), "{joined}");
    example.says("example.service answers: 17 bytes");
    example.ends();
}

#[test]
fn clients_from_outside_join_an_embedded_broker() {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("bus.sock"));
    let mut example = Example::start("broker_and_outside_clients", &[&address.to_string()]);
    example.says(&format!("clients may join at {address}"));
    let mut clients = ["outside.first", "outside.second"].map(|name| Raw::register(&address, name));
    for client in &mut clients {
        client.send(1, Op::Message, Qos::No, b"example.service\0four");
    }
    for client in &mut clients {
        match client.got() {
            Got::Frame { sender, payload, .. } => {
                assert_eq!((&sender[..], &payload[..]), ("example.service", &b"4 bytes"[..]));
            }
            got => panic!("expected an answer, got {got:?}"),
        }
    }
}
