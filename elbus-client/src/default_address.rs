//! Where a bus is when nobody says where: a socket in a directory that belongs to the user alone.
//!
//! 1. `ELBUS_ADDRESS`, if it is set and not empty;
//! 2. `$XDG_RUNTIME_DIR/elbus/elbus.sock`, if that variable is set;
//! 3. `/tmp/elbus-UID/elbus.sock`.
//!
//! Anyone may create names in `/tmp`, so the directory is trusted only if it is one, belongs to this user and is open
//! to nobody else (mode 0700). The server creates it so; both sides verify it.
use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::{Address, AddressError};

/// The environment variable that says where the bus is; empty is as unset.
pub const VARIABLE: &str = "ELBUS_ADDRESS";

/// Why there is no default address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefaultAddressError {
    /// The environment variable does not hold an address.
    #[error("{VARIABLE} is set, but {0}")]
    Variable(#[from] AddressError),
    /// The directory of the socket cannot be trusted.
    #[error("{path:?} is not a directory that belongs to this user alone: {what}")]
    Untrusted {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The directory of the socket cannot be created or looked at.
    #[error("{path:?}: {source}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The address at which a client looks for the bus.
///
/// # Errors
/// When the variable is malformed, or the directory of the socket is there and cannot be trusted.
pub fn default_address() -> Result<Address, DefaultAddressError> {
    find(false)
}

/// The address at which a server listens: its directory is created if need be.
///
/// # Errors
/// As [`default_address`], and when the directory cannot be created.
pub fn create_default_address() -> Result<Address, DefaultAddressError> {
    find(true)
}

fn find(create: bool) -> Result<Address, DefaultAddressError> {
    if let Ok(address) = env::var(VARIABLE)
        && !address.is_empty()
    {
        return Ok(address.parse()?);
    }
    let uid = rustix::process::getuid().as_raw();
    let directory = match env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty()) {
        Some(runtime) => Path::new(&runtime).join("elbus"),
        None => PathBuf::from(format!("/tmp/elbus-{uid}")),
    };
    let failed = |source| DefaultAddressError::Io {
        path: directory.clone(),
        source,
    };
    if create
        && let Err(error) = fs::DirBuilder::new().mode(0o700).create(&directory)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(failed(error));
    }
    match fs::symlink_metadata(&directory) {
        Ok(found) => verify(&directory, &found, uid)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !create => {}
        Err(error) => return Err(failed(error)),
    }
    Ok(Address::Unix(directory.join("elbus.sock")))
}

fn verify(path: &Path, found: &fs::Metadata, uid: u32) -> Result<(), DefaultAddressError> {
    let what = if !found.is_dir() {
        "it is something else"
    } else if found.uid() != uid {
        "it belongs to somebody else"
    } else if found.mode() & 0o077 != 0 {
        "others may enter it (make it mode 0700)"
    } else {
        return Ok(());
    };
    Err(DefaultAddressError::Untrusted {
        path: path.to_owned(),
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_others_may_enter_is_not_trusted() {
        let uid = rustix::process::getuid().as_raw();
        let found = fs::symlink_metadata("/tmp").unwrap();
        let verified = verify(Path::new("/tmp"), &found, uid);
        assert!(matches!(verified, Err(DefaultAddressError::Untrusted { .. })));
    }
}
