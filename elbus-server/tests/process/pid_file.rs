//! The file that holds the process id.
use std::{fs, path::Path, process::Command};

use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Refused, Server, command, eventually};

fn server_with(pid_file: &Path) -> Result<Server, Refused> {
    let directory = pid_file.parent().unwrap();
    Server::try_run(command(directory).args(["-B", "bus.sock", "-P"]).arg(pid_file))
}

#[test]
fn it_holds_the_process_id_while_the_server_runs() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("server.pid");
    let mut server = server_with(&file).unwrap();
    let pid = server.process.pid().as_raw_nonzero();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{pid}\n"));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(!file.exists());
}

#[test]
fn one_that_names_a_live_process_is_refused_and_kept() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("server.pid");
    // Process 1 lives and belongs to somebody else, unless root runs the test.
    for alive in [std::process::id(), 1] {
        fs::write(&file, format!("{alive}\n")).unwrap();
        let refused = server_with(&file).err().unwrap();
        assert_eq!(refused.code, Some(1));
        let expected = format!("names the process {alive}, which is running");
        assert!(refused.message.contains(&expected), "{refused:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{alive}\n"));
        assert!(!directory.path().join("bus.sock").exists());
    }
}

#[test]
fn one_that_names_a_process_which_is_gone_is_replaced() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("server.pid");
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    fs::write(&file, format!("{}\n", gone.id())).unwrap();
    let server = server_with(&file).unwrap();
    let pid = server.process.pid().as_raw_nonzero();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{pid}\n"));
}

/// Where nobody collects orphans, as in some containers, a server that was killed stays as a zombie.
#[cfg(target_os = "linux")]
#[test]
fn one_that_names_a_process_which_has_ended_and_was_not_collected_is_replaced() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("server.pid");
    let mut ended = Command::new("true").spawn().unwrap();
    eventually("the end of the process", || {
        fs::read_to_string(format!("/proc/{}/stat", ended.id()))
            .unwrap()
            .contains(") Z")
    });
    fs::write(&file, format!("{}\n", ended.id())).unwrap();
    let server = server_with(&file).unwrap();
    let pid = server.process.pid().as_raw_nonzero();
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{pid}\n"));
    ended.wait().unwrap();
}

#[test]
fn a_file_that_holds_something_else_is_refused_and_kept() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("keep");
    for precious in ["precious\n", "", "-5\n", "0\n", "99999999999\n"] {
        fs::write(&file, precious).unwrap();
        let refused = server_with(&file).err().unwrap();
        assert_eq!(refused.code, Some(1), "{precious:?}: {refused:?}");
        assert!(
            refused.message.contains("does not hold a process id"),
            "{refused:?}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), precious);
    }
}

#[test]
fn one_that_cannot_be_written_is_an_error() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("none/server.pid");
    let refused = Server::refused(
        command(directory.path())
            .args(["-B", "bus.sock", "-P"])
            .arg(&file),
    );
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.message.contains("the process id cannot be written to"),
        "{refused:?}"
    );
    assert!(refused.message.contains("none/server.pid"), "{refused:?}");
}

#[test]
fn it_is_removed_when_the_address_cannot_be_used() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("server.pid");
    let refused = Server::refused(
        command(directory.path())
            .args(["-B", "none/bus.sock", "-P"])
            .arg(&file),
    );
    assert_eq!(refused.code, Some(1));
    assert!(!file.exists());
}
