//! Where the server listens when told, and when not.
use std::{
    fs::{DirBuilder, Permissions, set_permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt, symlink},
    path::Path,
};

use elbus_broker::Address;
use elbus_proto::Op;
use elbus_testkit::Raw;
use tempfile::tempdir;

use crate::support::{Server, command};

#[test]
fn without_arguments_it_listens_in_a_private_directory_of_the_runtime_directory() {
    let directory = tempdir().unwrap();
    let server = Server::run(&mut command(directory.path()));
    let private = directory.path().join("elbus");
    assert_eq!(server.addresses, [Address::Unix(private.join("elbus.sock"))]);
    assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let _client = server.client("a.client");
}

#[test]
fn without_a_runtime_directory_it_listens_in_a_directory_of_the_user() {
    let directory = tempdir().unwrap();
    let uid = rustix::process::getuid().as_raw();
    let socket = format!("/tmp/elbus-{uid}/elbus.sock");
    for without in [None, Some("")] {
        let mut command = command(directory.path());
        match without {
            None => command.env_remove("XDG_RUNTIME_DIR"),
            Some(empty) => command.env("XDG_RUNTIME_DIR", empty),
        };
        // The directory is the user's own and not the test's: a server of the user's may be there already.
        match Server::try_run(&mut command) {
            Ok(server) => assert_eq!(server.addresses, [Address::Unix(socket.clone().into())]),
            Err(refused) => assert!(
                refused
                    .message
                    .contains(&format!("another server listens at {socket}")),
                "{refused:?}"
            ),
        }
    }
}

#[test]
fn the_address_of_the_environment_comes_before_the_runtime_directory() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("own.sock");
    let server = Server::run(command(directory.path()).env("ELBUS_ADDRESS", &socket));
    assert_eq!(server.addresses, [Address::Unix(socket)]);
    assert!(!directory.path().join("elbus").exists());
}

#[test]
fn an_address_of_the_environment_that_is_none_is_explained() {
    let directory = tempdir().unwrap();
    let refused = Server::refused(command(directory.path()).env("ELBUS_ADDRESS", "nowhere"));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .message
            .contains("ELBUS_ADDRESS is set, but \"nowhere\" is neither"),
        "{refused:?}"
    );
}

#[test]
fn addresses_that_are_given_come_before_the_environment() {
    let directory = tempdir().unwrap();
    let environment = directory.path().join("environment.sock");
    let given = directory.path().join("given.sock");
    let server = Server::run(
        command(directory.path())
            .env("ELBUS_ADDRESS", &environment)
            .arg("-B")
            .arg(&given),
    );
    assert_eq!(server.addresses, [Address::Unix(given)]);
    assert!(!environment.exists());
}

#[test]
fn a_default_directory_that_others_may_enter_is_refused() {
    for mode in [0o701, 0o710, 0o755, 0o777] {
        let directory = tempdir().unwrap();
        let open = directory.path().join("elbus");
        DirBuilder::new().mode(0o700).create(&open).unwrap();
        set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        let refused = Server::refused(&mut command(directory.path()));
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.message.contains("make it mode 0700"),
            "{mode:o}: {refused:?}"
        );
        assert!(!open.join("elbus.sock").exists());
    }
}

#[test]
fn a_default_directory_that_is_a_link_is_refused() {
    let directory = tempdir().unwrap();
    let elsewhere = directory.path().join("elsewhere");
    DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
    symlink(&elsewhere, directory.path().join("elbus")).unwrap();
    let refused = Server::refused(&mut command(directory.path()));
    assert_eq!(refused.code, Some(1));
    assert!(refused.message.contains("it is something else"), "{refused:?}");
}

#[test]
fn clients_of_all_given_addresses_meet_on_one_bus() {
    let directory = tempdir().unwrap();
    let server = Server::run(command(directory.path()).args([
        "-B",
        "first.sock",
        "-B",
        "unix:second.sock",
        "-B",
        "127.0.0.1:0",
        "--bind",
        "tcp://localhost:0",
    ]));
    let [first, second, third, fourth] = &server.addresses[..] else {
        panic!("it listens at {:?}", server.addresses)
    };
    for port in [third, fourth] {
        assert!(
            matches!(port, Address::Tcp(port) if !port.ends_with(":0")),
            "{port}"
        );
    }
    // Relative paths are those of the server, whose directory is not the test's.
    let absolute = |address: &Address| match address {
        Address::Unix(path) => Address::Unix(directory.path().join(path)),
        other => other.clone(),
    };
    let mut receiver = Raw::register(&absolute(first), "the.receiver");
    for (n, address) in [first, second, third, fourth].into_iter().enumerate() {
        let name = format!("sender.{n}");
        let mut sender = Raw::register(&absolute(address), &name);
        assert_eq!(sender.ask(1, Op::Message, b"the.receiver\0hello"), Ok(()));
        assert_eq!(receiver.message(), (name, b"hello".to_vec()));
    }
}

#[test]
fn an_address_that_cannot_be_used_is_an_error_that_says_what_to_do() {
    let directory = tempdir().unwrap();
    let long = format!("{}/{}.sock", directory.path().display(), "long".repeat(40));
    for (address, reason, advice) in [
        ("none/bus.sock", "No such file", "create its directory"),
        // Reserved for documentation (RFC 5737): no interface has it.
        (
            "192.0.2.1:7777",
            "Cannot assign requested address",
            "choose another",
        ),
        (&long, "path must be shorter", "choose another"),
    ] {
        let refused = Server::refused(command(directory.path()).args(["-B", address]));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        for part in ["cannot listen at", address, reason, advice] {
            assert!(refused.message.contains(part), "{part}: {refused:?}");
        }
    }
}

#[test]
fn an_address_that_cannot_be_used_takes_back_the_ones_before_it() {
    let directory = tempdir().unwrap();
    let good = directory.path().join("good.sock");
    let bad = Path::new("none/bad.sock");
    let refused = Server::refused(command(directory.path()).arg("-B").arg(&good).arg("-B").arg(bad));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!good.exists());
}

#[test]
fn an_address_that_is_given_twice_is_refused_before_anything_is_bound() {
    let directory = tempdir().unwrap();
    let absolute = directory.path().join("bus.sock");
    for (addresses, explained) in [
        (&["bus.sock", "bus.sock"][..], "-B bus.sock is given twice"),
        (
            &["bus.sock", absolute.to_str().unwrap()],
            "are the same address: give one of them",
        ),
        (
            &["bus.sock", "127.0.0.1:7", "0.0.0.0:7"],
            "-B 0.0.0.0:7 listens at 127.0.0.1:7 as well",
        ),
    ] {
        let mut command = command(directory.path());
        for address in addresses {
            command.args(["-B", address]);
        }
        let refused = Server::refused(&mut command);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.message.contains(explained), "{refused:?}");
        assert!(!absolute.exists());
    }
}

#[test]
fn the_default_address_may_be_given_as_well() {
    let directory = tempdir().unwrap();
    let socket = directory.path().join("bus.sock");
    let server = Server::run(
        command(directory.path())
            .env("ELBUS_ADDRESS", &socket)
            .arg("-B")
            .arg(&socket),
    );
    assert_eq!(server.addresses, [Address::Unix(socket)]);
}

#[test]
fn a_runtime_directory_that_cannot_be_used_is_an_error_that_says_what_to_do() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let open = directory.path().join("open");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(open.join("elbus"))
        .unwrap();
    set_permissions(open.join("elbus"), Permissions::from_mode(0o755)).unwrap();
    for unusable in [&directory.path().join("none"), &file, &open] {
        let refused = Server::refused(command(directory.path()).env("XDG_RUNTIME_DIR", unusable));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        for part in [
            unusable.to_str().unwrap(),
            "set XDG_RUNTIME_DIR to a directory of your own",
            "choose an address with -B",
        ] {
            assert!(refused.message.contains(part), "{part}: {refused:?}");
        }
    }
}
