//! Topics, and filters that subscribe to several of them.
//!
//! Topics are split at `/` into levels. In a filter `+` stands for any one level (an empty one too) and a final `#`
//! for one or more levels: `a/#` matches `a/b`, `a/b/c` and `a/`, but not `a`. Both count only as a whole level.
use core::fmt;

use crate::text;

/// How long and how deep a topic or a filter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Longest topic in bytes.
    pub bytes: usize,
    /// Most levels.
    pub levels: usize,
}

impl Default for TopicLimits {
    /// 1,024 bytes, 32 levels.
    fn default() -> Self {
        Self {
            bytes: 1024,
            levels: 32,
        }
    }
}

/// Why bytes are not a topic or a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// Nothing there.
    Empty,
    /// More bytes than the limit.
    TooLong {
        /// Length in bytes.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// More levels than the limit.
    TooDeep {
        /// Number of levels.
        levels: usize,
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// A NUL or another control character.
    Forbidden(char),
    /// A topic to publish to has `+` or `#` as a level.
    Wildcard,
    /// In a filter, a `#` that is not the whole last level.
    MisplacedHash,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the topic is empty"),
            Self::TooLong { len, limit } => write!(f, "the topic is {len} bytes long, the limit is {limit}"),
            Self::TooDeep { levels, limit } => {
                write!(f, "the topic has {levels} levels, the limit is {limit}")
            }
            Self::NotUtf8 => f.write_str("the topic is not UTF-8"),
            Self::Forbidden(c) => write!(f, "the topic holds {c:?}"),
            Self::Wildcard => f.write_str("a topic to publish to has no + or # as a level"),
            Self::MisplacedHash => f.write_str("in a topic filter, # stands only for the whole last level"),
        }
    }
}

impl core::error::Error for TopicError {}

/// A topic to publish to: checked once, trusted from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Topic<'a>(&'a str);

impl<'a> Topic<'a> {
    /// Checks a topic as it came from the wire.
    pub fn parse(bytes: &'a [u8], limits: TopicLimits) -> Result<Self, TopicError> {
        let topic = checked(bytes, limits)?;
        let is_suspect = text::has(bytes, |byte| byte == b'+' || byte == b'#');
        if is_suspect && topic.split('/').any(|level| level == "+" || level == "#") {
            return Err(TopicError::Wildcard);
        }
        Ok(Self(topic))
    }

    /// The topic as it was written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels, from the outermost on; at least one.
    pub fn levels(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split('/')
    }
}

/// One level of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterLevel<'a> {
    /// This level and no other.
    Exactly(&'a str),
    /// `+`: any one level.
    AnyOne,
    /// `#`: one or more levels to the end.
    Rest,
}

/// A filter that subscribes to the topics it matches.
///
/// ```
/// use elbus_proto::{Topic, TopicFilter, TopicLimits};
///
/// let limits = TopicLimits::default();
/// let filter = TopicFilter::parse(b"plant/+/temperature", limits)?;
/// assert!(filter.matches(Topic::parse(b"plant/hall/temperature", limits)?));
/// # Ok::<(), elbus_proto::TopicError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// Checks a filter as it came from the wire.
    pub fn parse(bytes: &'a [u8], limits: TopicLimits) -> Result<Self, TopicError> {
        let filter = checked(bytes, limits)?;
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(TopicError::MisplacedHash);
            }
        }
        Ok(Self(filter))
    }

    /// Takes a filter that has been checked before, such as one that was stored.
    #[must_use]
    pub const fn assume_checked(filter: &'a str) -> Self {
        Self(filter)
    }

    /// The filter as it was written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels, from the outermost on; at least one.
    pub fn levels(self) -> impl Iterator<Item = FilterLevel<'a>> + Clone {
        self.0.split('/').map(|level| match level {
            "+" => FilterLevel::AnyOne,
            "#" => FilterLevel::Rest,
            level => FilterLevel::Exactly(level),
        })
    }

    /// Whether the filter matches this topic.
    #[must_use]
    pub fn matches(self, topic: Topic<'_>) -> bool {
        let mut levels = topic.levels();
        for wanted in self.levels() {
            let Some(level) = levels.next() else {
                return false;
            };
            match wanted {
                FilterLevel::Rest => return true,
                FilterLevel::AnyOne => {}
                FilterLevel::Exactly(wanted) if wanted == level => {}
                FilterLevel::Exactly(_) => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether this filter matches every topic that `other` matches.
    ///
    /// A level is text that may be anything: no finite number of them makes up a `+`.
    ///
    /// ```
    /// use elbus_proto::TopicFilter;
    ///
    /// let covers = |filter, other| {
    ///     TopicFilter::assume_checked(filter).covers(TopicFilter::assume_checked(other))
    /// };
    /// assert!(covers("a/#", "a/+/b"));
    /// assert!(!covers("+/status", "#"));
    /// assert!(!covers("+/status", "+/+"));
    /// ```
    #[must_use]
    pub fn covers(self, other: TopicFilter<'_>) -> bool {
        let mut theirs = other.levels();
        for own in self.levels() {
            let Some(level) = theirs.next() else {
                return false;
            };
            match (own, level) {
                // Every kind of level stands for one at least, and whatever follows is in the rest.
                (FilterLevel::Rest, _) => return true,
                (_, FilterLevel::Rest) => return false,
                (FilterLevel::AnyOne, _) => {}
                (FilterLevel::Exactly(own), FilterLevel::Exactly(level)) if own == level => {}
                (FilterLevel::Exactly(_), _) => return false,
            }
        }
        theirs.next().is_none()
    }
}

/// What topics and filters share: not empty, within the limits, UTF-8, no control characters.
fn checked(bytes: &[u8], limits: TopicLimits) -> Result<&str, TopicError> {
    if bytes.is_empty() {
        return Err(TopicError::Empty);
    }
    if bytes.len() > limits.bytes {
        return Err(TopicError::TooLong {
            len: bytes.len(),
            limit: limits.bytes,
        });
    }
    let levels = text::parts(bytes, b'/');
    if levels > limits.levels {
        return Err(TopicError::TooDeep {
            levels,
            limit: limits.levels,
        });
    }
    let topic = core::str::from_utf8(bytes).map_err(|_| TopicError::NotUtf8)?;
    match text::forbidden(topic, |_| false) {
        Some(c) => Err(TopicError::Forbidden(c)),
        None => Ok(topic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(topic: &str) -> Result<Topic<'_>, TopicError> {
        Topic::parse(topic.as_bytes(), TopicLimits::default())
    }

    fn filter(filter: &str) -> Result<TopicFilter<'_>, TopicError> {
        TopicFilter::parse(filter.as_bytes(), TopicLimits::default())
    }

    #[test]
    fn filters_match_as_documented() {
        let cases = [
            ("a/#", "a/b", true),
            ("a/#", "a/b/c", true),
            ("a/#", "a/", true),
            ("a/#", "a", false),
            ("#", "a", true),
            ("#", ".broker/info", true),
            ("+", "a", true),
            ("+/b", "/b", true),
            ("+", "a/b", false),
            ("a/+/c", "a//c", true),
            ("a+", "a+", true),
            ("a+", "ab", false),
            ("a/b", "a/b", true),
        ];
        for (pattern, subject, expected) in cases {
            assert_eq!(
                filter(pattern).unwrap().matches(topic(subject).unwrap()),
                expected,
                "{pattern} {subject}"
            );
        }
    }

    #[test]
    fn a_filter_covers_another_if_it_matches_all_that_the_other_matches() {
        let cases = [
            ("#", "#", true),
            ("#", "+/a/#", true),
            ("a/#", "a/+/b", true),
            ("a/#", "a/#", true),
            ("a/#", "a/+", true),
            ("a/#", "a", false),
            ("a/#", "+/b", false),
            ("+/status", "a/status", true),
            ("+/status", "#", false),
            ("+/status", "+/+", false),
            ("+/#", "#", false),
            ("+", "#", false),
            ("+/+", "a/+", true),
            ("+/+", "a", false),
            ("a", "a", true),
            ("a", "+", false),
            ("a", "a/b", false),
            // A level like any other, although it looks like a wildcard's.
            ("a+", "ab", false),
        ];
        for (right, asked, expected) in cases {
            assert_eq!(
                filter(right).unwrap().covers(filter(asked).unwrap()),
                expected,
                "{right} {asked}"
            );
        }
    }

    #[test]
    fn malformed_topics_and_filters_are_refused() {
        assert_eq!(topic(""), Err(TopicError::Empty));
        assert_eq!(topic("a/+"), Err(TopicError::Wildcard));
        assert_eq!(topic("#"), Err(TopicError::Wildcard));
        assert_eq!(topic("a\nb"), Err(TopicError::Forbidden('\n')));
        assert_eq!(filter("#/a"), Err(TopicError::MisplacedHash));
        assert_eq!(filter("a/b#"), Err(TopicError::MisplacedHash));
        assert_eq!(
            Topic::parse(b"\xC0", TopicLimits::default()),
            Err(TopicError::NotUtf8)
        );
    }

    #[test]
    fn a_topic_at_the_limit_is_granted_and_one_past_it_refused() {
        let limits = TopicLimits { bytes: 5, levels: 3 };
        assert!(Topic::parse(b"a/b/c", limits).is_ok());
        assert_eq!(
            Topic::parse(b"a/b/cd", limits),
            Err(TopicError::TooLong { len: 6, limit: 5 })
        );
        assert_eq!(
            TopicFilter::parse(b"////", limits),
            Err(TopicError::TooDeep { levels: 5, limit: 3 })
        );
    }
}
