//! What the server says when it is up.
use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::support::{Server, command};

fn server_at(directory: &Path, addresses: &[&str]) -> Server {
    let mut command = command(directory);
    for address in addresses {
        command.args(["-B", address]);
    }
    Server::run(&mut command)
}

/// A directory by the path that the system has for it.
fn canonical(directory: &TempDir) -> String {
    directory
        .path()
        .canonicalize()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// What Python is told to connect to.
fn hint(server: &Server) -> Option<&str> {
    let (_, rest) = server.introduction.split_once("Client('")?;
    Some(rest.split_once("',").unwrap().0)
}

#[test]
fn it_says_where_it_listens_and_how_to_talk_to_it() {
    let directory = tempdir().unwrap();
    let server = server_at(directory.path(), &[]);
    let socket = directory.path().join("elbus/elbus.sock");
    let said = &server.introduction;
    assert!(
        said.contains(&format!("listens at\n  {}\n", socket.display())),
        "{said}"
    );
    assert_eq!(hint(&server), socket.to_str());
    assert!(said.ends_with("Ctrl-C ends it; --help tells more.\n"), "{said}");
}

#[test]
fn python_is_told_the_absolute_path_of_a_relative_one() {
    let directory = tempdir().unwrap();
    let here = canonical(&directory);
    for name in ["./busfile", "unix:bus", "bus.sock"] {
        let server = server_at(directory.path(), &[name]);
        let file = name.trim_start_matches("./").trim_start_matches("unix:");
        assert_eq!(hint(&server), Some(&format!("{here}/{file}")[..]));
    }
}

#[test]
fn python_is_told_the_unix_socket_if_there_is_one() {
    let directory = tempdir().unwrap();
    let server = server_at(directory.path(), &["127.0.0.1:0", "bus.sock"]);
    assert_eq!(
        hint(&server),
        Some(&format!("{}/bus.sock", canonical(&directory))[..])
    );
}

#[test]
fn python_is_told_an_address_of_this_machine_when_the_server_listens_at_all_of_them() {
    let directory = tempdir().unwrap();
    let server = server_at(directory.path(), &["0.0.0.0:0"]);
    let said = server.addresses[0].to_string();
    let (_, port) = said.rsplit_once(':').unwrap();
    assert_eq!(hint(&server), Some(&format!("127.0.0.1:{port}")[..]));
}

#[test]
fn python_is_told_nothing_when_its_client_understands_no_address() {
    let directory = tempdir().unwrap();
    // A machine without IPv6 cannot be asked.
    let Ok(server) = Server::try_run(command(directory.path()).args(["-B", "[::1]:0"])) else {
        return;
    };
    assert_eq!(hint(&server), None, "{}", server.introduction);
    assert!(!server.introduction.contains("Python"), "{}", server.introduction);
}
