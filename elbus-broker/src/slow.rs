//! What becomes of frames for a client on a socket that does not keep up.
use std::{fmt, str::FromStr};

use elbus_proto::{ClientName, MaskError, NameLimits, NameMask};

/// What becomes of frames for a client on a socket whose outbox is full.
///
/// Whatever is chosen, messages and broadcasts are never dropped: those who send them wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// Those who send to it wait until it has room. If it takes nothing for the stall time-out it is disconnected.
    #[default]
    Hold,
    /// It is disconnected at once.
    Disconnect,
    /// The oldest publications that wait for it make room for new ones.
    DropOldest,
    /// Publications that come while it is full are left out.
    DropNewest,
}

impl SlowConsumer {
    const ALL: [(Self, &str); 4] = [
        (Self::Hold, "hold"),
        (Self::Disconnect, "disconnect"),
        (Self::DropOldest, "drop-oldest"),
        (Self::DropNewest, "drop-newest"),
    ];

    /// Whether publications are left out for it.
    pub(crate) const fn drops(self) -> bool {
        matches!(self, Self::DropOldest | Self::DropNewest)
    }
}

/// A text that names no such choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected hold, disconnect, drop-oldest or drop-newest, not {0:?}")]
pub struct SlowConsumerError(String);

impl FromStr for SlowConsumer {
    type Err = SlowConsumerError;

    fn from_str(text: &str) -> Result<Self, SlowConsumerError> {
        let found = Self::ALL.into_iter().find(|(_, name)| *name == text);
        found.map_or_else(
            || Err(SlowConsumerError(text.to_owned())),
            |(choice, _)| Ok(choice),
        )
    }
}

impl fmt::Display for SlowConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.into_iter().find(|(choice, _)| choice == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

/// Which clients are treated how when they do not keep up: by name, and all others.
///
/// ```
/// use elbus_broker::{Broker, Config, SlowConsumer, SlowConsumers};
///
/// let mut config = Config::default();
/// // A panel wants to show what is, not what was.
/// config.slow_consumers = SlowConsumers::all(SlowConsumer::Hold).but("panel.*", SlowConsumer::DropOldest);
/// let broker = Broker::new(config)?;
/// # Ok::<(), elbus_broker::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowConsumers {
    others: SlowConsumer,
    by_name: Vec<(String, SlowConsumer)>,
}

impl SlowConsumers {
    /// All clients are treated alike.
    pub const fn all(choice: SlowConsumer) -> Self {
        Self {
            others: choice,
            by_name: Vec::new(),
        }
    }

    /// Clients whose name, or whose primary's name, matches this mask are treated otherwise, unless an earlier mask
    /// matches it too.
    #[must_use]
    pub fn but(mut self, mask: impl Into<String>, choice: SlowConsumer) -> Self {
        self.by_name.push((mask.into(), choice));
        self
    }

    /// The first mask that is none.
    pub(crate) fn check(&self, limits: NameLimits) -> Result<(), (&str, MaskError)> {
        for (mask, _) in &self.by_name {
            NameMask::parse(mask.as_bytes(), limits).map_err(|error| (mask.as_str(), error))?;
        }
        Ok(())
    }

    /// How a client of this name, which was checked, is treated.
    pub(crate) fn choice(&self, name: ClientName<'_>) -> SlowConsumer {
        let primary = ClientName::assume_checked(name.primary());
        let mut by_name = self.by_name.iter();
        let named = by_name.find(|(mask, _)| NameMask::assume_checked(mask).matches(primary));
        named.map_or(self.others, |(_, choice)| *choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mask_that_matches_the_primary_decides() {
        let choices = SlowConsumers::all(SlowConsumer::Disconnect)
            .but("panel.hall", SlowConsumer::Hold)
            .but("panel.*", SlowConsumer::DropOldest)
            .but("panel.yard", SlowConsumer::DropNewest);
        for (name, expected) in [
            ("panel.hall", SlowConsumer::Hold),
            ("panel.hall%%2", SlowConsumer::Hold),
            ("panel.yard", SlowConsumer::DropOldest),
            ("pump", SlowConsumer::Disconnect),
        ] {
            assert_eq!(
                choices.choice(ClientName::assume_checked(name)),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for (choice, _) in SlowConsumer::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "drop".parse::<SlowConsumer>().unwrap_err();
        assert!(
            error.to_string().ends_with("drop-newest, not \"drop\""),
            "{error}"
        );
    }
}
