//! Where connections come in: an address and an accept loop each.
#[cfg(target_os = "linux")]
pub(crate) mod fifo;
mod own_file;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod unix;

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use elbus_client::Address;
#[cfg(feature = "tls")]
use elbus_client::tls::TlsFileError;
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::{
    core::Core,
    keep_alive,
    session::{
        certificate::Certificate,
        greeting::{Counted, Newcomer, Which, turn_away},
    },
    settings::Settings,
    socket::{Origin, Socket},
    users::Share,
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
    /// A TLS listener has to prove who it is.
    #[error("cannot listen at {address} without a certificate and its key: `Broker::listen_tls` takes them")]
    NoCertificate {
        /// The address.
        address: String,
    },
    /// A file of certificates or a key cannot be used.
    #[cfg(feature = "tls")]
    #[error("cannot listen at {address}: {source}")]
    TlsFile {
        /// The address.
        address: String,
        /// What is wrong.
        source: Box<TlsFileError>,
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
    #[cfg(feature = "tls")]
    Tls(TcpListener, SocketAddr, Arc<tls::Tls>),
}

/// A connection that was accepted.
enum Accepted {
    /// It can greet.
    Plain(Socket),
    /// It has to be secured first.
    #[cfg(feature = "tls")]
    Tls(TcpStream, Arc<tls::Tls>),
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
                let (listener, bound) = bind_tcp(address).await?;
                Ok(Self::Tcp(listener, bound))
            }
            #[cfg(feature = "tls")]
            Address::Tls(_) => Err(ListenError::NoCertificate {
                address: address.to_string(),
            }),
            other => Err(ListenError::NotSupported {
                address: other.to_string(),
            }),
        }
    }

    /// A listener that secures its connections.
    #[cfg(feature = "tls")]
    pub(crate) async fn bind_tls(
        address: &Address,
        options: &tls::TlsOptions,
    ) -> Result<(Self, Arc<tls::Tls>), ListenError> {
        let Address::Tls(host) = address else {
            return Err(ListenError::NotSupported {
                address: address.to_string(),
            });
        };
        let loaded = tls::load(options).await;
        let tls = loaded.map_err(|source| ListenError::TlsFile {
            address: address.to_string(),
            source: Box::new(source),
        })?;
        let (listener, bound) = bind_tcp(host).await?;
        Ok((Self::Tls(listener, bound, Arc::clone(&tls)), tls))
    }

    /// Warns of a listener whom strangers can reach, and read.
    pub(crate) fn warn_if_open(&self, core: &Core) {
        if let Self::Tcp(_, bound) = self
            && !bound.ip().to_canonical().is_loopback()
            && core.access.rules().is_open()
        {
            tracing::warn!(
                address = %bound,
                "plain TCP for other machines: whoever reaches it may take any name and read everything; use tls://, \
                 a loopback address, or rules of access"
            );
        }
    }

    /// Where it listens: for port 0, the port the system chose.
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Unix(bound) => Address::Unix(bound.path().to_owned()),
            Self::Tcp(_, bound) => Address::Tcp(bound.to_string()),
            #[cfg(feature = "tls")]
            Self::Tls(_, bound, _) => Address::Tls(bound.to_string()),
        }
    }

    /// Accepts connections until the broker stops.
    pub(crate) async fn run(self, core: Arc<Core>) {
        let port: Arc<str> = self.address().to_string().into();
        let mut resting = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&core.settings) => accepted,
                () = core.stop.cancelled() => return,
            };
            match accepted {
                Ok((accepted, origin)) => {
                    resting = false;
                    welcome(&core, accepted, origin, &port);
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

    async fn accept(&self, settings: &Settings) -> io::Result<(Accepted, Origin)> {
        match self {
            Self::Unix(bound) => {
                let (socket, _) = bound.listener.accept().await?;
                let peer = socket.peer_cred()?;
                let (uid, gid) = (peer.uid(), peer.gid());
                Ok((Accepted::Plain(Socket::unix(socket)?), Origin::Unix { uid, gid }))
            }
            Self::Tcp(listener, _) => {
                let (socket, host, port) = accept_tcp(listener, settings).await?;
                Ok((Accepted::Plain(Socket::tcp(socket)?), Origin::Tcp { host, port }))
            }
            #[cfg(feature = "tls")]
            Self::Tls(listener, _, tls) => {
                let (socket, host, port) = accept_tcp(listener, settings).await?;
                Ok((Accepted::Tls(socket, Arc::clone(tls)), Origin::Tls { host, port }))
            }
        }
    }
}

async fn bind_tcp(address: &str) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source: io::Error| {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address },
            _ => ListenError::Bind { address, source },
        }
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn accept_tcp(listener: &TcpListener, settings: &Settings) -> io::Result<(TcpStream, IpAddr, u16)> {
    let (socket, from) = listener.accept().await?;
    // Frames are gathered here already: holding them up in the kernel as well would only delay them.
    socket.set_nodelay(true)?;
    keep_alive::watch(&socket, settings.keep_alive())?;
    Ok((socket, from.ip().to_canonical(), from.port()))
}

fn welcome(core: &Arc<Core>, accepted: Accepted, origin: Origin, port: &Arc<str>) {
    let since = Instant::now();
    let Some(counted) = Counted::new(core, Which::Greeting) else {
        let limit = core.settings.greetings();
        tracing::debug!(from = %origin, limit, "too many greetings in progress: turned away");
        accepted.turn_away();
        return;
    };
    let share = match Share::take(core.users.find(origin).as_ref(), |user| &user.greetings) {
        Ok(share) => share,
        Err(limit) => {
            tracing::debug!(from = %origin, limit, "too many greetings of one user in progress: turned away");
            accepted.turn_away();
            return;
        }
    };
    let counted = (counted, share);
    let (core, port) = (Arc::clone(core), Arc::clone(port));
    core.tasks.clone().spawn(async move {
        let (socket, certificate) = Box::pin(accepted.secured(&core, origin)).await?;
        let newcomer = Newcomer {
            socket,
            origin,
            certificate,
            since,
            port,
        };
        // The greeting is short and its future large: it does not stay with the session.
        let session = Box::pin(newcomer.greet(&core, counted)).await?;
        Box::new(session).run().await;
        Some(())
    });
}

impl Accepted {
    /// Tells a connection that comes when too many greet already, if it can be told.
    fn turn_away(self) {
        match self {
            Self::Plain(socket) => turn_away(&socket),
            #[cfg(feature = "tls")]
            Self::Tls(..) => {}
        }
    }

    /// The connection when it can greet, or `None` when there is none.
    #[cfg_attr(
        not(feature = "tls"),
        allow(unused_variables, reason = "nothing is to be secured")
    )]
    async fn secured(self, core: &Arc<Core>, origin: Origin) -> Option<(Socket, Option<Certificate>)> {
        match self {
            Self::Plain(socket) => Some((socket, None)),
            #[cfg(feature = "tls")]
            Self::Tls(stream, tls) => {
                let limit = core.settings.timeout();
                let secured = tokio::select! {
                    secured = tokio::time::timeout(limit, tls::secure(stream, &tls, core, limit)) => secured,
                    () = core.stop.cancelled() => return None,
                };
                match secured {
                    Ok(Ok((relayed, certificate))) => return Some((Socket::Tls(relayed), certificate)),
                    Ok(Err(reason)) => tracing::info!(from = %origin, %reason, "TLS handshake failed"),
                    Err(_) => tracing::info!(from = %origin, ?limit, "TLS handshake not finished in time"),
                }
                None
            }
        }
    }
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
