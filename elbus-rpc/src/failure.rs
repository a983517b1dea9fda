//! What a service answers instead of a result.
use std::{borrow::Cow, fmt};

use bytes::Bytes;
use elbus_proto::{
    Code,
    rpc::{bus_error, code},
};

use crate::CallError;

/// A service's error: a code and a reason, which is a text by habit.
///
/// Codes of one's own are best positive; the negative ones of [`code`] have a meaning that everybody knows.
///
/// ```
/// use elbus_rpc::Failure;
///
/// let failure = Failure::new(17, "the pump is locked");
/// assert_eq!(failure.to_string(), "the pump is locked (17)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: i16,
    reason: Bytes,
}

impl Failure {
    /// An error with a code and a reason: a text, or any other bytes.
    #[must_use]
    pub fn new(code: i16, reason: impl Into<Bytes>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The service failed (-32603). Made for `map_err`.
    ///
    /// ```
    /// use elbus_rpc::Failure;
    ///
    /// fn read(path: &str) -> Result<String, Failure> {
    ///     std::fs::read_to_string(path).map_err(Failure::internal)
    /// }
    /// # assert!(read("/nowhere").is_err());
    /// ```
    #[must_use]
    pub fn internal(reason: impl fmt::Display) -> Self {
        Self::new(code::INTERNAL, reason.to_string())
    }

    /// The method does not take these params (-32602).
    #[must_use]
    pub fn invalid_params(reason: impl fmt::Display) -> Self {
        Self::new(code::INVALID_PARAMS, reason.to_string())
    }

    /// What the params name does not exist (-32001).
    #[must_use]
    pub fn not_found(reason: impl fmt::Display) -> Self {
        Self::new(code::NOT_FOUND, reason.to_string())
    }

    /// As much as allowed is being done or waits already (-32118).
    #[must_use]
    pub fn busy(reason: impl fmt::Display) -> Self {
        Self::new(bus_error(Code::Busy), reason.to_string())
    }

    pub(crate) fn no_such_method(method: &[u8]) -> Self {
        let method = String::from_utf8_lossy(method);
        Self::new(code::METHOD_NOT_FOUND, format!("there is no method {method:?}"))
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> i16 {
        self.code
    }

    /// The reason, as it came.
    #[must_use]
    pub const fn reason(&self) -> &Bytes {
        &self.reason
    }

    /// The reason as a text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.reason)
    }

    /// The error of the bus that this stands for, if it stands for one: busy, for instance.
    #[must_use]
    pub fn bus_code(&self) -> Option<Code> {
        let byte = u8::try_from(-32000 - i32::from(self.code)).ok()?;
        Code::result(byte).err().filter(|code| code.byte() == byte)
    }

    /// Whether the code says that nothing was done.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self.code,
            code::PARSE | code::INVALID_REQUEST | code::METHOD_NOT_FOUND | code::INVALID_PARAMS
        ) || self.bus_code() == Some(Code::Busy)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            text if text.is_empty() => write!(f, "error {}", self.code),
            text => write!(f, "{text} ({})", self.code),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(bus_error(code), code.to_string())
    }
}

/// For a service that fails because a call of its own failed: the error of the bus where there is one, and else an
/// internal error. What another service said is not passed on as one's own code.
impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::Refused(code) => bus_error(*code),
            CallError::Transport(error) => bus_error(error.code()),
            CallError::TimedOut { .. } => bus_error(Code::Timeout),
            CallError::TargetLeft { .. } => bus_error(Code::NotRegistered),
            _ => code::INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl From<elbus_client::Error> for Failure {
    fn from(error: elbus_client::Error) -> Self {
        Self::new(bus_error(error.code()), error.to_string())
    }
}

impl From<std::convert::Infallible> for Failure {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_the_buss_code_in_rpcs_range() {
        let busy = Failure::busy("no room");
        assert_eq!(busy.code(), -32118);
        assert_eq!(busy.bus_code(), Some(Code::Busy));
        assert!(busy.is_refusal());
    }

    #[test]
    fn codes_outside_of_the_buss_range_stand_for_none_of_its_errors() {
        for code in [0, 1, i16::MIN, i16::MAX, -32000, -32001, -32099, code::INTERNAL] {
            assert_eq!(Failure::new(code, "").bus_code(), None, "{code}");
        }
    }
}
