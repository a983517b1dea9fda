//! A connected stream socket: readiness from tokio, reads and writes straight to the system.
//!
//! The broker's side of it knows listeners, peers and narrow windows besides; what is left in common is a call to the
//! system each.
use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown},
};
use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use crate::Address;

/// A broken pipe is an error and not a signal; where this flag is missing, the standard library sets a socket option.
#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::DONTWAIT;

/// A connected stream socket.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    /// Connects; a TCP peer that does not confirm what was sent for `timeout` is gone.
    pub(super) async fn connect(address: &Address, timeout: Duration) -> io::Result<Self> {
        Ok(match address {
            Address::Unix(path) => Self::Unix(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                // Frames are gathered here already: holding them up in the kernel as well would only delay them.
                stream.set_nodelay(true)?;
                give_up_after(&stream, timeout);
                Self::Tcp(stream)
            }
        })
    }

    /// Ready when there is something to read, or the other side is gone.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Unix(socket) => socket.poll_read_ready(cx),
            Self::Tcp(socket) => socket.poll_read_ready(cx),
        }
    }

    /// Ready when there may be room to write. One task at a time may wait for it.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Unix(socket) => socket.poll_write_ready(cx),
            Self::Tcp(socket) => socket.poll_write_ready(cx),
        }
    }

    /// Reads without blocking.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        self.read(room, || {
            Ok(rustix::net::recv(self, buffer, RecvFlags::DONTWAIT)?.0)
        })
    }

    /// Reads without blocking into the spare capacity of `buffer`.
    pub(super) fn try_read_spare(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        self.read(room, || {
            Ok(rustix::net::recv(self, spare_capacity(buffer), RecvFlags::DONTWAIT)?.0)
        })
    }

    /// A read that does not fill the buffer has emptied the socket, so readiness is taken back at once: that spares
    /// the next wait a system call that would only say `WouldBlock`.
    fn read(&self, room: usize, recv: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        let mut read = None;
        let outcome = self.try_io(Interest::READABLE, || {
            let n = recv()?;
            read = Some(n);
            if n > 0 && n < room {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            }
        });
        match (read, outcome) {
            (Some(n), _) => Ok(n),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes without blocking, whatever the reactor believes: a UNIX socket is reported writable only when three
    /// quarters of its buffer are free, but takes a write as soon as anything is.
    pub(super) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(match parts {
            [part] => rustix::net::send(self, part, SEND)?,
            parts => rustix::net::sendmsg(self, parts, &mut SendAncillaryBuffer::default(), SEND)?,
        })
    }

    /// Writes as the task that waits for readiness does: a full socket takes readiness back, so that waiting for it
    /// waits.
    pub(super) fn write_when_ready(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, || self.write(parts))
    }

    /// Says that nothing more will be written.
    pub(super) fn shutdown_write(&self) {
        // The other side may be gone already: then there is nobody to tell.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    fn try_io<R>(&self, interest: Interest, call: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match self {
            Self::Unix(socket) => socket.try_io(interest, call),
            Self::Tcp(socket) => socket.try_io(interest, call),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
        }
    }
}

/// Where the system has no such option, a dead host is noticed when it retransmits in vain.
fn give_up_after(stream: &TcpStream, timeout: Duration) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        // It only makes a dead host noticed sooner.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, millis);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (stream, timeout);
}
