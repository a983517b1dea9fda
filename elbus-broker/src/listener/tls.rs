//! TLS listeners: their certificates, which can be exchanged, the handshake, and who is on the other end.
use std::{io, path::PathBuf, sync::Arc, time::Duration};

use elbus_client::tls::{self, Relay, Relayed, TlsError, TlsFileError};
use elbus_proto::{Code, greeting::GREETING};
use parking_lot::RwLock;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::{
    TlsAcceptor, TlsStream,
    rustls::{
        self, ServerConfig,
        server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
    },
};

use crate::{core::Core, session::certificate::Certificate};

/// What a TLS listener proves and asks for. All files are PEM; they are read when it starts and by
/// [`Broker::reload_tls`](crate::Broker::reload_tls).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The broker's certificate, and behind it those between it and the authority.
    pub certificate: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// The certificates of the authorities that a client's certificate must be signed by. Default: clients need no
    /// certificate.
    pub client_ca: Option<PathBuf>,
    /// Whether a client with a certificate may take any name. Default: no, its name must be the certificate's, or lie
    /// under it. The certificate's names are the common name of its subject and its alternative DNS names: one for
    /// `plant` admits `plant`, `plant.pump` and their secondaries.
    pub any_name: bool,
}

impl TlsOptions {
    /// A listener with this certificate and key.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            any_name: false,
        }
    }

    /// Reads the files, as a listener would, to see whether they can be used.
    ///
    /// # Errors
    /// A file cannot be read, or what is in it is of no use.
    pub fn check(&self) -> Result<(), TlsFileError> {
        self.load().map(drop)
    }

    fn load(&self) -> Result<Arc<ServerConfig>, TlsFileError> {
        let unusable = |source| tls::mismatch(&self.certificate, &self.key, source);
        let builder = ServerConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(tls::authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider())
                    .build()
                    .map_err(|error: VerifierBuilderError| TlsFileError::Certificate {
                        path: path.clone(),
                        source: rustls::Error::General(error.to_string()),
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(tls::certificates(&self.certificate)?, tls::key(&self.key)?)
            .map_err(unusable)?;
        // Connections last, and each shall prove anew who is there.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// What the connections of one listener are secured with.
pub(crate) struct Tls {
    options: TlsOptions,
    config: RwLock<Arc<ServerConfig>>,
}

/// Files that were read anew and are not in use yet.
pub(crate) struct Reloaded(Arc<Tls>, Arc<ServerConfig>);

impl Tls {
    /// Reads the files.
    pub(crate) fn new(options: &TlsOptions) -> Result<Arc<Self>, TlsFileError> {
        Ok(Arc::new(Self {
            config: RwLock::new(options.load()?),
            options: options.clone(),
        }))
    }

    /// Reads the files again, for connections to come.
    pub(crate) fn reload(self: Arc<Self>) -> Result<Reloaded, TlsFileError> {
        let config = self.options.load()?;
        Ok(Reloaded(self, config))
    }
}

impl Reloaded {
    /// Connections are secured with this from now on.
    pub(crate) fn use_it(self) {
        *self.0.config.write() = self.1;
    }
}

/// Why a connection could not be secured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFailed {
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("it waits for us to speak first, as clients without TLS do: it has to connect to tls://")]
    Silent,
}

/// Secures a connection: the socket to use in its place, and the certificate of the other side if it has to have one.
/// The caller bounds the time; after half of `timeout` whoever has said nothing is told in the words of the
/// protocol itself.
pub(crate) async fn secure(
    stream: TcpStream,
    tls: &Tls,
    core: &Arc<Core>,
    timeout: Duration,
) -> Result<(Relayed, Option<Certificate>), HandshakeFailed> {
    let config = Arc::clone(&tls.config.read());
    let stream = speaks_first(stream, timeout / 2).await?;
    let stream = TlsAcceptor::from(config)
        .accept(stream)
        .await
        .map_err(TlsError::from)?;
    let certificate = match stream.get_ref().1.peer_certificates() {
        Some([certificate, ..]) => Some(Certificate::of(certificate, !tls.options.any_name)),
        _ => None,
    };
    let (relay, relayed) =
        Relay::new(TlsStream::Server(stream), core.settings.timeout()).map_err(TlsError::Io)?;
    core.tasks.spawn(run(relay, Arc::clone(core)));
    Ok((relayed, certificate))
}

/// A client speaks first in TLS, and second in our protocol. One that says nothing is told so in the greeting, as far as
/// the protocol has a word for it; published clients understand it as well.
async fn speaks_first(mut stream: TcpStream, limit: Duration) -> Result<TcpStream, HandshakeFailed> {
    if let Ok(spoke) = tokio::time::timeout(limit, stream.peek(&mut [0])).await {
        spoke.map_err(TlsError::Io)?;
        return Ok(stream);
    }
    let [a, b, c] = GREETING;
    let refusal = [a, b, c, Code::NotSupported.byte()];
    // It is told as far as it listens. A few bytes fit into the buffer of any new connection.
    let _ = stream.write_all(&refusal).await;
    let _ = stream.shutdown().await;
    Err(HandshakeFailed::Silent)
}

/// Relays until the connection ends. At shutdown sessions carry out what has arrived: they wait until it is passed on.
async fn run(mut relay: Relay, core: Arc<Core>) {
    let mut token = Some(core.relays.token());
    let mut stopping = std::pin::pin!(core.stop.cancelled());
    let mut mark = None;
    std::future::poll_fn(|cx| {
        if token.is_some() && mark.is_none() && stopping.as_mut().poll(cx).is_ready() {
            mark = Some(relay.arrived());
        }
        let ended = std::pin::Pin::new(&mut relay).poll(cx);
        if mark.is_some_and(|mark| relay.has_passed_on(mark)) {
            token = None;
        }
        ended
    })
    .await;
}

/// The listener's port is bound and its files are read.
pub(super) async fn load(options: &TlsOptions) -> Result<Arc<Tls>, TlsFileError> {
    let options = options.clone();
    let loaded = tokio::task::spawn_blocking(move || Tls::new(&options)).await;
    loaded.unwrap_or_else(|error| {
        // The task ends early only with its runtime.
        Err(TlsFileError::Unreadable {
            path: PathBuf::new(),
            source: rustls::pki_types::pem::Error::Io(io::Error::other(error)),
        })
    })
}
