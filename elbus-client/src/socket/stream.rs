//! A connected stream socket: readiness from tokio, reads and writes straight to the system.
//!
//! The broker's side of it knows listeners, peers and narrow windows besides; what is left in common is a call to the
//! system each.
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    task::{Context, Poll},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt},
};
use tokio::net::{TcpStream, UnixStream};

#[cfg(feature = "tls")]
use super::tls;
#[cfg(feature = "tls")]
use crate::tls::Relayed;
use crate::{
    Address, ConnectError, Options,
    keep_alive::Pace,
    readiness::{Room, Stream},
};

/// A broken pipe is an error and not a signal; where this flag is missing, the standard library sets a socket option.
#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;

/// Where bytes come from.
pub(super) trait Incoming {
    /// Reads without blocking.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Reads without blocking into the spare capacity of `buffer`.
    fn try_read_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize>;
}

/// A connected stream socket.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(Stream),
    Tcp(Stream),
    /// In place of a TLS connection.
    #[cfg(feature = "tls")]
    Tls(Relayed),
}

impl Socket {
    /// Connects; a TCP peer that is gone is noticed within `keep_alive`.
    pub(super) async fn connect(address: &Address, options: &Options) -> Result<Self, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable {
            address: address.clone(),
            source,
        };
        Ok(match address {
            Address::Unix(path) => Self::Unix(unix(path).await.map_err(unreachable)?),
            Address::Tcp(host) => {
                let stream = tcp(host, options.keep_alive).await.map_err(unreachable)?;
                let stream = stream.into_std().and_then(Stream::new);
                Self::Tcp(stream.map_err(unreachable)?)
            }
            #[cfg(feature = "tls")]
            Address::Tls(host) => {
                let stream = tcp(host, options.keep_alive).await.map_err(unreachable)?;
                Self::Tls(Box::pin(tls::secure(stream, address, options)).await?)
            }
            #[cfg(not(feature = "tls"))]
            Address::Tls(_) => {
                return Err(ConnectError::NoTls {
                    address: address.clone(),
                });
            }
        })
    }

    /// Ready when there is something to read, or the other side is gone.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_readable(cx)
    }

    /// Writes without blocking, whatever the reactor believes: a UNIX socket is reported writable only when three
    /// quarters of its buffer are free, but takes a write as soon as anything is.
    pub(super) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match parts {
            [part] => rustix::net::send(self, part, SEND)?,
            parts => rustix::net::sendmsg(self, parts, &mut SendAncillaryBuffer::default(), SEND)?,
        })
    }

    /// Writes as the task that waits for room does.
    pub(super) fn write_into(&self, room: &Room, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        room.try_write(|| self.write(parts))
    }

    /// Says that nothing more will be written.
    pub(super) fn shutdown_write(&self) {
        // The other side may be gone already: then there is nobody to tell.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    const fn stream(&self) -> &Stream {
        match self {
            Self::Unix(stream) | Self::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(relayed) => relayed.stream(),
        }
    }
}

impl Incoming for Socket {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        self.stream().try_read(room, || {
            Ok(rustix::net::recv(self, buffer, RecvFlags::DONTWAIT)?.0)
        })
    }

    fn try_read_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        self.stream().try_read(room, || {
            Ok(rustix::net::recv(self, spare_capacity(buffer), RecvFlags::DONTWAIT)?.0)
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream().as_fd()
    }
}

async fn unix(path: &Path) -> io::Result<Stream> {
    Stream::expecting(UnixStream::connect(path).await?.into_std()?)
}

async fn tcp(address: &str, keep_alive: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Frames are gathered here already: holding them up in the kernel as well would only delay them.
    stream.set_nodelay(true)?;
    watch(&stream, keep_alive)?;
    Ok(stream)
}

/// Has the system notice within `limit` that the other side is gone; zero leaves it to the system's own times.
fn watch(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    let Some(pace) = Pace::of(limit) else {
        return Ok(());
    };
    sockopt::set_socket_keepalive(stream, true)?;
    #[cfg(not(any(
        target_os = "haiku",
        target_os = "nto",
        target_os = "openbsd",
        target_os = "redox"
    )))]
    {
        sockopt::set_tcp_keepidle(stream, pace.idle)?;
        sockopt::set_tcp_keepintvl(stream, pace.interval)?;
        sockopt::set_tcp_keepcnt(stream, pace.retries)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let millis = u32::try_from(pace.user_timeout.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(stream, millis)?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(any(target_os = "linux", target_os = "android"))]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn dialled(keep_alive: Duration) -> (Socket, TcpListener) {
        let options = Options::new("a.client").keep_alive(keep_alive);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap().to_string());
        (Socket::connect(&address, &options).await.unwrap(), listener)
    }

    #[tokio::test]
    async fn the_system_is_told_when_to_ask_the_broker_and_when_to_give_it_up() {
        let (socket, _listener) = dialled(Duration::from_secs(30)).await;
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), Duration::from_secs(15));
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), Duration::from_secs(3));
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), 5);
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), 27_000);
    }

    #[tokio::test]
    async fn zero_leaves_the_connection_to_the_system() {
        let (socket, _listener) = dialled(Duration::ZERO).await;
        assert!(!sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), 0);
    }
}
