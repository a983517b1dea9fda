//! A certificate authority for tests, and the files of those whom it certifies.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use elbus_broker::TlsOptions;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate authority with a directory of its own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For decades.
    Now,
    /// Until 2001.
    Past,
    /// From 2090 on.
    Future,
}

impl Authority {
    /// A new authority; each is another.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = subject("the authority of a test");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, directory }
    }

    /// The authority of brokers in tests where it does not matter which; it certifies `broker`.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Authority> = OnceLock::new();
        SHARED.get_or_init(|| {
            let authority = Self::new();
            let _ = authority.broker("broker");
            authority
        })
    }

    /// How a broker that it has certified as `broker` listens.
    #[must_use]
    pub fn options(&self) -> TlsOptions {
        let files = self.files("broker");
        TlsOptions::new(files.certificate, files.key)
    }

    /// The file of the authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A broker on this machine, in files of this name.
    #[must_use]
    pub fn broker(&self, file: &str) -> Files {
        self.issue(
            file,
            "a broker",
            &["localhost", "127.0.0.1", "::1"],
            Validity::Now,
        )
    }

    /// A client with this common name, in files of this name.
    #[must_use]
    pub fn client(&self, name: &str) -> Files {
        self.issue(name, name, &[], Validity::Now)
    }

    /// Whoever it is.
    #[must_use]
    pub fn issue(&self, file: &str, common_name: &str, hosts: &[&str], validity: Validity) -> Files {
        let hosts: Vec<_> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name = subject(common_name);
        match validity {
            Validity::Now => {}
            Validity::Past => params.not_after = date_time_ymd(2001, 1, 1),
            Validity::Future => params.not_before = date_time_ymd(2090, 1, 1),
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files(file);
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn files(&self, file: &str) -> Files {
        let at = |extension: &str| self.directory.path().join(format!("{file}.{extension}"));
        Files {
            certificate: at("pem"),
            key: at("key"),
        }
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "elbus tests");
    name.push(DnType::CommonName, common_name);
    name
}
