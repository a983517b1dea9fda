//! A disk without room: for the process id, and for the log.
use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use elbus_broker::Address;
use elbus_testkit::Raw;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::support::{Server, command, eventually};

/// A server for which no file has room.
fn without_room(directory: &Path, pid_file: &Path) -> Command {
    let server = command(directory);
    let mut limited = Command::new("sh");
    limited
        // What is written beyond the limit is an error, as on a full disk; the signal for it would end the process.
        .args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#])
        .arg(server.get_program())
        .args(["-B", "bus.sock", "-P"])
        .arg(pid_file)
        .current_dir(directory);
    limited
}

#[test]
fn a_process_id_for_which_there_is_no_room_is_an_error_and_leaves_no_file_behind() {
    let directory = tempdir().unwrap();
    let pid_file = directory.path().join("server.pid");
    let refused = Server::refused(&mut without_room(directory.path(), &pid_file));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.message.contains("the process id cannot be written to"),
        "{refused:?}"
    );
    assert!(!pid_file.exists(), "an empty file would be in the way");
    // Once there is room, nothing has to be tidied up.
    let with_room = Server::try_run(
        command(directory.path())
            .args(["-B", "bus.sock", "-P"])
            .arg(&pid_file),
    );
    let server = with_room.unwrap();
    let pid = server.process.pid().as_raw_nonzero();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), format!("{pid}\n"));
}

#[test]
fn a_server_whose_words_and_log_find_no_room_serves_on_and_ends_in_order() {
    let directory = tempdir().unwrap();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let mut server = command(directory.path())
        .args(["-v", "-B", "bus.sock"])
        .stdout(full())
        .stderr(full())
        .spawn()
        .unwrap();
    let socket = directory.path().join("bus.sock");
    eventually("the server accepts", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    let address = Address::Unix(socket.clone());
    // Every one of these is worth lines of the log.
    for n in 0..500 {
        Raw::register(&address, &format!("passing.by{n}")).expect_nothing();
    }
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}
