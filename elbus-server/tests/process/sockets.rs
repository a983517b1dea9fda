//! The file of a UNIX socket: whose it is, who may use it, and when it is replaced.
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use elbus_broker::Address;
use elbus_testkit::Raw;
use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Process, Server, command};

fn server_at(socket: &Path, more: &[&str]) -> Result<Server, crate::support::Refused> {
    let directory = socket.parent().unwrap();
    Server::try_run(command(directory).arg("-B").arg(socket).args(more))
}

/// The socket of a server that is gone: nobody listens behind the file.
fn leave_a_stale_socket(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[test]
fn the_socket_of_a_live_server_is_refused_and_stays_in_use() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let first = server_at(&socket, &[]).unwrap();
    let _before = first.client("before");
    let refused = server_at(&socket, &[]).err().unwrap();
    assert_eq!(refused.code, Some(1));
    let expected = format!("another server listens at {}: stop it, or", socket.display());
    assert!(refused.message.contains(&expected), "{refused:?}");
    let _after = first.client("after");
}

#[test]
fn the_port_of_a_live_server_is_refused() {
    let directory = tempdir().unwrap();
    let first = Server::start(directory.path(), &[]);
    let port = first.addresses[1].to_string();
    let refused = Server::refused(command(directory.path()).args(["-B", &port]));
    assert_eq!(refused.code, Some(1));
    let expected = format!("another server listens at {port}: stop it, or");
    assert!(refused.message.contains(&expected), "{refused:?}");
}

#[test]
fn the_socket_of_a_killed_server_is_replaced() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let mut first = server_at(&socket, &[]).unwrap();
    first.signal(Signal::KILL);
    assert_eq!(first.exit_code(), None);
    assert!(socket.exists());
    let second = server_at(&socket, &[]).unwrap();
    let _client = second.client("a.client");
}

#[test]
fn a_file_that_is_not_a_socket_is_refused_and_kept() {
    let directory = tempdir().unwrap();
    let precious = directory.path().join("precious.sock");
    fs::write(&precious, "precious").unwrap();
    let refused = server_at(&precious, &[]).err().unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.message.contains("is not a socket: move it away"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn of_two_servers_that_start_at_once_on_a_stale_socket_exactly_one_wins() {
    for _ in 0..5 {
        let directory = tempdir().unwrap();
        let socket = directory.path().join("bus.sock");
        leave_a_stale_socket(&socket);
        let start = || Process::spawn(command(directory.path()).arg("-B").arg(&socket));
        let (won, lost): (Vec<_>, Vec<_>) = [start(), start()]
            .map(Server::up)
            .into_iter()
            .partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 1));
        let refused = lost.into_iter().find_map(Result::err).unwrap();
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.message.contains("another server listens at"),
            "{refused:?}"
        );
        let _client = Raw::register(&Address::Unix(socket), "a.client");
    }
}

#[test]
fn a_server_that_ends_leaves_the_socket_that_has_replaced_its_own() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let mut first = server_at(&socket, &[]).unwrap();
    fs::remove_file(&socket).unwrap();
    let second = server_at(&socket, &[]).unwrap();
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
    let _client = second.client("a.client");
}

#[test]
fn a_socket_is_for_its_owner_alone_unless_told_otherwise() {
    let directory = tempdir().unwrap();
    for (name, more, mode) in [
        ("default.sock", &[][..], 0o600),
        ("group.sock", &["--socket-mode", "660"], 0o660),
        ("world.sock", &["--socket-mode", "0666"], 0o666),
    ] {
        let socket = directory.path().join(name);
        let _server = server_at(&socket, more).unwrap();
        assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn the_owner_and_the_group_of_a_socket_can_be_set() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let uid = rustix::process::getuid();
    // Only root can give a file away; everybody else has it already.
    let (owner, group) = if uid.is_root() {
        (4321, 1234)
    } else {
        (uid.as_raw(), rustix::process::getgid().as_raw())
    };
    let (owner_text, group_text) = (owner.to_string(), group.to_string());
    let more = ["--socket-owner", &owner_text, "--socket-group", &group_text];
    let _server = server_at(&socket, &more).unwrap();
    let found = socket.metadata().unwrap();
    assert_eq!((found.uid(), found.gid()), (owner, group));
}

#[test]
fn the_owner_of_a_socket_can_be_given_by_name() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let uid = rustix::process::getuid();
    let user = nix::unistd::User::from_uid(uid.as_raw().into()).unwrap();
    // A user without a name, as in some containers, has none to give.
    let Some(user) = user else { return };
    let _server = server_at(&socket, &["--socket-owner", &user.name]).unwrap();
    assert_eq!(socket.metadata().unwrap().uid(), uid.as_raw());
}
