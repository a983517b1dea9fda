//! A connected socket of either kind, and where to connect to.
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    /// A port of the loopback interface.
    Tcp(u16),
    /// A ZeroMQ proxy: where it has its subscribers. Its publishers are at the same path with `.in` behind it.
    Proxy(PathBuf),
}

impl Endpoint {
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
            Self::Tcp(port) => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Self::Proxy(path) => Stream::Two {
                publish: UnixStream::connect(publishers(path))?,
                subscribe: UnixStream::connect(path)?,
            },
        })
    }

    /// Whether there cannot be anybody yet.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::Unix(path) => !path.exists(),
            Self::Proxy(path) => !path.exists() || !publishers(path).exists(),
            Self::Tcp(_) => false,
        }
    }
}

fn publishers(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".in");
    path.into()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) | Self::Proxy(path) => write!(f, "{}", path.display()),
            Self::Tcp(port) => write!(f, "127.0.0.1:{port}"),
        }
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// What is written goes to one, what is read comes from the other.
    Two {
        publish: UnixStream,
        subscribe: UnixStream,
    },
}

impl Stream {
    /// How long a read or a write may block.
    pub(crate) fn set_limit(&self, time: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream
                .set_read_timeout(Some(time))
                .and_then(|()| stream.set_write_timeout(Some(time))),
            Self::Tcp(stream) => stream
                .set_read_timeout(Some(time))
                .and_then(|()| stream.set_write_timeout(Some(time))),
            Self::Two { publish, subscribe } => subscribe
                .set_read_timeout(Some(time))
                .and_then(|()| publish.set_read_timeout(Some(time)))
                .and_then(|()| publish.set_write_timeout(Some(time))),
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(true),
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Two { publish, subscribe } => publish
                .set_nonblocking(true)
                .and_then(|()| subscribe.set_nonblocking(true)),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Two { subscribe, .. } => subscribe.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Two { publish, .. } => publish.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
            Self::Two { subscribe, .. } => subscribe.as_fd(),
        }
    }
}
