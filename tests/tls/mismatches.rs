//! TLS on one side only, and handshakes that are not finished.
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use elbus_client::{ConnectError, Options, TlsError};
use elbus_proto::{Code, greeting::GREETING};
use elbus_testkit::{PATIENCE, Transport};

use crate::common::{Bus, options, refused};

/// Half of it is how long a client may be silent.
const SHORT: Duration = Duration::from_secs(3);

fn impatient() -> Bus {
    Bus::with(|config| (config.timeout, config.greetings) = (SHORT, 2), |_| {})
}

fn plain(bus: &Bus) -> String {
    bus.address.to_string().strip_prefix("tls://").unwrap().to_owned()
}

fn dialled(bus: &Bus) -> TcpStream {
    let stream = TcpStream::connect(plain(bus)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn a_client_without_tls_at_a_tls_port_is_told_to_use_it() {
    let bus = impatient();
    let error = bus
        .connect(Options::new("a").address(plain(&bus)).timeout(PATIENCE))
        .unwrap_err();
    assert!(matches!(error, ConnectError::TlsOnly { .. }), "{error}");
    assert!(
        error.to_string().ends_with(&format!("write {}", bus.address)),
        "{error}"
    );
}

#[test]
fn a_client_that_waits_for_a_greeting_at_a_tls_port_hears_a_refusal_that_published_clients_understand() {
    let bus = impatient();
    let mut heard = Vec::new();
    dialled(&bus).read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [&GREETING[..], &[Code::NotSupported.byte()]].concat());
}

#[test]
fn a_client_with_tls_at_a_plain_port_is_told_that_there_is_none() {
    let bus = Bus::start();
    let address = format!("tls://{}", bus.test.address(Transport::Tcp));
    let connected = bus.connect(options("a", &address.parse().unwrap(), &bus.authority));
    let reason = refused(connected, &["does not speak TLS", "tcp://"]);
    assert!(matches!(reason, TlsError::NotTls), "{reason:?}");
}

#[test]
fn a_handshake_that_is_not_finished_in_time_is_closed_and_its_place_returned() {
    let bus = impatient();
    for _ in 0..2 {
        let unfinished = [dialled(&bus), dialled(&bus)];
        for mut stream in &unfinished {
            // The beginning of a handshake record.
            stream.write_all(&[22, 3, 1]).unwrap();
        }
        for mut stream in unfinished {
            // Closed, or reset.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    bus.client("a");
}

#[test]
fn what_is_no_handshake_at_all_is_closed_and_hurts_nobody() {
    let bus = Bus::start();
    let (client, _inbox) = bus.client("a");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xFF; 4096],
        b"\xEB\x01\x00\x01\x00b",
    ] {
        let mut stream = dialled(&bus);
        stream.write_all(garbage).unwrap();
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    bus.test
        .block_on(async { client.publish("still/there", "").await })
        .unwrap();
}
