//! The command FIFO of a server.
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::Server;

#[test]
fn commands_written_to_the_fifo_are_carried_out_and_its_file_goes_with_the_server() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("commands");
    let bind = format!("fifo:{}", path.display());
    let mut server = Server::start(directory.path(), &["-B", &bind, "--socket-mode", "620"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o620);
    let mut client = server.client("pump");

    fs::write(&path, "nobody x\npump two words\n").unwrap();

    assert_eq!(client.message(), (".fifo".to_owned(), b"two words".to_vec()));
    server.process.wait_for_error("command left out");
    server.process.signal(Signal::TERM);
    assert!(server.process.wait(Duration::from_secs(20)).success());
    assert!(!path.exists());
}

#[test]
fn a_path_that_is_no_fifo_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("file");
    fs::write(&path, "mine").unwrap();
    let bind = format!("fifo:{}", path.display());

    let refused = Server::refused(crate::support::command(directory.path()).args(["-B", &bind]));

    assert_eq!(refused.code, Some(1));
    assert!(refused.message.contains("is not a FIFO"), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}
