//! Names on the bus, and masks that stand for several of them.
//!
//! A name is `group.subgroup.client`: parts separated by dots. `NAME%%SUFFIX` is a secondary of the primary `NAME`.
//! In a mask `?` stands for any one part and a final `*` for one or more parts.
use core::fmt;

use crate::text;

/// What stands between a primary's name and the suffix of its secondary.
pub const SECONDARY_SEPARATOR: &str = "%%";

/// How long and how deep a name or a mask may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameLimits {
    /// Longest name in bytes.
    pub bytes: usize,
    /// Most parts, the separators being dots.
    pub parts: usize,
}

impl Default for NameLimits {
    /// 255 bytes, 16 parts.
    fn default() -> Self {
        Self {
            bytes: 255,
            parts: 16,
        }
    }
}

/// Why bytes are not a client's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing there.
    Empty,
    /// More bytes than the limit.
    TooLong {
        /// Length in bytes.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// More parts than the limit.
    TooDeep {
        /// Number of parts.
        parts: usize,
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// A NUL, a control character, `*` or `?`.
    Forbidden(char),
    /// Nothing on one side of `%%`, or more than one `%%`.
    Secondary,
}

impl NameError {
    /// Says it of a name, or of a mask.
    fn describe(self, what: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the {what} is empty"),
            Self::TooLong { len, limit } => write!(f, "the {what} is {len} bytes long, the limit is {limit}"),
            Self::TooDeep { parts, limit } => write!(f, "the {what} has {parts} parts, the limit is {limit}"),
            Self::NotUtf8 => write!(f, "the {what} is not UTF-8"),
            Self::Forbidden(c) => write!(f, "the {what} holds {c:?}"),
            Self::Secondary => {
                f.write_str("a secondary's name is PRIMARY%%SUFFIX, with both sides filled once")
            }
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("name", f)
    }
}

impl core::error::Error for NameError {}

/// A client's name: checked once, trusted from then on.
///
/// ```
/// use elbus_proto::{ClientName, NameError, NameLimits};
///
/// let name = ClientName::parse(b"plant.pump%%2", NameLimits::default())?;
/// assert_eq!((name.primary(), name.is_secondary()), ("plant.pump", true));
/// assert_eq!(ClientName::parse(b"a*", NameLimits::default()), Err(NameError::Forbidden('*')));
/// # Ok::<(), NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName<'a>(&'a str);

impl<'a> ClientName<'a> {
    /// Checks a name as it came from the wire.
    pub fn parse(bytes: &'a [u8], limits: NameLimits) -> Result<Self, NameError> {
        let name = checked(bytes, limits)?;
        if let Some(c) = text::forbidden(name, |c| c == '*' || c == '?') {
            return Err(NameError::Forbidden(c));
        }
        if !is_well_separated(name) {
            return Err(NameError::Secondary);
        }
        Ok(Self(name))
    }

    /// Takes a name that has been checked before, such as that of a registered client.
    #[must_use]
    pub const fn assume_checked(name: &'a str) -> Self {
        Self(name)
    }

    /// The whole name.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The name of the primary: this name without its suffix.
    #[must_use]
    pub fn primary(self) -> &'a str {
        self.0
            .split_once(SECONDARY_SEPARATOR)
            .map_or(self.0, |(primary, _)| primary)
    }

    /// Whether this names a secondary.
    #[must_use]
    pub fn is_secondary(self) -> bool {
        self.0.contains(SECONDARY_SEPARATOR)
    }

    /// Whether the name starts with a dot, as only the broker's own clients' do.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        self.0.starts_with('.')
    }

    /// The parts, from the outermost group to the client.
    pub fn parts(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split('.')
    }
}

impl fmt::Display for ClientName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why bytes are not a name mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaskError {
    /// As a name, the mask is not acceptable.
    Name(NameError),
    /// A `*` that is not the whole last part.
    MisplacedStar,
    /// A `?` that is not a whole part.
    MisplacedQuestionMark,
}

impl fmt::Display for MaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.describe("mask", f),
            Self::MisplacedStar => f.write_str("in a name mask, * stands only for the whole last part"),
            Self::MisplacedQuestionMark => f.write_str("in a name mask, ? stands only for a whole part"),
        }
    }
}

impl core::error::Error for MaskError {}

/// One part of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskPart<'a> {
    /// This part and no other.
    Exactly(&'a str),
    /// `?`: any one part.
    AnyOne,
    /// `*`: one or more parts to the end.
    Rest,
}

/// A mask that names several clients at once.
///
/// ```
/// use elbus_proto::{ClientName, NameLimits, NameMask};
///
/// let limits = NameLimits::default();
/// let mask = NameMask::parse(b"plant.?.*", limits)?;
/// assert!(mask.matches(ClientName::assume_checked("plant.hall.pump.1")));
/// assert!(!mask.matches(ClientName::assume_checked("plant.hall")));
/// # Ok::<(), elbus_proto::MaskError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameMask<'a>(&'a str);

impl<'a> NameMask<'a> {
    /// Checks a mask as it came from the wire.
    pub fn parse(bytes: &'a [u8], limits: NameLimits) -> Result<Self, MaskError> {
        let mask = checked(bytes, limits).map_err(MaskError::Name)?;
        if let Some(c) = text::forbidden(mask, |_| false) {
            return Err(MaskError::Name(NameError::Forbidden(c)));
        }
        if !is_well_separated(mask) {
            return Err(MaskError::Name(NameError::Secondary));
        }
        let mut parts = mask.split('.').peekable();
        while let Some(part) = parts.next() {
            if part.contains('*') && (part != "*" || parts.peek().is_some()) {
                return Err(MaskError::MisplacedStar);
            }
            if part.contains('?') && part != "?" {
                return Err(MaskError::MisplacedQuestionMark);
            }
        }
        Ok(Self(mask))
    }

    /// Takes a mask that has been checked before, such as one that was stored.
    #[must_use]
    pub const fn assume_checked(mask: &'a str) -> Self {
        Self(mask)
    }

    /// The mask as it was written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The parts, from the outermost group on.
    pub fn parts(self) -> impl Iterator<Item = MaskPart<'a>> + Clone {
        self.0.split('.').map(|part| match part {
            "?" => MaskPart::AnyOne,
            "*" => MaskPart::Rest,
            part => MaskPart::Exactly(part),
        })
    }

    /// Whether the mask stands for this name.
    #[must_use]
    pub fn matches(self, name: ClientName<'_>) -> bool {
        let mut parts = name.parts();
        for wanted in self.parts() {
            let Some(part) = parts.next() else {
                return false;
            };
            match wanted {
                MaskPart::Rest => return true,
                MaskPart::AnyOne => {}
                MaskPart::Exactly(wanted) if wanted == part => {}
                MaskPart::Exactly(_) => return false,
            }
        }
        parts.next().is_none()
    }

    /// Whether this mask stands for every name that `other` stands for.
    ///
    /// A part is text that may be anything: no finite number of them makes up a `?`.
    ///
    /// ```
    /// use elbus_proto::NameMask;
    ///
    /// let covers =
    ///     |mask, other| NameMask::assume_checked(mask).covers(NameMask::assume_checked(other));
    /// assert!(covers("plant.*", "plant.?.pump"));
    /// assert!(!covers("?.pub", "*"));
    /// ```
    #[must_use]
    pub fn covers(self, other: NameMask<'_>) -> bool {
        let mut theirs = other.parts();
        for own in self.parts() {
            let Some(part) = theirs.next() else {
                return false;
            };
            match (own, part) {
                // Every kind of part stands for one at least, and whatever follows is in the rest.
                (MaskPart::Rest, _) => return true,
                (_, MaskPart::Rest) => return false,
                (MaskPart::AnyOne, _) => {}
                (MaskPart::Exactly(own), MaskPart::Exactly(part)) if own == part => {}
                (MaskPart::Exactly(_), _) => return false,
            }
        }
        theirs.next().is_none()
    }
}

/// Whether `%%`, if it is there at all, is there once and has something on both sides.
fn is_well_separated(name: &str) -> bool {
    match name.split_once(SECONDARY_SEPARATOR) {
        None => true,
        Some((primary, suffix)) => {
            !primary.is_empty() && !suffix.is_empty() && !suffix.contains(SECONDARY_SEPARATOR)
        }
    }
}

/// What names and masks share: not empty, within the limits, UTF-8.
fn checked(bytes: &[u8], limits: NameLimits) -> Result<&str, NameError> {
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > limits.bytes {
        return Err(NameError::TooLong {
            len: bytes.len(),
            limit: limits.bytes,
        });
    }
    let parts = text::parts(bytes, b'.');
    if parts > limits.parts {
        return Err(NameError::TooDeep {
            parts,
            limit: limits.parts,
        });
    }
    core::str::from_utf8(bytes).map_err(|_| NameError::NotUtf8)
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::string::ToString;

    use super::*;

    fn name(name: &str) -> Result<ClientName<'_>, NameError> {
        ClientName::parse(name.as_bytes(), NameLimits::default())
    }

    fn mask(mask: &str) -> Result<NameMask<'_>, MaskError> {
        NameMask::parse(mask.as_bytes(), NameLimits::default())
    }

    #[test]
    fn what_is_wrong_is_said_of_a_name_or_of_a_mask() {
        let said = |text: &str| {
            let (name, mask) = (name(text).unwrap_err(), mask(text).unwrap_err());
            [name.to_string(), mask.to_string()]
        };
        assert_eq!(said(""), ["the name is empty", "the mask is empty"]);
        assert_eq!(said("a\n"), ["the name holds '\\n'", "the mask holds '\\n'"]);
    }

    #[test]
    fn names_that_could_deceive_are_refused() {
        assert_eq!(name(""), Err(NameError::Empty));
        assert_eq!(name("admin\0fake"), Err(NameError::Forbidden('\0')));
        assert_eq!(name("a\x1b[31m"), Err(NameError::Forbidden('\x1b')));
        assert_eq!(name("a\u{9b}31m"), Err(NameError::Forbidden('\u{9b}')));
        assert_eq!(name("*"), Err(NameError::Forbidden('*')));
        assert_eq!(name("a.?"), Err(NameError::Forbidden('?')));
        assert_eq!(
            ClientName::parse(b"\xFF", NameLimits::default()),
            Err(NameError::NotUtf8)
        );
    }

    #[test]
    fn a_name_at_the_limit_is_granted_and_one_past_it_refused() {
        let limits = NameLimits { bytes: 5, parts: 3 };
        assert!(ClientName::parse(b"abcde", limits).is_ok());
        assert_eq!(
            ClientName::parse(b"abcdef", limits),
            Err(NameError::TooLong { len: 6, limit: 5 })
        );
        assert!(ClientName::parse(b"a.b.c", limits).is_ok());
        assert_eq!(
            ClientName::parse(b"a...", limits),
            Err(NameError::TooDeep { parts: 4, limit: 3 })
        );
    }

    #[test]
    fn a_secondary_knows_its_primary() {
        let secondary = name("a.b%%1").unwrap();
        assert!(secondary.is_secondary());
        assert_eq!(secondary.primary(), "a.b");
        assert_eq!(name("a.b").unwrap().primary(), "a.b");
        for wrong in ["%%", "%%x", "x%%", "x%%y%%z"] {
            assert_eq!(name(wrong), Err(NameError::Secondary), "{wrong}");
        }
    }

    #[test]
    fn masks_match_as_documented() {
        let cases = [
            ("?.test.*", "g1.test.client1", true),
            ("?.test.*", "g1.test.sub.client2", true),
            ("?.test.*", "g1.test", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", true),
            ("a.*", "a", false),
            ("*", ".broker", true),
            ("*", "a.b.c", true),
            ("a.?", "a.b%%1", true),
            ("a.?", "a.b.c", false),
            ("a.b", "a.b", true),
        ];
        for (pattern, client, expected) in cases {
            assert_eq!(
                mask(pattern).unwrap().matches(name(client).unwrap()),
                expected,
                "{pattern} {client}"
            );
        }
    }

    #[test]
    fn a_mask_covers_another_if_it_stands_for_all_that_the_other_stands_for() {
        let cases = [
            ("*", "*", true),
            ("*", "?.a.*", true),
            ("a.*", "a.?.b", true),
            ("a.*", "a", false),
            ("a.*", "?.b", false),
            ("?.pub", "a.pub", true),
            ("?.pub", "*", false),
            ("?.pub", "?.?", false),
            ("?.pub", "?.*", false),
            ("?.*", "*", false),
            ("a.b", "a.b", true),
            ("a.b", "a.?", false),
            ("a.?", "a.b%%1", true),
            ("a.b", "a.b%%1", false),
        ];
        for (right, asked, expected) in cases {
            assert_eq!(
                mask(right).unwrap().covers(mask(asked).unwrap()),
                expected,
                "{right} {asked}"
            );
        }
    }

    #[test]
    fn a_mask_may_name_secondaries_as_a_name_does() {
        assert!(mask("a.b%%1").is_ok());
        assert!(mask("?.b%%1").is_ok());
        for wrong in ["%%x", "a.%%", "a%%b%%c"] {
            assert_eq!(mask(wrong), Err(MaskError::Name(NameError::Secondary)), "{wrong}");
        }
    }

    #[test]
    fn wildcards_count_only_as_whole_parts() {
        assert_eq!(mask("*.pub"), Err(MaskError::MisplacedStar));
        assert_eq!(mask("a*"), Err(MaskError::MisplacedStar));
        assert_eq!(mask("a?.b"), Err(MaskError::MisplacedQuestionMark));
    }
}
