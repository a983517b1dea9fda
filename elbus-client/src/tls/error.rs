//! Why there is no TLS connection, and what to do about it.
use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

/// Why there is no TLS connection to the other side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The other side does not speak TLS.
    #[error("the other side does not speak TLS: use it on both sides (tls://) or on neither (tcp://)")]
    NotTls,
    /// The other side's certificate has expired.
    #[error("its certificate has expired: renew it, and look at the clocks of both machines")]
    Expired,
    /// The other side's certificate is not valid yet.
    #[error("its certificate is not valid yet: look at the clocks of both machines")]
    NotYetValid,
    /// The other side's certificate is not signed by an authority that is trusted here.
    #[error(
        "its certificate is not signed by an authority that is trusted here: give the certificate of the one that did"
    )]
    UnknownAuthority,
    /// The other side's certificate is for other names.
    #[error(
        "its certificate is not for {expected:?} but for {presented:?}: connect by such a name, or have one made for this"
    )]
    WrongName {
        /// The host that was asked for.
        expected: String,
        /// The names in the certificate.
        presented: Vec<String>,
    },
    /// The other side's certificate is good for nothing here for another reason.
    #[error("its certificate cannot be used: {0}")]
    Certificate(CertificateError),
    /// The other side presented no certificate.
    #[error("it presented no certificate: it has to have one that is signed by the authority trusted here")]
    NoCertificate,
    /// The other side wants a certificate, and was given none.
    #[error(
        "the other side wants a certificate of ours: give one that its authority has signed, and its key"
    )]
    CertificateRequired,
    /// The other side does not accept our certificate.
    #[error("the other side does not accept our certificate ({alert:?}): {}", advice(*.alert))]
    Refused {
        /// What it said.
        alert: AlertDescription,
    },
    /// It went wrong for another reason.
    #[error("{0}")]
    Protocol(rustls::Error),
    /// The connection broke.
    #[error("the connection was lost during the handshake: {0}")]
    Io(io::Error),
}

/// What to do when the other side says so about our certificate.
fn advice(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnknownCA => "it is not signed by an authority that is trusted there",
        AlertDescription::CertificateExpired => "it has expired, or the clocks differ",
        _ => "the log of the other side tells more",
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use AlertDescription as Alert;
        match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidCertificate(reason) => reason.into(),
            rustls::Error::AlertReceived(Alert::CertificateRequired) => Self::CertificateRequired,
            rustls::Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError),
            ) => Self::Refused { alert },
            error => Self::Protocol(error),
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(reason: CertificateError) -> Self {
        match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            CertificateError::NotValidForNameContext { expected, presented } => Self::WrongName {
                expected: expected.to_str().into_owned(),
                presented,
            },
            reason => Self::Certificate(reason),
        }
    }
}

/// An error of a TLS stream has the reason inside, if it was not the connection that failed.
impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let inside = error
            .get_ref()
            .and_then(|inside| inside.downcast_ref::<rustls::Error>());
        match inside {
            Some(reason) => reason.clone().into(),
            None => Self::Io(error),
        }
    }
}
