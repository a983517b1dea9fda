//! TLS as an operator sees it: flags, what the log says, renewed certificates, and the walk-through of the document.
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use elbus_broker::Address;
use elbus_client::{Client, ConnectError, Inbox, Options};
use elbus_testkit::{Authority, Files, PATIENCE};
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Server, command};

fn connect(options: Options) -> Result<(Client, Inbox), ConnectError> {
    // The client does not outlive the runtime: that is long enough to know whether it is let in.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(options.timeout(PATIENCE).connect())
}

/// A server with this certificate at a TLS port.
fn serving(directory: &Path, files: &Files, more: &[&str]) -> Server {
    let mut command = command(directory);
    command
        .args(["-B", "tls://127.0.0.1:0", "--tls-cert"])
        .arg(&files.certificate)
        .arg("--tls-key")
        .arg(&files.key);
    Server::run(command.args(more))
}

fn trusting(server: &Server, authority: &Authority) -> Options {
    let address: &Address = &server.addresses[0];
    Options::new("a.client")
        .address(address.clone())
        .tls_ca(authority.certificate())
}

#[test]
fn sighup_has_certificates_read_again_and_a_bad_file_changes_nothing() {
    let directory = tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    let files = first.broker("server");
    let mut server = serving(directory.path(), &files, &[]);
    connect(trusting(&server, &first)).unwrap();

    fs::write(&files.certificate, "no certificate").unwrap();
    server.signal(Signal::HUP);
    server.process.wait_for_error("not accepted: nothing is changed");
    connect(trusting(&server, &first)).unwrap();

    let renewed = second.broker("server");
    fs::copy(renewed.certificate, &files.certificate).unwrap();
    fs::copy(renewed.key, &files.key).unwrap();
    server.signal(Signal::HUP);
    server
        .process
        .wait_for_error("certificates were read again and are in force");
    connect(trusting(&server, &second)).unwrap();
    connect(trusting(&server, &first)).unwrap_err();

    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn plain_tcp_for_other_machines_is_warned_of_and_nothing_else_is() {
    let directory = tempdir().unwrap();
    let files = Authority::shared().broker("warned");
    for (address, is_open) in [("0.0.0.0:0", true), ("[::]:0", true), ("127.0.0.1:0", false)] {
        let mut server = serving(
            directory.path(),
            &files,
            &["-B", address, "-B", "tls://0.0.0.0:0"],
        );
        server.signal(Signal::TERM);
        assert_eq!(server.exit_code(), Some(0));
        let log = server.process.errors();
        assert_eq!(
            log.contains("plain TCP for other machines"),
            is_open,
            "{address}: {log}"
        );
    }
}

#[test]
fn files_that_cannot_be_used_end_the_start_and_are_named() {
    let directory = tempdir().unwrap();
    let mut command = command(directory.path());
    command.args([
        "-B",
        "tls://127.0.0.1:0",
        "--tls-cert",
        "no.pem",
        "--tls-key",
        "no.key",
    ]);
    let refused = Server::refused(&mut command);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.message.contains("\"no.pem\" cannot be read"),
        "{refused:?}"
    );

    std::fs::write(directory.path().join("elbus.toml"), "").unwrap();
    let checked = Server::refused(command.args(["--config", "elbus.toml", "--check-config"]));
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(
        checked.message.contains("\"no.pem\" cannot be read"),
        "{checked:?}"
    );
}

#[test]
fn flags_of_tls_that_do_not_go_together_are_explained() {
    let directory = tempdir().unwrap();
    for (arguments, help) in [
        (&["-B", "tls://127.0.0.1:0"][..], "needs --tls-cert and --tls-key"),
        (&["-B", "tls://127.0.0.1:0", "--tls-cert", "x"], "--tls-key"),
        (
            &["-B", "x.sock", "--tls-cert", "x", "--tls-key", "y"],
            "give one with -B",
        ),
        (&["--tls-client-ca", "x"], "--tls-cert"),
        (&["--tls-any-name"], "--tls-client-ca"),
    ] {
        let refused = Server::refused(command(directory.path()).args(arguments));
        assert_eq!(refused.code, Some(2), "{arguments:?}: {refused:?}");
        assert!(refused.message.contains(help), "{arguments:?}: {refused:?}");
    }
}

/// The code blocks of the document's walk-through, in their order.
fn walk_through() -> Vec<String> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
    let document = fs::read_to_string(document).unwrap();
    let section = document.split("### A walk-through: mutual TLS").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_walk_through_of_the_document_leads_to_mutual_tls() {
    let [certificates, server, clients] = &walk_through()[..] else {
        panic!("not three blocks")
    };
    let directory = tempdir().unwrap();
    let openssl = Command::new("sh")
        .args(["-e", "-c", certificates])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        openssl.status.success(),
        "{}",
        String::from_utf8_lossy(&openssl.stderr)
    );

    // The port may be taken on this machine.
    let arguments = server.trim().replace(":7778", ":0");
    let arguments = arguments.split(' ').skip(1);
    let server = Server::run(command(directory.path()).args(arguments));
    let port = server.addresses[0]
        .to_string()
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    let at = |file: &str| directory.path().join(file);
    let certified = |name: &str, certificate: &str, key: &str| {
        let options = Options::new(name)
            .address(format!("tls://localhost:{port}"))
            .tls_ca(at("ca.pem"))
            .tls_identity(at(certificate), at(key));
        connect(options)
    };
    for client in clients.lines() {
        let words: Vec<_> = client.split(' ').collect();
        let behind = |flag: &str| words[words.iter().position(|&word| word == flag).unwrap() + 1];
        certified(behind("--name"), behind("--tls-cert"), behind("--tls-key")).unwrap();
    }
    let refused = certified("panel", "plant.pem", "plant.key").unwrap_err();
    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused}");
}
