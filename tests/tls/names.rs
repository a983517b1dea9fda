//! Certificates that bind to names, and what the broker knows of them.
use elbus_broker::{
    ClientKind, TlsOptions,
    access::{AccessRule, AccessRules, Source},
};
use elbus_client::{Code, ConnectError};
use elbus_testkit::Authority;

use crate::common::Bus;

fn code(error: ConnectError) -> Code {
    match error {
        ConnectError::Refused { code, .. } => code,
        other => panic!("another error: {other}"),
    }
}

#[test]
fn a_name_is_bound_to_the_certificate() {
    let bus = Bus::asking();
    let plant = bus.authority.client("plant");
    let _plant = bus.certified("plant", &plant).unwrap();
    let _pump = bus.certified("plant.pump", &plant).unwrap();
    for other in ["plants", "hall", "hall.plant"] {
        let error = bus.certified(other, &plant).unwrap_err();
        assert_eq!(code(error), Code::Access, "{other}");
    }
}

#[test]
fn alternative_dns_names_of_a_certificate_are_names_as_well() {
    let bus = Bus::asking();
    let files = bus.authority.issue(
        "gates",
        "gates",
        &["hall.gate", "yard.gate"],
        elbus_testkit::Validity::Now,
    );
    for name in ["gates", "hall.gate", "yard.gate.north"] {
        bus.certified(name, &files).unwrap();
    }
    assert_eq!(code(bus.certified("hall", &files).unwrap_err()), Code::Access);
}

#[test]
fn any_name_will_do_where_the_listener_says_so() {
    let authority = Authority::new();
    let ca = authority.certificate();
    let files = authority.broker("broker");
    let any = |options: &mut TlsOptions| (options.client_ca, options.any_name) = (Some(ca), true);
    let bus = Bus::serving(authority, &files, |_| {}, any);
    let plant = bus.authority.client("plant");
    bus.certified("anybody", &plant).unwrap();
}

#[test]
fn a_secondary_needs_the_certificate_of_its_primary() {
    let bus = Bus::asking();
    let plant = bus.authority.client("plant");
    let (client, _inbox) = bus.certified("plant", &plant).unwrap();
    bus.test.block_on(client.secondary()).unwrap();

    let pump = bus.authority.client("plant.pump");
    let (_pump, _inbox) = bus.certified("plant.pump", &plant).unwrap();
    let error = bus.certified("plant.pump%%1", &pump).unwrap_err();
    assert_eq!(code(error), Code::Access);
}

#[test]
fn the_list_of_clients_tells_where_one_comes_from_and_who_it_proved_to_be() {
    let bus = Bus::asking();
    let (_client, _inbox) = bus
        .certified("plant.pump", &bus.authority.client("plant"))
        .unwrap();
    let [client] = &bus.test.broker.clients()[..] else {
        panic!("not one client")
    };
    let source = client.source.as_deref().unwrap();
    assert!(source.starts_with("tls:127.0.0.1:"), "{source}");
    assert!(source.ends_with(" CN=plant"), "{source}");
    assert_eq!(client.kind, ClientKind::Tls);
    assert_eq!(client.port, Some(bus.address.to_string()));
}

#[test]
fn access_rules_know_certificates_and_the_networks_that_tls_clients_come_from() {
    let bus = Bus::asking();
    let certificate = Source::Certificate("CN=plant".to_owned());
    let home = Source::Network("127.0.0.0/8".parse().unwrap());
    let away = Source::Network("10.0.0.0/8".parse().unwrap());
    let rules = AccessRules::builder()
        .rule(AccessRule::new("plant.pump").from([certificate]))
        .rule(AccessRule::new("hall.*").from([home]))
        .rule(AccessRule::new("yard.*").from([away]));
    bus.test.broker.set_access(rules.build().unwrap());

    let files = |name| bus.authority.client(name);
    bus.certified("plant.pump", &files("plant")).unwrap();
    bus.certified("hall.gate", &files("hall")).unwrap();
    for (name, certificate) in [("plant.pump", "plant.pump"), ("yard.gate", "yard")] {
        let error = bus.certified(name, &files(certificate)).unwrap_err();
        assert_eq!(code(error), Code::Access, "{name}");
    }
}
