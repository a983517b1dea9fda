//! Running in the background.
use std::{
    fs,
    path::{Path, PathBuf},
};

use elbus_broker::Address;
use elbus_testkit::{PATIENCE, Raw};
use rustix::process::{Pid, Signal, getpgrp, getsid, kill_process, test_kill_process};
use tempfile::tempdir;

use crate::support::{Process, Server, command, eventually};

/// A server in the background; killed when dropped.
struct Daemon(Pid);

impl Daemon {
    fn of(pid_file: &Path) -> Self {
        let text = fs::read_to_string(pid_file).unwrap();
        Self(Pid::from_raw(text.trim().parse().unwrap()).unwrap())
    }

    fn is_alive(&self) -> bool {
        test_kill_process(self.0).is_ok() && !is_zombie(self.0)
    }
}

/// Where nobody collects orphans, as in some containers, a process that has ended stays as a zombie.
fn is_zombie(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended as it should.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

fn start(directory: &Path) -> (Daemon, PathBuf, PathBuf, String) {
    let (socket, pid_file) = (directory.join("bus.sock"), directory.join("server.pid"));
    let mut command = command(directory);
    command.arg("-D").arg("-P").arg(&pid_file).arg("-B").arg(&socket);
    let (code, said, errors) = Process::spawn(&mut command).finish(PATIENCE);
    assert_eq!((code, &errors[..]), (Some(0), ""), "{said}");
    (Daemon::of(&pid_file), socket, pid_file, said)
}

#[test]
fn the_command_returns_when_the_bus_is_up() {
    let directory = tempdir().unwrap();
    let (daemon, socket, _, said) = start(directory.path());
    assert!(
        said.contains(&format!("listens at\n  {}", socket.display())),
        "{said}"
    );
    assert!(daemon.is_alive());
    let _client = Raw::register(&Address::Unix(socket), "a.client");
}

#[test]
fn it_says_how_to_end_it() {
    let directory = tempdir().unwrap();
    let (daemon, _, pid_file, said) = start(directory.path());
    let pid = daemon.0.as_raw_nonzero();
    let expected = format!(
        "It runs in the background as process {pid}, which is also in {}.\nkill {pid} ends it",
        pid_file.display()
    );
    assert!(said.contains(&expected), "{said}");
    assert!(!said.contains("Ctrl-C"), "{said}");
}

#[test]
fn it_is_cut_loose_from_the_terminal_that_started_it() {
    let directory = tempdir().unwrap();
    let (daemon, ..) = start(directory.path());
    assert_eq!(getsid(Some(daemon.0)), Ok(daemon.0));
    assert_ne!(getpgrp(), daemon.0);
    for stream in 0..3 {
        let pid = daemon.0.as_raw_nonzero();
        let target = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
        assert_eq!(target, Path::new("/dev/null"), "stream {stream}");
    }
}

#[test]
fn sigterm_ends_it_and_no_files_are_left() {
    let directory = tempdir().unwrap();
    let (daemon, socket, pid_file, _) = start(directory.path());
    kill_process(daemon.0, Signal::TERM).unwrap();
    eventually("the end of the daemon", || !daemon.is_alive());
    assert!(!socket.exists());
    assert!(!pid_file.exists());
}

#[test]
fn what_keeps_it_from_starting_is_said_where_it_was_started() {
    let directory = tempdir().unwrap();
    let refused = Server::refused(command(directory.path()).args(["-D", "-B", "none/bus.sock"]));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .message
            .starts_with("elbus-server: cannot listen at none/bus.sock"),
        "{refused:?}"
    );
}
