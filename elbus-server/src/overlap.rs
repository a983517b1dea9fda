//! Addresses that are given twice, in other words perhaps.
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf, absolute},
};

use elbus_broker::Address;

/// Why the server cannot listen at all of the given addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overlap {
    #[error("-B {0} is given twice: give it once")]
    Repeated(Address),
    #[error("-B {0} and -B {1} are the same address: give one of them")]
    Same(Address, Address),
    #[error("-B {wide} listens at {narrow} as well: give one of them")]
    Within { wide: Address, narrow: Address },
}

/// Checks that no two of the addresses overlap.
pub(crate) fn check(addresses: &[Address]) -> Result<(), Overlap> {
    for (n, second) in addresses.iter().enumerate() {
        for first in &addresses[..n] {
            if let Some(overlap) = overlap(first, second) {
                return Err(overlap);
            }
        }
    }
    Ok(())
}

fn overlap(first: &Address, second: &Address) -> Option<Overlap> {
    let same = || {
        Some(if first == second {
            Overlap::Repeated(first.clone())
        } else {
            Overlap::Same(first.clone(), second.clone())
        })
    };
    let within = |wide: &Address, narrow: &Address| {
        Some(Overlap::Within {
            wide: wide.clone(),
            narrow: narrow.clone(),
        })
    };
    match (first, second) {
        (Address::Unix(a), Address::Unix(b)) if place(a) == place(b) => same(),
        // The system chooses another port each time.
        (Address::Tcp(a) | Address::Tls(a), _) if a.ends_with(":0") => None,
        (Address::Tcp(a) | Address::Tls(a), Address::Tcp(b) | Address::Tls(b)) => {
            match (a.parse(), b.parse()) {
                _ if a == b => same(),
                (Ok(a), Ok(b)) if a == b => same(),
                (Ok(a), Ok(b)) if covers(a, b) => within(first, second),
                (Ok(a), Ok(b)) if covers(b, a) => within(second, first),
                // Names are for the system to resolve.
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether `wide` stands for all addresses of a family of which `narrow` is one.
fn covers(wide: SocketAddr, narrow: SocketAddr) -> bool {
    wide.ip().is_unspecified() && wide.is_ipv4() == narrow.is_ipv4() && wide.port() == narrow.port()
}

/// Where a path leads, its directory's links followed as far as there is a directory.
fn place(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(directory)), Some(name)) => directory.join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(addresses: &[&str]) -> Result<(), String> {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        check(&addresses).map_err(|overlap| overlap.to_string())
    }

    #[test]
    fn an_address_that_is_given_twice_is_named() {
        for (addresses, explained) in [
            (&["/a.sock", "/a.sock"], "-B /a.sock is given twice"),
            (
                &["./a.sock", "unix:a.sock"],
                "-B ./a.sock and -B a.sock are the same address",
            ),
            (
                &["/dev/../a.sock", "/a.sock"],
                "-B /dev/../a.sock and -B /a.sock are the same address",
            ),
            (&["h:1", "tcp://h:1"], "-B h:1 is given twice"),
            (
                &["[::1]:1", "[0::1]:1"],
                "-B [::1]:1 and -B [0::1]:1 are the same address",
            ),
            (
                &["0.0.0.0:1", "127.0.0.1:1"],
                "-B 0.0.0.0:1 listens at 127.0.0.1:1 as well",
            ),
            (
                &["0.0.0.0:1", "tls://127.0.0.1:1"],
                "-B 0.0.0.0:1 listens at tls://127.0.0.1:1 as well",
            ),
            (
                &["h:1", "tls://h:1"],
                "-B h:1 and -B tls://h:1 are the same address",
            ),
            (&["[::1]:1", "[::]:1"], "-B [::]:1 listens at [::1]:1 as well"),
        ] {
            let overlap = checked(addresses).unwrap_err();
            assert!(overlap.starts_with(explained), "{overlap}");
        }
    }

    #[test]
    fn addresses_that_only_look_alike_are_granted() {
        for addresses in [
            &["/a.sock", "/b.sock", "/c/a.sock"][..],
            &["127.0.0.1:0", "127.0.0.1:0"],
            &["127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1"],
            &["0.0.0.0:1", "[::1]:1"],
            &["localhost:1", "127.0.0.1:1"],
        ] {
            assert_eq!(checked(addresses), Ok(()), "{addresses:?}");
        }
    }
}
