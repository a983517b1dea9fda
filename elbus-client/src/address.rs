//! Where a broker listens and a client connects.
use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use crate::shown::Shown;

/// Where a broker listens and a client connects.
///
/// | written as | means |
/// | --- | --- |
/// | `/path`, `./path`, `name.sock`, `unix:///path`, `unix:path` | a UNIX socket |
/// | `host:port`, `[::1]:port`, `tcp://host:port` | TCP |
/// | `tls://host:port` | TLS over TCP |
///
/// ```
/// use elbus_client::Address;
///
/// assert_eq!("/run/bus.sock".parse(), Ok(Address::Unix("/run/bus.sock".into())));
/// assert_eq!("tcp://localhost:7777".parse(), Ok(Address::Tcp("localhost:7777".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// The path of a UNIX socket.
    Unix(PathBuf),
    /// `host:port`; the host is a name or an address.
    Tcp(String),
    /// `host:port` for TLS over TCP; the host is a name or an address that the broker's certificate is for.
    Tls(String),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty: give a path like /run/bus.sock or a host and port like localhost:7777")]
    Empty,
    /// A scheme that is not `unix`, `tcp` or `tls`.
    #[error("{} has an unknown scheme: use unix:, tcp:// or tls://", Shown(.address))]
    Scheme {
        /// What was given.
        address: String,
    },
    /// `host:port` with a number that no port has.
    #[error("the port of {} is out of range: ports are from 0 to 65535", Shown(.address))]
    Port {
        /// What was given.
        address: String,
    },
    /// Neither a path nor a host with a port.
    #[error("{} is neither the path of a socket (/path, ./path, name.sock) nor host:port", Shown(.address))]
    Unclear {
        /// What was given.
        address: String,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path.strip_prefix("//").unwrap_or(path));
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            return host_and_port(address).map(Self::Tcp);
        }
        if let Some(address) = text.strip_prefix("tls://") {
            return host_and_port(address).map(Self::Tls);
        }
        if text.contains("://") || text.starts_with("fifo:") {
            return Err(AddressError::Scheme {
                address: text.to_owned(),
            });
        }
        let ends_as_socket = [".sock", ".socket", ".ipc"].iter().any(|end| text.ends_with(end));
        if text.starts_with(['/', '.']) || ends_as_socket {
            return unix(text);
        }
        host_and_port(text).map(Self::Tcp)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<&String> for Address {
    type Error = AddressError;

    fn try_from(text: &String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Infallible> for AddressError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn unix(path: &str) -> Result<Address, AddressError> {
    if path.is_empty() {
        Err(AddressError::Empty)
    } else {
        Ok(Address::Unix(path.into()))
    }
}

fn host_and_port(address: &str) -> Result<String, AddressError> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(address.to_owned()),
        Some((host, port)) if !host.is_empty() && is_number(port) => Err(AddressError::Port {
            address: address.to_owned(),
        }),
        _ => Err(AddressError::Unclear {
            address: address.to_owned(),
        }),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
            Self::Tls(address) => write!(f, "tls://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_hosts_are_told_apart() {
        for (text, path) in [
            ("/a/b", "/a/b"),
            ("./b", "./b"),
            ("bus.sock", "bus.sock"),
            ("unix:///a/b", "/a/b"),
            ("unix:b", "b"),
            ("unix:/a/b:1", "/a/b:1"),
        ] {
            assert_eq!(text.parse(), Ok(Address::Unix(path.into())), "{text}");
        }
        for (text, address) in [
            ("h:1", "h:1"),
            ("[::1]:0", "[::1]:0"),
            ("tcp://h:65535", "h:65535"),
        ] {
            assert_eq!(text.parse(), Ok(Address::Tcp(address.into())), "{text}");
        }
        for (text, address) in [("tls://h:1", "h:1"), ("tls://[::1]:0", "[::1]:0")] {
            let parsed = text.parse();
            assert_eq!(parsed, Ok(Address::Tls(address.into())), "{text}");
            assert_eq!(parsed.unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_explained() {
        assert_eq!("".parse::<Address>(), Err(AddressError::Empty));
        for text in ["host:65536", "tcp://[::1]:99999999999", "tls://host:65536"] {
            assert!(
                matches!(text.parse::<Address>(), Err(AddressError::Port { .. })),
                "{text}"
            );
        }
        for text in [
            "host",
            "host:",
            ":1",
            ":99999",
            "host:-1",
            "tcp://host",
            "tls://host",
        ] {
            assert!(
                matches!(text.parse::<Address>(), Err(AddressError::Unclear { .. })),
                "{text}"
            );
        }
        for text in ["ws://host:1", "fifo:/x"] {
            assert!(
                matches!(text.parse::<Address>(), Err(AddressError::Scheme { .. })),
                "{text}"
            );
        }
    }
}
