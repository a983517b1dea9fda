//! Certificates and keys from PEM files.
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::{
    self, RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

/// Why a file of certificates or a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFileError {
    /// It cannot be read, or is not PEM.
    #[error("{path:?} cannot be read as PEM: {}", said(.source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// There is no certificate in it.
    #[error("{path:?} holds no certificate: give a PEM file with BEGIN CERTIFICATE in it")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no private key in it.
    #[error(
        "{path:?} holds no private key: give a PEM file with BEGIN PRIVATE KEY in it, without a passphrase"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in it is malformed, or of no use here.
    #[error("a certificate in {path:?} cannot be used: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Certificate and key do not belong together.
    #[error("the key in {key:?} cannot be used with the certificate in {certificate:?}: {source}")]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
}

fn said(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The certificates in a file, in their order: at least one.
///
/// # Errors
/// When the file cannot be read or has none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let unreadable = |source| TlsFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(TlsFileError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// The first private key in a file.
///
/// # Errors
/// When the file cannot be read or has none.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let path = path.to_owned();
    PrivateKeyDer::from_pem_file(&path).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsFileError::NoKey { path },
        source => TlsFileError::Unreadable { path, source },
    })
}

/// The certificates in a file as authorities that are trusted.
///
/// # Errors
/// When the file cannot be read, has none, or one of them is malformed.
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsFileError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// Why a certificate and a key cannot be used together.
#[must_use]
pub fn mismatch(certificate: &Path, key: &Path, source: rustls::Error) -> TlsFileError {
    TlsFileError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        source,
    }
}
