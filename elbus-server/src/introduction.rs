//! What the server says when it is up: where the bus is, how to talk to it, and how to end it.
use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix,
    path::{Path, absolute},
};

use elbus_broker::Address;

use crate::args::Args;

/// Says it on the standard output.
pub(crate) fn introduce(bound: &[Address], args: &Args) {
    // Whoever started the server may not listen; it runs all the same.
    let _ = write(&mut io::stdout().lock(), bound, args);
}

fn write(out: &mut impl Write, bound: &[Address], args: &Args) -> io::Result<()> {
    writeln!(out, "elbus-server {} listens at", env!("CARGO_PKG_VERSION"))?;
    for address in bound {
        writeln!(out, "  {address}")?;
    }
    for path in args.fifos() {
        writeln!(out, "Commands written to {} are carried out.", path.display())?;
    }
    if let Some(address) = address_for_python(bound) {
        writeln!(out, "Talk to it from Python (pip install elbus):")?;
        writeln!(out, "  import elbus.client")?;
        writeln!(out, "  bus = elbus.client.Client('{address}', 'my.name')")?;
        writeln!(out, "  bus.connect()")?;
    }
    if !args.in_background {
        return writeln!(out, "Ctrl-C ends it; --help tells more.");
    }
    let pid = std::process::id();
    write!(out, "It runs in the background as process {pid}")?;
    if let Some(path) = &args.pid_file {
        write!(out, ", which is also in {}", path.display())?;
    }
    writeln!(out, ".\nkill {pid} ends it; --help tells more.")
}

/// The address to give to the published client on this machine, as it stands between quotes in Python; a UNIX socket
/// if there is one.
///
/// The client (elbus 0.0.15) takes an address for a UNIX socket if it starts with `/` or ends like one. Everything
/// else it splits at colons and connects to over IPv4.
fn address_for_python(bound: &[Address]) -> Option<String> {
    let unix = bound.iter().find_map(|address| match address {
        Address::Unix(path) => unix_for_python(path),
        _ => None,
    });
    unix.or_else(|| {
        bound.iter().find_map(|address| match address {
            Address::Tcp(address) => tcp_for_python(address.parse().ok()?),
            _ => None,
        })
    })
}

fn unix_for_python(path: &Path) -> Option<String> {
    let path = absolute(path).ok()?;
    // One that can be bound as a relative path may be too long as an absolute one.
    unix::net::SocketAddr::from_pathname(&path).ok()?;
    let path = path.to_str()?;
    if path.contains(char::is_control) {
        return None;
    }
    Some(path.replace('\\', r"\\").replace('\'', r"\'"))
}

fn tcp_for_python(address: SocketAddr) -> Option<String> {
    let host = match address.ip().to_canonical() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST,
        IpAddr::V4(host) => host,
        IpAddr::V6(host) if host.is_unspecified() && takes_ipv4() => Ipv4Addr::LOCALHOST,
        IpAddr::V6(_) => return None,
    };
    Some(format!("{host}:{}", address.port()))
}

/// Whether a socket that listens on all IPv6 addresses listens on those of IPv4 as well.
fn takes_ipv4() -> bool {
    fs::read_to_string("/proc/sys/net/ipv6/bindv6only").is_ok_and(|text| text.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(addresses: &[&str]) -> Option<String> {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        address_for_python(&addresses)
    }

    #[test]
    fn python_is_told_an_address_that_its_client_understands() {
        for (bound, told) in [
            (&["127.0.0.1:1"][..], Some("127.0.0.1:1")),
            (&["192.0.2.1:1"], Some("192.0.2.1:1")),
            (&["0.0.0.0:1"], Some("127.0.0.1:1")),
            (&["[::ffff:127.0.0.1]:1"], Some("127.0.0.1:1")),
            (&["[::1]:1"], None),
            (&["[::1]:1", "127.0.0.1:2"], Some("127.0.0.1:2")),
            (&["127.0.0.1:1", "/run/bus"], Some("/run/bus")),
            (&["unix:/run/it's"], Some(r"/run/it\'s")),
            (&["unix:/run/a\nb"], None),
            (&[], None),
        ] {
            assert_eq!(hint(bound).as_deref(), told, "{bound:?}");
        }
    }

    #[test]
    fn a_relative_path_is_told_as_an_absolute_one_unless_that_is_too_long() {
        let here = std::env::current_dir().unwrap();
        let expected = here.join("busfile").to_str().unwrap().to_owned();
        assert_eq!(hint(&["./busfile"]), Some(expected));
        // As long as a path of a socket may be, without the directory.
        let long = format!("./{}.sock", "l".repeat(95));
        assert_eq!(hint(&[&long]), None);
    }
}
