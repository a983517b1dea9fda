//! A connected stream socket: readiness from tokio, reads and writes straight to the system.
use std::{
    fmt, io,
    io::IoSlice,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    task::{Context, Poll},
};

use elbus_client::readiness::{Room, Stream};
#[cfg(feature = "tls")]
use elbus_client::tls::Relayed;
use parking_lot::{RwLock, RwLockReadGuard};
use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown},
};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use crate::outbox::Wire;

/// Where a client comes from: what a secondary must share with its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In this process.
    Process,
    /// The command FIFOs, in this process as well.
    Fifo,
    /// A UNIX socket, and the user and group on its other end.
    Unix { uid: u32, gid: u32 },
    /// TCP, and the host on its other end.
    Tcp { host: IpAddr, port: u16 },
    /// TLS over TCP, and the host on its other end.
    #[cfg_attr(
        not(feature = "tls"),
        allow(dead_code, reason = "there are no such listeners")
    )]
    Tls { host: IpAddr, port: u16 },
}

impl Origin {
    /// Whether the client is in this process.
    pub(crate) const fn is_inside(self) -> bool {
        matches!(self, Self::Process | Self::Fifo)
    }

    /// Whether two clients come from the same process, user or host.
    pub(crate) fn is_same_peer(self, other: Self) -> bool {
        match (self, other) {
            (Self::Process, Self::Process) => true,
            (Self::Unix { uid: a, .. }, Self::Unix { uid: b, .. }) => a == b,
            (Self::Tcp { host: a, .. }, Self::Tcp { host: b, .. })
            | (Self::Tls { host: a, .. }, Self::Tls { host: b, .. }) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process | Self::Fifo => f.write_str("this process"),
            Self::Unix { uid, .. } => write!(f, "uid {uid}"),
            Self::Tcp { host, port } => SocketAddr::new(*host, *port).fmt(f),
            Self::Tls { host, port } => write!(f, "tls:{}", SocketAddr::new(*host, *port)),
        }
    }
}

/// A connected stream socket.
pub(crate) enum Socket {
    Unix(Stream),
    Tcp(Stream, Window),
    /// In place of a TLS connection.
    #[cfg(feature = "tls")]
    Tls(Relayed),
}

/// How much a TCP connection's other side takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// As much as systems give if nobody asks for less.
    Wide,
    /// So little that a segment of an interface with large ones fills half of it or more.
    ///
    /// Linux sends nothing into a window that is smaller than a segment until a timer of 200 ms fires, and the receiver
    /// then goes on to offer windows of that size: 26 kB/s, for as long as something waits. Published clients, which
    /// shrink their receive buffers to 8 KiB, get there on the loopback interface as soon as they fall behind. So
    /// they are sent segments that always fit.
    Narrow,
}

/// What a receiver with a narrow window gets at a time: as much as on any network, so that nobody minds.
const NARROW_PIECE: usize = 1024;

impl Window {
    /// The system halves the window that it is offered first to find the size of its segments, if that is less than
    /// the interface allows: then it tells how wide the window is.
    fn of(stream: &TcpStream) -> Self {
        const ETHERNET: u32 = 1460;
        const HALF_OF_NARROW: u32 = 8 * 1024;
        match SockRef::from(stream).tcp_mss() {
            Ok(segment) if segment > ETHERNET && segment <= HALF_OF_NARROW => Self::Narrow,
            // A system that cannot tell has segments of its own.
            Ok(_) | Err(_) => Self::Wide,
        }
    }
}

impl Socket {
    /// A connection over a UNIX socket.
    pub(crate) fn unix(stream: UnixStream) -> io::Result<Self> {
        Ok(Self::Unix(Stream::unix(stream.into_std()?)?))
    }

    /// A connection over TCP.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        let window = Window::of(&stream);
        Ok(Self::Tcp(Stream::new(stream.into_std()?)?, window))
    }

    const fn stream(&self) -> &Stream {
        match self {
            Self::Unix(stream) | Self::Tcp(stream, _) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(relayed) => relayed.stream(),
        }
    }

    /// Ready when there is something to read, or the other side is gone.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_readable(cx)
    }

    /// Reads without blocking; with `regardless`, whatever the reactor believes.
    pub(crate) fn try_read(&self, buffer: &mut [u8], regardless: bool) -> io::Result<usize> {
        let room = buffer.len();
        self.read(room, regardless, || {
            Ok(rustix::net::recv(self, buffer, RecvFlags::DONTWAIT)?.0)
        })
    }

    /// Reads as [`try_read`](Self::try_read) does, into the spare capacity of `buffer`.
    pub(crate) fn try_read_spare(&self, buffer: &mut Vec<u8>, regardless: bool) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        let read = self.read(room, regardless, || {
            Ok(rustix::net::recv(self, spare_capacity(buffer), RecvFlags::DONTWAIT)?.0)
        });
        self.acknowledge_at_once();
        read
    }

    /// Has the system acknowledge what was read of a large frame, instead of waiting 40 ms for more. Published clients
    /// shrink their send buffers to less than a segment of the loopback interface: they cannot send more before that,
    /// and give up when a frame takes a second.
    fn acknowledge_at_once(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Self::Tcp(socket, _) = self {
            // It only makes things faster.
            let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
        }
    }

    fn read(
        &self,
        room: usize,
        regardless: bool,
        recv: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        if regardless {
            return recv();
        }
        self.stream().try_read(room, recv)
    }

    /// Bytes that have arrived and were not read yet.
    pub(crate) fn arrived(&self) -> u64 {
        // A socket that cannot tell is about to say so when it is read.
        rustix::io::ioctl_fionread(self).unwrap_or(0)
    }

    /// Says that nothing more will be written.
    pub(crate) fn shutdown_write(&self) {
        // The other side may be gone already: then there is nobody to tell.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    /// Waits until the other side has closed its writing half.
    pub(crate) async fn hung_up(&self) {
        self.stream().hung_up().await;
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream().as_fd()
    }
}

/// The socket of a client, for those who write to it. Its session lets go of it at the end: senders may remember the
/// client for long, and that must not keep its connection open.
pub(crate) struct Connection(RwLock<Option<Arc<Socket>>>);

impl Connection {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self(RwLock::new(Some(socket)))
    }

    /// The socket, as long as the connection lasts.
    pub(crate) fn socket(&self) -> RwLockReadGuard<'_, Option<Arc<Socket>>> {
        self.0.read()
    }

    /// Lets go of the socket.
    pub(crate) fn release(&self) {
        *self.0.write() = None;
    }
}

/// Asks the system itself, whatever the reactor believes: a UNIX socket is reported writable only when three
/// quarters of its buffer are free, but takes a write as soon as anything is.
impl Wire for Socket {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(match parts {
            [part, ..] if matches!(self, Self::Tcp(_, Window::Narrow)) => {
                let piece = &part[..part.len().min(NARROW_PIECE)];
                // The end of a record: the system does not join it with what follows.
                rustix::net::send(self, piece, flags | SendFlags::EOR)?
            }
            [part] => rustix::net::send(self, part, flags)?,
            parts => rustix::net::sendmsg(self, parts, &mut SendAncillaryBuffer::default(), flags)?,
        })
    }
}

/// A socket as the writer task writes to it, which waits for room.
pub(crate) struct Waited<'a>(pub(crate) &'a Socket, pub(crate) &'a Room);

impl Wire for Waited<'_> {
    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.1.try_write(|| self.0.write(parts))
    }
}

#[cfg(test)]
mod tests;
