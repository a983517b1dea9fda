//! Where connections come in: an address and an accept loop each.
#[cfg(target_os = "linux")]
pub(crate) mod fifo;
mod own_file;
mod unix;

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use elbus_client::Address;
use tokio::net::TcpListener;

use crate::{
    config::Config,
    core::Core,
    keep_alive,
    session::greeting::{Counted, Newcomer, Which},
    socket::{Origin, Socket},
};

/// Connections the system keeps for us until they are accepted.
const BACKLOG: i32 = 1024;

/// How long accepting rests when the system has nothing left to accept with, such as file descriptors.
const REST: Duration = Duration::from_millis(100);

/// How the file of a UNIX socket or a FIFO is made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketOptions {
    /// Permission bits. Default: 0600, the owner alone.
    pub mode: u32,
    /// Numeric user id of the owner. Default: the process's own.
    pub owner: Option<u32>,
    /// Numeric group id. Default: the process's own.
    pub group: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            mode: 0o600,
            owner: None,
            group: None,
        }
    }
}

impl SocketOptions {
    /// Gives a file that was just made its owner, group and mode.
    fn apply(&self, path: &Path) -> io::Result<()> {
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::chown(path, self.owner, self.group)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(self.mode))
    }
}

/// Why a broker cannot listen at an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// A live server listens there.
    #[error("another server listens at {address}: stop it, or choose another address")]
    InUse {
        /// The address.
        address: String,
    },
    /// There is a file that is not a socket.
    #[error("{path:?} exists and is not a socket: move it away, or choose another address")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// There is a file that is not a FIFO.
    #[error("{path:?} exists and is not a FIFO: move it away, or choose another path")]
    NotAFifo {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen at {address}: {source}; {}", advice(source))]
    Bind {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// No listener for this kind of address.
    #[error("cannot listen at {address}: this kind of address is not supported")]
    NotSupported {
        /// The address.
        address: String,
    },
    /// The broker is shutting down.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// What to do when the system refuses.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create its directory, or choose another address",
        io::ErrorKind::PermissionDenied => "run as a user who may, or choose another address",
        _ => "choose another address",
    }
}

/// A listener before its accept loop runs.
pub(crate) enum Listener {
    Unix(unix::Bound),
    Tcp(TcpListener, SocketAddr),
}

impl Listener {
    pub(crate) async fn bind(address: &Address, options: &SocketOptions) -> Result<Self, ListenError> {
        match address {
            Address::Unix(path) => {
                let (path, options) = (path.clone(), options.clone());
                // It asks the file system, and may wait for another server that starts.
                let bound = tokio::task::spawn_blocking(move || unix::Bound::new(&path, &options)).await;
                // The task ends early only with its runtime.
                bound.map_err(|_| ListenError::ShuttingDown)?.map(Self::Unix)
            }
            Address::Tcp(address) => {
                let failed = |source: io::Error| {
                    let address = address.clone();
                    match source.kind() {
                        io::ErrorKind::AddrInUse => ListenError::InUse { address },
                        _ => ListenError::Bind { address, source },
                    }
                };
                let listener = TcpListener::bind(address.as_str()).await.map_err(failed)?;
                let bound = listener.local_addr().map_err(failed)?;
                Ok(Self::Tcp(listener, bound))
            }
            other => Err(ListenError::NotSupported {
                address: other.to_string(),
            }),
        }
    }

    /// Where it listens: for port 0, the port the system chose.
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Unix(bound) => Address::Unix(bound.path().to_owned()),
            Self::Tcp(_, bound) => Address::Tcp(bound.to_string()),
        }
    }

    /// Accepts connections until the broker stops.
    pub(crate) async fn run(self, core: Arc<Core>) {
        let port: Arc<str> = self.address().to_string().into();
        let mut resting = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&core.config) => accepted,
                () = core.stop.cancelled() => return,
            };
            match accepted {
                Ok((socket, origin)) => {
                    resting = false;
                    welcome(
                        &core,
                        Newcomer {
                            socket,
                            origin,
                            port: Arc::clone(&port),
                        },
                    );
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !resting {
                        tracing::warn!(%port, %error, "cannot accept connections; trying on");
                    }
                    resting = true;
                    tokio::select! {
                        () = tokio::time::sleep(REST) => {}
                        () = core.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    async fn accept(&self, config: &Config) -> io::Result<(Socket, Origin)> {
        match self {
            Self::Unix(bound) => {
                let (socket, _) = bound.listener.accept().await?;
                let uid = socket.peer_cred()?.uid();
                Ok((Socket::Unix(socket), Origin::Unix { uid }))
            }
            Self::Tcp(listener, _) => {
                let (socket, from) = listener.accept().await?;
                // Frames are gathered here already: holding them up in the kernel as well would only delay them.
                socket.set_nodelay(true)?;
                keep_alive::watch(&socket, config.keep_alive)?;
                Ok((
                    Socket::tcp(socket),
                    Origin::Tcp {
                        host: from.ip().to_canonical(),
                        port: from.port(),
                    },
                ))
            }
        }
    }
}

fn welcome(core: &Arc<Core>, newcomer: Newcomer) {
    let Some(counted) = Counted::new(core, Which::Greeting) else {
        let limit = core.config.greetings;
        tracing::debug!(from = %newcomer.origin, limit, "too many greetings in progress: turned away");
        newcomer.turn_away();
        return;
    };
    let core = Arc::clone(core);
    core.tasks.clone().spawn(async move {
        // The greeting is short and its future large: it does not stay with the session.
        if let Some(session) = Box::pin(newcomer.greet(&core, counted)).await {
            Box::new(session).run().await;
        }
    });
}

/// Errors of a connection that was gone before it was accepted: the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Interrupted
    )
}
