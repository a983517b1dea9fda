//! What the two sides say before the first frame.
//!
//! ```text
//! broker → client   EB 01 00                     magic, version (u16)
//! client → broker   EB 01 00
//! broker → client   01 | 75                      go on | version not supported, closed
//! client → broker   LL LL name…                  length in bytes (u16), UTF-8
//! broker → client   01 | 71 | 72 | 76 | 79       registered | an error code, closed
//! ```
use core::fmt;

/// The first byte of a greeting.
pub const MAGIC: u8 = 0xEB;
/// The protocol version both sides must speak.
pub const VERSION: u16 = 1;
/// Length of a greeting in bytes.
pub const LEN: usize = 3;
/// Length in bytes of the field in front of the name.
pub const NAME_LENGTH_LEN: usize = 2;
/// The greeting, the same in both directions.
pub const GREETING: [u8; LEN] = [MAGIC, VERSION.to_le_bytes()[0], VERSION.to_le_bytes()[1]];

/// Why a greeting was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GreetingError {
    /// The first byte is not [`MAGIC`]: the other side does not speak this protocol.
    NotElbus(u8),
    /// The other side speaks another version.
    Version(u16),
}

impl fmt::Display for GreetingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElbus(byte) => write!(f, "the greeting starts with {byte:#04x} instead of {MAGIC:#04x}"),
            Self::Version(version) => write!(f, "protocol version {version} instead of {VERSION}"),
        }
    }
}

impl core::error::Error for GreetingError {}

/// Checks the other side's greeting.
pub const fn check(greeting: [u8; LEN]) -> Result<(), GreetingError> {
    if greeting[0] != MAGIC {
        return Err(GreetingError::NotElbus(greeting[0]));
    }
    match u16::from_le_bytes([greeting[1], greeting[2]]) {
        VERSION => Ok(()),
        version => Err(GreetingError::Version(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_eb_01_00() {
        assert_eq!(GREETING, [0xEB, 0x01, 0x00]);
        assert_eq!(check(GREETING), Ok(()));
    }

    #[test]
    fn another_magic_or_version_is_told_apart() {
        assert_eq!(check(*b"GET"), Err(GreetingError::NotElbus(b'G')));
        assert_eq!(check([0xEB, 0x02, 0x01]), Err(GreetingError::Version(0x0102)));
    }
}
