//! Where a client may connect from.
use std::{fmt, net::IpAddr, str::FromStr};

use crate::socket::Origin;

/// Where a client may connect from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// From anywhere.
    Any,
    /// In the broker's process.
    Process,
    /// The command FIFOs: the client `.fifo`.
    Fifo,
    /// A UNIX socket, whoever is on its other end.
    Unix,
    /// A UNIX socket, and a process of this user (effective user id when it connected) on its other end. It holds for no
    /// other user, not even for root.
    UnixUser(u32),
    /// A UNIX socket, and a process whose effective group id was this one when it connected. Supplementary groups do not
    /// count: the system does not tell them.
    UnixGroup(u32),
    /// TCP, with TLS or without, from any host.
    Tcp,
    /// TCP, from a host of this network.
    Network(Network),
    /// A TLS connection whose other end has a certificate of this subject, as `client.list` shows it: `CN=plant`, or
    /// `DNS=hall.gate` for one without a common name. The listener has to ask for certificates
    /// (`TlsOptions::client_ca`).
    Certificate(String),
}

impl Source {
    /// Whether a client comes from here.
    pub(crate) fn admits(&self, origin: Origin, certificate: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _)
            | (Self::Process, Origin::Process)
            | (Self::Fifo, Origin::Fifo)
            | (Self::Unix, Origin::Unix { .. })
            | (Self::Tcp, Origin::Tcp { .. } | Origin::Tls { .. }) => true,
            (Self::UnixUser(user), Origin::Unix { uid, .. }) => *user == uid,
            (Self::UnixGroup(group), Origin::Unix { gid, .. }) => *group == gid,
            (Self::Network(network), Origin::Tcp { host, .. } | Origin::Tls { host, .. }) => {
                network.contains(host)
            }
            (Self::Certificate(subject), _) => certificate == Some(subject),
            _ => false,
        }
    }
}

/// Hosts whose addresses begin alike, or one host.
///
/// ```
/// use elbus_broker::access::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains([10, 1, 2, 3].into()));
/// assert!(!network.contains([11, 0, 0, 1].into()));
/// # Ok::<(), elbus_broker::access::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No IP address in front of the slash.
    #[error("{0:?} is no IPv4 or IPv6 address")]
    Address(String),
    /// The number behind the slash is none, or more than the bits of an address.
    #[error("expected a number of bits from 0 to {most} behind the slash, not {prefix:?}")]
    Prefix {
        /// What stood behind the slash.
        prefix: String,
        /// Bits of an address of this family.
        most: u8,
    },
    /// Bits are set behind the prefix, so that it is not plain which network is meant.
    #[error("{given} has bits behind its prefix; the network is {network}")]
    HostBits {
        /// What was given.
        given: String,
        /// The network that it lies in.
        network: Network,
    },
}

impl Network {
    /// Whether a host belongs to it. An IPv4 address is the same host when it is written as an IPv6 one
    /// (`::ffff:192.0.2.1`).
    #[must_use]
    pub fn contains(&self, host: IpAddr) -> bool {
        masked(host.to_canonical(), self.prefix) == Some(self.address)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address
            .parse()
            .map_err(|_| NetworkError::Address(address.to_owned()))?;
        let most = bits(written);
        let prefix = match prefix {
            None => most,
            Some(prefix) => match prefix.parse() {
                Ok(bits) if bits <= most && !prefix.starts_with('+') => bits,
                _ => {
                    let prefix = prefix.to_owned();
                    return Err(NetworkError::Prefix { prefix, most });
                }
            },
        };
        // IPv4 hosts are known by their IPv4 addresses, whichever kind of socket they came in on.
        let mapped = written.to_canonical();
        let (address, prefix) = match prefix.checked_sub(most - bits(mapped)) {
            Some(prefix) => (mapped, prefix),
            None => (written, prefix),
        };
        let network = Self {
            address: masked(address, prefix).unwrap_or(address),
            prefix,
        };
        if network.address == address {
            Ok(network)
        } else {
            let given = text.to_owned();
            Err(NetworkError::HostBits { given, network })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first bits of an address, the others zero; `None` when it has fewer.
fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let behind = u32::from(bits(address).checked_sub(prefix)?);
    Some(match address {
        // A shift by all bits leaves none.
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<Network, NetworkError> {
        text.parse()
    }

    #[test]
    fn a_network_holds_the_hosts_that_begin_like_it() {
        for (text, host, expected) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("192.0.2.128/25", "192.0.2.128", true),
            ("192.0.2.128/25", "192.0.2.127", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            // An IPv4 host is none of an IPv6 network's, however it is written.
            ("::/0", "::ffff:192.0.2.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1", "::1", true),
            ("::1", "127.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
        ] {
            let holds = network(text).unwrap().contains(host.parse().unwrap());
            assert_eq!(holds, expected, "{text} {host}");
        }
    }

    #[test]
    fn a_network_is_written_as_it_was_read() {
        for text in ["10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "2001:db8::/32", "::1"] {
            assert_eq!(network(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "\"\" is no IPv4 or IPv6 address"),
            ("localhost", "\"localhost\" is no IPv4 or IPv6 address"),
            ("10.0.0/8", "\"10.0.0\" is no IPv4"),
            ("10.0.0.0/33", "from 0 to 32 behind the slash, not \"33\""),
            ("10.0.0.0/+8", "not \"+8\""),
            ("10.0.0.0/", "not \"\""),
            ("::/129", "from 0 to 128 behind the slash, not \"129\""),
            ("10.1.2.3/8", "the network is 10.0.0.0/8"),
            ("2001:db8::1/32", "the network is 2001:db8::/32"),
        ] {
            let error = network(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
