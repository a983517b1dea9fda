use super::*;

fn tcp(host: &str, port: u16) -> Origin {
    let host = host.parse().unwrap();
    Origin::Tcp { host, port }
}

fn unix(uid: u32, gid: u32) -> Origin {
    Origin::Unix { uid, gid }
}

fn tls(host: &str, port: u16) -> Origin {
    let host = host.parse().unwrap();
    Origin::Tls { host, port }
}

#[test]
fn clients_of_one_process_user_or_host_are_the_same_peer() {
    for (a, b) in [
        (Origin::Process, Origin::Process),
        (unix(1000, 1000), unix(1000, 1000)),
        // A user may have switched groups.
        (unix(1000, 1000), unix(1000, 4)),
        (tcp("192.0.2.1", 40_000), tcp("192.0.2.1", 40_000)),
        // Each of a host's connections has a port of its own.
        (tcp("192.0.2.1", 40_000), tcp("192.0.2.1", 40_001)),
        (tcp("2001:db8::1", 40_000), tcp("2001:db8::1", 40_001)),
        (tls("192.0.2.1", 40_000), tls("192.0.2.1", 40_001)),
    ] {
        assert!(a.is_same_peer(b) && b.is_same_peer(a), "{a} and {b}");
    }
}

#[test]
fn clients_of_different_users_hosts_or_kinds_of_connection_are_not_the_same_peer() {
    for (a, b) in [
        (unix(1000, 1000), unix(1001, 1000)),
        // Not even root is another user.
        (unix(0, 0), unix(1000, 1000)),
        (tcp("192.0.2.1", 40_000), tcp("192.0.2.2", 40_000)),
        (tcp("2001:db8::1", 40_000), tcp("2001:db8::2", 40_000)),
        (tcp("127.0.0.1", 40_000), tcp("::1", 40_000)),
        (tls("192.0.2.1", 40_000), tls("192.0.2.2", 40_000)),
        // Whoever is on the way can pretend to be the one and not the other.
        (tls("192.0.2.1", 40_000), tcp("192.0.2.1", 40_000)),
        (Origin::Process, unix(0, 0)),
        (Origin::Process, tcp("127.0.0.1", 40_000)),
        (unix(0, 0), tcp("127.0.0.1", 40_000)),
    ] {
        assert!(!a.is_same_peer(b) && !b.is_same_peer(a), "{a} and {b}");
    }
}

#[test]
fn where_a_client_comes_from_is_told_with_its_port() {
    for (origin, told) in [
        (tcp("192.0.2.1", 7), "192.0.2.1:7"),
        (tcp("2001:db8::1", 7), "[2001:db8::1]:7"),
        (tls("192.0.2.1", 7), "tls:192.0.2.1:7"),
        (tls("2001:db8::1", 7), "tls:[2001:db8::1]:7"),
    ] {
        assert_eq!(origin.to_string(), told);
    }
}
