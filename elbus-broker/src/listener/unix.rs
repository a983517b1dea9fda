//! UNIX sockets: a path of our own, and the user on the other end.
use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, Mode, OFlags};
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use tokio::net::UnixListener;

use super::{BACKLOG, ListenError, SocketOptions, own_file::OwnFile};

/// A bound UNIX socket; its file is removed when this is dropped.
pub(crate) struct Bound {
    pub(super) listener: UnixListener,
    file: OwnFile,
}

impl Bound {
    /// Binds `path`. The socket of a server that is gone is replaced, that of one that lives is not.
    pub(super) fn new(path: &Path, options: &SocketOptions) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind {
            address: path.display().to_string(),
            source,
        };
        let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        // The file is created with the socket's own mode, so that it is never open to more users than it should be.
        let mode = Mode::from_raw_mode(options.mode);
        rustix::fs::fchmod(&socket, mode).map_err(|error| failed(error.into()))?;
        let address = SockAddr::unix(path).map_err(failed)?;
        let _claim = claim(path)?;
        socket.bind(&address).map_err(failed)?;
        let file = OwnFile::at(path).map_err(failed)?;
        options.apply(path).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(socket.into()).map_err(failed)?;
        Ok(Self { listener, file })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }
}

/// Makes way at `path`, and keeps others from doing the same until the claim is dropped.
fn claim(path: &Path) -> Result<Option<OwnedFd>, ListenError> {
    let failed = |source| ListenError::Bind {
        address: path.display().to_string(),
        source,
    };
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let claimed = match rustix::fs::open(parent, flags, Mode::empty()) {
        Ok(directory) => Some(directory),
        // A directory may be writable and not readable: then there is no lock, and nothing else is lost.
        Err(rustix::io::Errno::ACCESS) => None,
        Err(error) => return Err(failed(error.into())),
    };
    if let Some(directory) = &claimed {
        lock(directory).map_err(failed)?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(claimed),
        Err(error) => return Err(failed(error)),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(ListenError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
    }
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing the socket of a server that is gone");
            fs::remove_file(path).map_err(failed)?;
            Ok(claimed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(claimed),
        // Connected, or its backlog is full, or we may not even ask: somebody is there.
        Ok(_) | Err(_) => Err(ListenError::InUse {
            address: path.display().to_string(),
        }),
    }
}

/// Connects without waiting: a server whose backlog is full is a live one.
fn knock(path: &Path) -> io::Result<()> {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Two servers that find the same stale socket must not both replace it. Nobody holds this lock for longer than it
/// takes to bind.
fn lock(directory: &impl AsFd) -> io::Result<()> {
    for _ in 0..100 {
        match rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            result => return Ok(result?),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "the directory is locked by another process for over a second",
    ))
}
