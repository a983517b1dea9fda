//! What these tests share: a broker with a TLS listener of the test's own, and clients that trust an authority.
use std::path::Path;

use elbus_broker::{Address, Config, TlsOptions};
use elbus_client::{Client, ConnectError, Inbox, Options, TlsError};
use elbus_testkit::{Authority, Files, PATIENCE, TestBroker};

/// Options of a client that trusts an authority.
pub(crate) fn options(name: &str, address: &Address, trusted: &Authority) -> Options {
    Options::new(name)
        .address(address.clone())
        .timeout(PATIENCE)
        .tls_ca(trusted.certificate())
}

/// A broker with a TLS listener whose authority and files the test has a say in.
pub(crate) struct Bus {
    pub(crate) test: TestBroker,
    pub(crate) authority: Authority,
    pub(crate) address: Address,
}

impl Bus {
    /// A listener with a good certificate.
    pub(crate) fn start() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// A listener that asks clients for certificates of its own authority.
    pub(crate) fn asking() -> Self {
        let authority = Authority::new();
        let ca = authority.certificate();
        let files = authority.broker("broker");
        Self::serving(authority, &files, |_| {}, |options| options.client_ca = Some(ca))
    }

    /// A listener with a good certificate, and otherwise as the test wants it.
    pub(crate) fn with(config: impl FnOnce(&mut Config), listener: impl FnOnce(&mut TlsOptions)) -> Self {
        let authority = Authority::new();
        let files = authority.broker("broker");
        Self::serving(authority, &files, config, listener)
    }

    /// A listener with these files.
    pub(crate) fn serving(
        authority: Authority,
        files: &Files,
        config: impl FnOnce(&mut Config),
        listener: impl FnOnce(&mut TlsOptions),
    ) -> Self {
        let test = TestBroker::with(config);
        let mut options = TlsOptions::new(&files.certificate, &files.key);
        listener(&mut options);
        let anywhere = "tls://127.0.0.1:0".parse().unwrap();
        let address = test
            .block_on(test.broker.listen_tls(&anywhere, &options))
            .unwrap();
        Self {
            test,
            authority,
            address,
        }
    }

    pub(crate) fn options(&self, name: &str) -> Options {
        options(name, &self.address, &self.authority)
    }

    pub(crate) fn client(&self, name: &str) -> (Client, Inbox) {
        self.connect(self.options(name)).unwrap()
    }

    /// A client with a certificate.
    pub(crate) fn certified(&self, name: &str, files: &Files) -> Result<(Client, Inbox), ConnectError> {
        self.connect(self.options(name).tls_identity(&files.certificate, &files.key))
    }

    pub(crate) fn connect(&self, options: Options) -> Result<(Client, Inbox), ConnectError> {
        self.test.block_on(options.connect())
    }
}

/// Why there is no TLS connection; what is said to people must name the address and all of `said`.
pub(crate) fn refused(connected: Result<(Client, Inbox), ConnectError>, said: &[&str]) -> TlsError {
    let error = connected.expect_err("it connected");
    let text = error.to_string();
    for said in said {
        assert!(text.contains(said), "{text}");
    }
    match error {
        ConnectError::Tls { address, reason } => {
            assert!(text.contains(&address.to_string()), "{text}");
            reason
        }
        other => panic!("another error: {other}"),
    }
}

/// Replaces a file by another.
pub(crate) fn replace(file: &Path, by: &Path) {
    std::fs::copy(by, file).unwrap();
}
