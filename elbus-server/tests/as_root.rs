//! What only root may do: to become several users at one socket, to make networks, to keep cores awake.
//! `cargo test -p elbus-server --test as_root -- --ignored --test-threads=1`
//!
//! For several users the test runs itself once more as another user, who is then a client.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
mod support;

use std::{
    env, fs,
    io::Read,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use elbus_broker::Address;
use elbus_proto::{Code, Op};
use elbus_testkit::{PATIENCE, Raw};
use rustix::process::Signal;
use support::Server;
use tempfile::{TempDir, tempdir};

/// Users and a group of whom nobody needs to know.
const ALICE: u32 = 64_001;
const BOB: u32 = 64_002;
const CREW: u32 = 64_010;

const SOCKET: &str = "ELBUS_TEST_SOCKET";
const NAME: &str = "ELBUS_TEST_NAME";

struct Bus {
    directory: TempDir,
    server: Server,
    /// The test's own program, where everybody may run it.
    program: PathBuf,
}

impl Bus {
    fn start(rules: &str) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test becomes other users: run it as root"
        );
        let directory = tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = directory.path().join("client");
        fs::copy(env::current_exe().unwrap(), &program).unwrap();
        write(directory.path(), rules);
        let more = ["--config", "elbus.toml", "--socket-mode", "666"];
        let server = Server::start(directory.path(), &more);
        Self {
            directory,
            server,
            program,
        }
    }

    /// What a client of this user and group hears when it connects and publishes to `plant/rpm`.
    fn hears(&self, user: u32, group: u32, name: &str) -> String {
        let output = Command::new(&self.program)
            .args(["--exact", "is_a_client", "--ignored", "--nocapture"])
            .current_dir("/")
            .env(SOCKET, self.directory.path().join("bus.sock"))
            .env(NAME, name)
            .gid(group)
            .uid(user)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let heard = said.lines().find_map(|line| line.split_once("heard: "));
        let (_, heard) = heard.unwrap_or_else(|| panic!("{said}\n{:?}", String::from_utf8(output.stderr)));
        heard.to_owned()
    }
}

fn write(directory: &Path, rules: &str) {
    fs::write(directory.join("elbus.toml"), rules).unwrap();
}

/// Not a test by itself: the client of those below.
#[test]
#[ignore = "run by the other tests, as another user"]
fn is_a_client() {
    let (Some(socket), Ok(name)) = (env::var_os(SOCKET), env::var(NAME)) else {
        return;
    };
    let (mut client, answer) = Raw::try_register(&Address::Unix(socket.into()), name.as_bytes());
    let heard = match Code::result(answer) {
        Ok(()) => format!("connected, {:?}", client.ask(1, Op::Publish, b"plant/rpm\0900")),
        Err(code) => format!("refused, {code:?}"),
    };
    println!("heard: {heard}");
}

const PUBLISHED: &str = "connected, Ok(())";
const NOT_PUBLISHED: &str = "connected, Err(Access)";
const REFUSED: &str = "refused, Access";

#[test]
#[ignore = "needs root, to become two users"]
fn one_of_two_users_may_publish_and_the_other_one_not() {
    let rules = format!(
        "[[access]]\nname = \"plant.*\"\nfrom = \"unix:user={ALICE}\"\npublish = \"plant/#\"\n\
         [[access]]\nname = \"reader.*\"\nfrom = [\"unix:user={ALICE}\", \"unix:user={BOB}\"]\n"
    );
    let mut bus = Bus::start(&rules);
    assert_eq!(bus.hears(ALICE, ALICE, "plant.pump"), PUBLISHED);
    assert_eq!(bus.hears(ALICE, ALICE, "reader.1"), NOT_PUBLISHED);
    assert_eq!(bus.hears(BOB, BOB, "plant.pump"), REFUSED);
    assert_eq!(bus.hears(BOB, BOB, "reader.1"), NOT_PUBLISHED);
    // Not even root is another user.
    assert_eq!(bus.hears(0, 0, "plant.pump"), REFUSED);
    let more =
        format!("[[access]]\nname = \"reader.1\"\nfrom = \"unix:user={BOB}\"\npublish = \"plant/rpm\"\n");
    write(bus.directory.path(), &format!("{rules}{more}"));
    bus.server.signal(Signal::HUP);
    bus.server.process.wait_for_error("in force");
    assert_eq!(bus.hears(BOB, BOB, "reader.1"), PUBLISHED);
}

#[test]
#[ignore = "needs root, to become members of a group"]
fn a_group_is_that_of_the_process_on_the_other_end() {
    let bus = Bus::start(&format!(
        "[[access]]\nname = \"*\"\nfrom = \"unix:group={CREW}\"\npublish = \"plant/#\"\n"
    ));
    assert_eq!(bus.hears(ALICE, CREW, "plant.pump"), PUBLISHED);
    assert_eq!(bus.hears(BOB, CREW, "plant.pump"), PUBLISHED);
    assert_eq!(bus.hears(ALICE, ALICE, "plant.pump"), REFUSED);
}

#[test]
#[ignore = "needs root, to become two users"]
fn a_reserved_name_is_had_by_its_user_alone() {
    let bus = Bus::start(&format!(
        "[[reserved]]\nname = \"plant.*\"\nfrom = \"unix:user={ALICE}\"\n"
    ));
    assert_eq!(bus.hears(ALICE, ALICE, "plant.pump"), PUBLISHED);
    assert_eq!(bus.hears(BOB, BOB, "plant.pump"), REFUSED);
    assert_eq!(bus.hears(BOB, BOB, "office.light"), PUBLISHED);
}

#[test]
#[ignore = "needs root, to become two users"]
fn a_secondary_of_another_users_client_is_refused_although_the_rules_admit_both() {
    let bus = Bus::start("[[access]]\nname = \"*\"\nfrom = \"unix\"\npublish = \"#\"\n");
    // The primary is root's.
    let _primary = bus.server.client("plant.pump");
    assert_eq!(bus.hears(0, 0, "plant.pump%%1"), PUBLISHED);
    assert_eq!(bus.hears(ALICE, ALICE, "plant.pump%%2"), REFUSED);
}

/// Where a program says how long a core may take to wake up.
const LATENCY: &str = "/dev/cpu_dma_latency";

/// Whether this is a machine on which the server has to do with it.
fn is_suitable() -> bool {
    let driver = fs::read_to_string("/sys/devices/system/cpu/cpuidle/current_driver").unwrap_or_default();
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let lines = stat.lines().filter(|line| line.starts_with("cpu")).count();
    // The first line is about all cores together.
    driver.trim() == "haltpoll" && lines <= 1 + 8
}

/// Whether nobody else has to do with it there.
fn keeps_awake() -> bool {
    is_suitable() && latency() != 0
}

/// How many microseconds a core may take, by all that any program asked for.
fn latency() -> i32 {
    let mut bytes = [0; 4];
    fs::File::open(LATENCY).unwrap().read_exact(&mut bytes).unwrap();
    i32::from_ne_bytes(bytes)
}

/// Ticks for which cores had nothing to do, and all.
fn ticks() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let line = stat.lines().next().unwrap();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(|word| word.parse().unwrap())
        .collect();
    (ticks[3], ticks.iter().sum())
}

fn has_open(server: &Server, path: &str) -> bool {
    let open = fs::read_dir(format!("/proc/{}/fd", server.process.pid())).unwrap();
    open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .any(|link| link == Path::new(path))
}

#[test]
#[ignore = "needs root, whom the system lets keep cores awake"]
fn cores_are_kept_awake_while_messages_come_in_quick_succession() {
    if !keeps_awake() {
        eprintln!("no virtual machine of up to eight cores, or another program keeps them awake");
        return;
    }
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &["-w", "1"]);
    let mut client = server.client("client");
    let before = latency();
    let ticks_before = ticks();
    let began = Instant::now();
    while latency() != 0 {
        if began.elapsed() > PATIENCE {
            let (idle, all) = ticks();
            assert!(
                (idle - ticks_before.0) * 4 < all - ticks_before.1,
                "cores are not kept awake"
            );
            eprintln!("cores have no time to spare");
            return;
        }
        // Each is one sleep of the worker.
        for _ in 0..1_000 {
            client.ask(1, Op::Subscribe, b"plant/#").unwrap();
        }
    }
    while latency() != before {
        assert!(began.elapsed() < 2 * PATIENCE, "cores are not let go");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "needs root, whom the system lets keep cores awake"]
fn a_server_that_lets_cores_sleep_has_nothing_to_do_with_it() {
    let directory = tempdir().unwrap();
    let server = Server::start(directory.path(), &["--let-cores-sleep"]);
    assert!(!has_open(&server, LATENCY));
    drop(server);
    let server = Server::start(directory.path(), &[]);
    assert_eq!(has_open(&server, LATENCY), is_suitable());
}

/// Two machines with a cable between them; gone when dropped.
struct Machines {
    server: String,
    client: String,
}

const SERVER_ADDRESS: &str = "192.0.2.1";
const CLIENT_ADDRESS: &str = "192.0.2.2";

impl Machines {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces: run it as root"
        );
        let pid = std::process::id();
        let machines = Self {
            server: format!("elbus-server-{pid}"),
            client: format!("elbus-client-{pid}"),
        };
        let (server, client) = (machines.server.as_str(), machines.client.as_str());
        ip(&["netns", "add", server]);
        ip(&["netns", "add", client]);
        let cable = ["link", "add", "cable", "netns", server, "type", "veth", "peer"];
        ip(&[&cable[..], &["name", "cable", "netns", client]].concat());
        for (machine, address) in [(server, SERVER_ADDRESS), (client, CLIENT_ADDRESS)] {
            let address = format!("{address}/30");
            ip(&["-n", machine, "address", "add", &address, "dev", "cable"]);
            ip(&["-n", machine, "link", "set", "cable", "up"]);
        }
        machines
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for machine in [&self.server, &self.client] {
            // Also when it was never made.
            let _ = Command::new("ip").args(["netns", "delete", machine]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

/// Not a test by itself: the client on the other machine.
#[test]
#[ignore = "run by the test below, on another machine"]
fn is_a_remote_client() {
    let Ok(name) = env::var(REMOTE_NAME) else {
        return;
    };
    let mut client = Raw::register(&Address::Tcp(format!("{SERVER_ADDRESS}:7777")), &name);
    client.set_patience(std::time::Duration::from_secs(600));
    while client.got_or_end().is_some() {}
}

const REMOTE_NAME: &str = "ELBUS_TEST_REMOTE_NAME";

#[test]
#[ignore = "needs root, to make two machines out of network namespaces"]
fn a_tcp_client_whose_network_is_gone_is_dropped_in_the_time_that_was_set() {
    let limit = std::time::Duration::from_secs(3);
    let machines = Machines::new();
    let directory = tempdir().unwrap();
    let mut command = Command::new("ip");
    command
        .args([
            "netns",
            "exec",
            &machines.server,
            env!("CARGO_BIN_EXE_elbus-server"),
            "-B",
        ])
        .arg(directory.path().join("bus.sock"))
        .args(["-B", &format!("{SERVER_ADDRESS}:7777"), "--keep-alive", "3"]);
    let server = Server::run(&mut command);
    let mut remote = Command::new("ip")
        .args(["netns", "exec", &machines.client])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "is_a_remote_client", "--ignored"])
        .env(REMOTE_NAME, "remote")
        .spawn()
        .unwrap();
    let is_free = || Raw::try_register(&server.addresses[0], b"remote").1 == elbus_proto::OK;
    // Asking for its name would be in its way as long as it does not have it.
    let mut watcher = server.client("watcher");
    support::eventually("it is on the bus", || {
        watcher.ask(1, Op::Message, b"remote\0x").is_ok()
    });
    // One that only says nothing stays.
    std::thread::sleep(2 * limit);
    assert!(!is_free(), "a silent client is not taken for gone");

    // The cable stays in, but nobody answers any more.
    ip(&["-n", &machines.client, "address", "flush", "dev", "cable"]);
    // The default, 30 s, is longer than this waits for: so it was the time that was set.
    support::eventually("it is off the bus", is_free);
    remote.kill().unwrap();
    remote.wait().unwrap();
}
