//! Dialling over TLS.
use std::{io, path::PathBuf, sync::Arc};

use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{
    TlsConnector, TlsStream,
    rustls::{ClientConfig, client::Resumption, pki_types::ServerName},
};
use tracing::Instrument;

use crate::{
    Address, ConnectError, Options,
    tls::{self, Relay, Relayed, TlsError, TlsFileError},
};

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl TlsSettings {
    /// Reads the files. They are read for every connection, so that a renewed certificate is used by the next.
    fn load(&self) -> Result<Option<ClientConfig>, TlsFileError> {
        let Some(authorities) = &self.authorities else {
            return Ok(None);
        };
        let roots = tls::authorities(authorities)?;
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsFileError::Certificate {
                path: authorities.clone(),
                source,
            })?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(tls::certificates(certificate)?, tls::key(key)?)
                .map_err(|source| tls::mismatch(certificate, key, source))?,
        };
        // Connections last, and each shall prove anew who is there.
        config.resumption = Resumption::disabled();
        Ok(Some(config))
    }
}

/// Secures a connection; the broker's first words, which it says of its own accord, are waited for: only then is it known
/// that it accepts us.
pub(super) async fn secure(
    stream: TcpStream,
    address: &Address,
    options: &Options,
) -> Result<Relayed, ConnectError> {
    let failed = |reason: TlsError| ConnectError::Tls {
        address: address.clone(),
        reason,
    };
    let settings = options.tls.clone();
    // The task is not cancelled and does not panic.
    let config = tokio::task::spawn_blocking(move || settings.load())
        .await
        .map_err(|error| failed(TlsError::Io(io::Error::other(error))))??;
    let config = config.ok_or_else(|| ConnectError::Setting {
        setting: "tls_ca",
        expected: "a file with the certificate of the authority that signed the broker's".to_owned(),
        value: "missing".to_owned(),
    })?;
    let name = server_name(address).ok_or_else(|| {
        failed(TlsError::Io(io::Error::other(
            "the host is neither a name nor an address",
        )))
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector
        .connect(name, stream)
        .await
        .map_err(|error| failed(error.into()))?;
    let mut first = [0; 64];
    let n = match stream.read(&mut first).await {
        Ok(n) => n,
        Err(error) => return Err(failed(error.into())),
    };
    let broken = |error| failed(TlsError::Io(error));
    let (mut relay, relayed) = Relay::new(TlsStream::Client(stream), options.timeout).map_err(broken)?;
    relay.begin_with(&first[..n]);
    tokio::spawn(relay.in_current_span());
    Ok(relayed)
}

/// What the broker's certificate must be for.
fn server_name(address: &Address) -> Option<ServerName<'static>> {
    let Address::Tls(address) = address else {
        return None;
    };
    let (host, _port) = address.rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    ServerName::try_from(bare.to_owned()).ok()
}
