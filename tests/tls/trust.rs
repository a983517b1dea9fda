//! Whose certificates are good.
use elbus_broker::{ListenError, TlsOptions};
use elbus_client::{ConnectError, TlsError, TlsFileError};
use elbus_testkit::{Authority, Files, Validity};

use crate::common::{Bus, options, refused};

/// A listener whose certificate is for these hosts, and valid then.
fn serving(hosts: &[&str], validity: Validity) -> Bus {
    let authority = Authority::new();
    let files = authority.issue("broker", "a broker", hosts, validity);
    Bus::serving(authority, &files, |_| {}, |_| {})
}

#[test]
fn a_broker_of_another_authority_is_not_talked_to() {
    let bus = Bus::start();
    let stranger = Authority::new();
    let connected = bus.connect(options("a", &bus.address, &stranger));
    let reason = refused(connected, &["give the certificate of the one that did"]);
    assert!(matches!(reason, TlsError::UnknownAuthority), "{reason:?}");
}

#[test]
fn a_broker_whose_certificate_has_expired_or_is_not_valid_yet_is_not_talked_to() {
    let bus = serving(&["127.0.0.1"], Validity::Past);
    let reason = refused(bus.connect(bus.options("a")), &["has expired", "renew it"]);
    assert!(matches!(reason, TlsError::Expired), "{reason:?}");

    let bus = serving(&["127.0.0.1"], Validity::Future);
    let reason = refused(bus.connect(bus.options("a")), &["not valid yet", "clocks"]);
    assert!(matches!(reason, TlsError::NotYetValid), "{reason:?}");
}

#[test]
fn a_broker_whose_certificate_is_for_another_host_is_not_talked_to() {
    let bus = serving(&["elsewhere.example"], Validity::Now);
    let reason = refused(bus.connect(bus.options("a")), &["127.0.0.1", "elsewhere.example"]);
    let TlsError::WrongName { expected, presented } = &reason else {
        panic!("{reason:?}")
    };
    assert_eq!(expected, "127.0.0.1");
    assert_eq!(presented.len(), 1, "{presented:?}");
}

#[test]
fn a_name_or_an_address_is_asked_for_as_it_is_written() {
    let bus = serving(&["localhost"], Validity::Now);
    let port = bus.address.to_string().rsplit_once(':').unwrap().1.to_owned();
    let by_name = bus.options("a").address(format!("tls://localhost:{port}"));
    bus.connect(by_name).unwrap();
}

#[test]
fn a_client_that_trusts_nobody_is_told_how_to() {
    let bus = Bus::start();
    let untrusting = elbus_client::Options::new("a").address(bus.address.clone());
    let error = bus.connect(untrusting).unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Setting {
                setting: "tls_ca",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_client_without_a_certificate_is_told_that_it_needs_one() {
    let bus = Bus::asking();
    let reason = refused(bus.connect(bus.options("a")), &["give one"]);
    assert!(matches!(reason, TlsError::CertificateRequired), "{reason:?}");
    assert!(bus.test.broker.clients().is_empty());
}

#[test]
fn a_client_whose_certificate_is_not_good_is_told_so() {
    let bus = Bus::asking();
    let stranger = Authority::new().client("a");
    // Its directory went with the authority.
    assert!(!stranger.certificate.exists());
    let other = Authority::new();
    let connected = bus.certified("a", &other.client("a"));
    let reason = refused(connected, &["does not accept our certificate"]);
    assert!(matches!(reason, TlsError::Refused { .. }), "{reason:?}");

    let expired = bus.authority.issue("a", "a", &[], Validity::Past);
    let reason = refused(bus.certified("a", &expired), &["expired"]);
    assert!(matches!(reason, TlsError::Refused { .. }), "{reason:?}");

    bus.certified("b", &bus.authority.client("b")).unwrap();
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let bus = Bus::start();
    let good = bus.authority.client("good");
    let other = bus.authority.client("other");
    let empty = bus.authority.directory().join("empty.pem");
    std::fs::write(&empty, "nothing in it").unwrap();
    let missing = bus.authority.directory().join("missing.pem");

    let unusable = |certificate: &std::path::Path, key: &std::path::Path| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match bus.certified("a", &Files { certificate, key }).unwrap_err() {
            ConnectError::TlsFile(error) => error,
            other => panic!("another error: {other}"),
        }
    };
    let error = unusable(&missing, &good.key);
    assert!(
        matches!(&error, TlsFileError::Unreadable { path, .. } if *path == missing),
        "{error}"
    );
    let error = unusable(&empty, &good.key);
    assert!(
        matches!(&error, TlsFileError::NoCertificate { path } if *path == empty),
        "{error}"
    );
    let error = unusable(&good.certificate, &empty);
    assert!(
        matches!(&error, TlsFileError::NoKey { path } if *path == empty),
        "{error}"
    );
    let error = unusable(&good.certificate, &other.key);
    assert!(
        matches!(&error, TlsFileError::Mismatch { key, .. } if *key == other.key),
        "{error}"
    );

    let listener = TlsOptions::new(&good.certificate, &other.key);
    let anywhere = "tls://127.0.0.1:0".parse().unwrap();
    let error = bus
        .test
        .block_on(bus.test.broker.listen_tls(&anywhere, &listener))
        .unwrap_err();
    assert!(matches!(error, ListenError::TlsFile { .. }), "{error}");
    let error = bus.test.block_on(bus.test.broker.listen(&anywhere)).unwrap_err();
    assert!(matches!(error, ListenError::NoCertificate { .. }), "{error}");
}
