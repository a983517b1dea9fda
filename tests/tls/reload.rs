//! Certificates that are exchanged while the broker runs.
use elbus_client::TlsError;
use elbus_testkit::Authority;

use crate::common::{Bus, options, refused, replace};

#[test]
fn new_connections_use_new_files_and_old_connections_stay() {
    let bus = Bus::start();
    let (old, _inbox) = bus.client("old");
    let other = Authority::new();
    let (files, others) = (bus.authority.directory(), other.broker("broker"));
    replace(&files.join("broker.pem"), &others.certificate);
    replace(&files.join("broker.key"), &others.key);

    // Nothing has changed before it is said so.
    drop(bus.client("before"));
    bus.test.block_on(bus.test.broker.reload_tls()).unwrap();

    let reason = refused(bus.connect(bus.options("new")), &[]);
    assert!(matches!(reason, TlsError::UnknownAuthority), "{reason:?}");
    let (_new, mut inbox) = bus.connect(options("new", &bus.address, &other)).unwrap();
    bus.test.block_on(async {
        old.send("new", "still here").await.unwrap();
        assert_eq!(inbox.recv().await.unwrap().payload()[..], *b"still here");
    });
}

#[test]
fn a_bad_file_changes_nothing_for_any_listener() {
    let bus = Bus::start();
    let directory = bus.authority.directory();
    std::fs::write(directory.join("broker.pem"), "no certificate").unwrap();
    let error = bus.test.block_on(bus.test.broker.reload_tls()).unwrap_err();
    assert!(error.to_string().contains("broker.pem"), "{error}");
    bus.client("a");
}

#[test]
fn clients_of_an_authority_that_is_exchanged_are_asked_for_new_certificates() {
    let bus = Bus::asking();
    let plant = bus.authority.client("plant");
    drop(bus.certified("plant", &plant).unwrap());
    let other = Authority::new();
    // The broker's own certificate stays, so its clients need the old authority to trust it.
    let trusted = bus.authority.directory().join("trusted.pem");
    replace(&trusted, &bus.authority.certificate());
    replace(&bus.authority.certificate(), &other.certificate());
    bus.test.block_on(bus.test.broker.reload_tls()).unwrap();

    let connected = |files: &elbus_testkit::Files| {
        let options = bus.options("plant.pump").tls_ca(&trusted);
        bus.connect(options.tls_identity(&files.certificate, &files.key))
    };
    refused(connected(&plant), &["does not accept our certificate"]);
    connected(&other.client("plant")).unwrap();
}
