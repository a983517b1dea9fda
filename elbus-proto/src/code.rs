//! The one-byte results that travel in greetings and acknowledgements.
use core::fmt;

/// Why the broker refused something: the byte in a greeting's answer or an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Code {
    /// The target (or a secondary's primary) is not registered.
    NotRegistered = 0x71,
    /// The data is malformed, or beyond a limit of size or depth.
    Data = 0x72,
    /// An input/output error.
    Io = 0x73,
    /// Any other error.
    Other = 0x74,
    /// The operation or the protocol version is not supported.
    NotSupported = 0x75,
    /// The name is taken, or a quota is used up.
    Busy = 0x76,
    /// The target was there but could not take the frame.
    NotDelivered = 0x77,
    /// A time limit passed.
    Timeout = 0x78,
    /// Access denied.
    Access = 0x79,
}

/// The byte that stands for success in greetings and acknowledgements.
pub const OK: u8 = 0x01;

impl Code {
    /// The code as it travels.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// Reads the result byte of a greeting or an acknowledgement. A byte that no version of the protocol defines
    /// counts as [`Code::Other`].
    pub const fn result(byte: u8) -> Result<(), Self> {
        match byte {
            OK => Ok(()),
            0x71 => Err(Self::NotRegistered),
            0x72 => Err(Self::Data),
            0x73 => Err(Self::Io),
            0x75 => Err(Self::NotSupported),
            0x76 => Err(Self::Busy),
            0x77 => Err(Self::NotDelivered),
            0x78 => Err(Self::Timeout),
            0x79 => Err(Self::Access),
            _ => Err(Self::Other),
        }
    }

    /// The byte for a result: [`OK`] or the code.
    #[must_use]
    pub const fn result_byte(result: Result<(), Self>) -> u8 {
        match result {
            Ok(()) => OK,
            Err(code) => code.byte(),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRegistered => "no such client",
            Self::Data => "malformed data, or a limit of size or depth exceeded",
            Self::Io => "input/output error",
            Self::Other => "other error",
            Self::NotSupported => "not supported",
            Self::Busy => "name taken, or quota used up",
            Self::NotDelivered => "not delivered",
            Self::Timeout => "timed out",
            Self::Access => "access denied",
        })
    }
}

impl core::error::Error for Code {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for byte in 0x71..=0x79 {
            assert_eq!(Code::result_byte(Code::result(byte)), byte);
        }
        assert_eq!(Code::result(OK), Ok(()));
    }

    #[test]
    fn an_unknown_code_is_an_error_of_its_own() {
        assert_eq!(Code::result(0), Err(Code::Other));
        assert_eq!(Code::result(0xFF), Err(Code::Other));
    }
}
