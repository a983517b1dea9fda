//! The rules, as an embedding program states them.
use std::sync::Arc;

use elbus_proto::{
    BROKER_NAME, ClientName, MaskError, NameLimits, NameMask, SECONDARY_SEPARATOR, TopicError, TopicFilter,
    TopicLimits,
};

use super::{Rights, Source};
use crate::peer::Peer;

/// Rules about who may connect, and what they may do then.
///
/// Without a rule everybody may do everything. As soon as there is one, nobody may do what no rule admits. A client has
/// the rights of every rule that names it and that admits where it comes from. What a right has to admit, one right
/// has to admit alone: `a/+` and `a/+/#` together match all that `a/#` matches, but do not admit it.
///
/// ```
/// use elbus_broker::{
///     Broker, Config,
///     access::{AccessRule, AccessRules, Source},
/// };
///
/// let rules = AccessRules::builder()
///     .rule(
///         AccessRule::new("plant.*")
///             .from([Source::UnixUser(1000), Source::Process])
///             .send(["panel.*"])
///             .publish(["plant/#"]),
///     )
///     .reserve("plant.pump", [Source::UnixUser(1000)])
///     .build()?;
/// let broker = Broker::new(Config::default())?;
/// broker.set_access(rules);
///
/// assert!(broker.client("plant.valve").is_ok());
/// // Reserved for a user.
/// assert!(broker.client("plant.pump").is_err());
/// // Nobody's.
/// assert!(broker.client("office.printer").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    rules: Vec<Arc<AccessRule>>,
    reserved: Vec<Reservation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Reservation {
    name: String,
    sources: Vec<Source>,
}

impl AccessRules {
    /// To state rules.
    pub fn builder() -> AccessRulesBuilder {
        AccessRulesBuilder::default()
    }

    /// Whether there is no rule, so that everybody may do everything. Reservations are no rules: they only keep names
    /// for somebody.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is neither a rule nor a reservation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_open() && self.reserved.is_empty()
    }

    /// What these rules give a client.
    pub(crate) fn judge(&self, peer: &Peer) -> Rights {
        // The broker obeys itself; nobody else gets this name.
        if &*peer.name == BROKER_NAME {
            return Rights::open();
        }
        // A secondary is its primary once more.
        let name = ClientName::assume_checked(peer.primary());
        let comes_from = |sources: &[Source]| {
            sources
                .iter()
                .any(|source| source.admits(peer.origin, peer.certificate.as_deref()))
        };
        let mut reservations = self.reserved.iter().filter(|kept| is_meant(&kept.name, name));
        if let Some(first) = reservations.next()
            && !comes_from(&first.sources)
            && !reservations.any(|kept| comes_from(&kept.sources))
        {
            return Rights::none();
        }
        if self.is_open() {
            return Rights::open();
        }
        let rules = self.rules.iter();
        let given = rules.filter(|rule| is_meant(&rule.name, name) && comes_from(&rule.sources));
        Rights::of(given.map(Arc::clone).collect())
    }
}

fn is_meant(mask: &str, name: ClientName<'_>) -> bool {
    NameMask::assume_checked(mask).matches(name)
}

/// One rule: clients of these names, if they connect from one of these sources, may do this.
///
/// A rule admits nothing that it does not name. What clients name are masks (`?` stands for one part, a final `*` for
/// one or more) and filters (`+` and a final `#`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    pub(super) name: String,
    pub(super) sources: Vec<Source>,
    pub(super) send: Vec<String>,
    pub(super) broadcast: Vec<String>,
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<String>,
    pub(super) manage: bool,
}

impl AccessRule {
    /// A rule about the clients whose names a mask stands for; a secondary goes by the name of its primary.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sources: Vec::new(),
            send: Vec::new(),
            broadcast: Vec::new(),
            publish: Vec::new(),
            subscribe: Vec::new(),
            manage: false,
        }
    }

    /// Where they may connect from; a rule needs at least one source.
    #[must_use]
    pub fn from(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// To whom they may send, by masks that are matched with the target's name; a secondary goes by the name of its
    /// primary. Replies of a service are messages as well: it needs the right to send to those who call it.
    ///
    /// The broker's own methods need no such right, but those do that an embedding program adds under the name `.broker`.
    #[must_use]
    pub fn send<S: Into<String>>(mut self, masks: impl IntoIterator<Item = S>) -> Self {
        self.send.extend(masks.into_iter().map(Into::into));
        self
    }

    /// To which masks they may broadcast: those for which one of these stands completely.
    #[must_use]
    pub fn broadcast<S: Into<String>>(mut self, masks: impl IntoIterator<Item = S>) -> Self {
        self.broadcast.extend(masks.into_iter().map(Into::into));
        self
    }

    /// To which topics they may publish.
    #[must_use]
    pub fn publish<S: Into<String>>(mut self, filters: impl IntoIterator<Item = S>) -> Self {
        self.publish.extend(filters.into_iter().map(Into::into));
        self
    }

    /// To which filters they may subscribe: those that one of these covers completely. `.broker/warn`, to which everybody
    /// is subscribed from the start, needs no right.
    #[must_use]
    pub fn subscribe<S: Into<String>>(mut self, filters: impl IntoIterator<Item = S>) -> Self {
        self.subscribe.extend(filters.into_iter().map(Into::into));
        self
    }

    /// Whether they may use the broker's methods that change something: `client.disconnect` and `reload`.
    #[must_use]
    pub fn manage(mut self, may: bool) -> Self {
        self.manage = may;
        self
    }

    fn check(&self) -> Result<(), AccessError> {
        check_name(&self.name)?;
        if self.sources.is_empty() {
            let name = self.name.clone();
            return Err(AccessError::NoSource { name });
        }
        for mask in &self.send {
            check_name(mask)?;
        }
        for mask in &self.broadcast {
            check_mask(mask)?;
        }
        for filter in self.publish.iter().chain(&self.subscribe) {
            TopicFilter::parse(filter.as_bytes(), LONG_TOPICS).map_err(|reason| AccessError::Filter {
                filter: filter.clone(),
                reason,
            })?;
        }
        Ok(())
    }
}

/// Those who make rules need no limits; what clients ask has those of the configuration.
const LONG_NAMES: NameLimits = NameLimits {
    bytes: 65_535,
    parts: 65_535,
};
const LONG_TOPICS: TopicLimits = TopicLimits {
    bytes: 65_535,
    levels: 65_535,
};

fn check_mask(mask: &str) -> Result<(), AccessError> {
    NameMask::parse(mask.as_bytes(), LONG_NAMES)
        .map(|_| ())
        .map_err(|reason| AccessError::Mask {
            mask: mask.to_owned(),
            reason,
        })
}

/// A mask for names of primaries.
fn check_name(mask: &str) -> Result<(), AccessError> {
    check_mask(mask)?;
    if mask.contains(SECONDARY_SEPARATOR) {
        let mask = mask.to_owned();
        return Err(AccessError::Secondary { mask });
    }
    Ok(())
}

/// Rules in the making.
#[derive(Clone, Debug, Default)]
#[must_use = "rules are made by `build`"]
pub struct AccessRulesBuilder {
    rules: Vec<AccessRule>,
    reserved: Vec<Reservation>,
}

impl AccessRulesBuilder {
    /// Adds a rule.
    pub fn rule(mut self, rule: AccessRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Reserves names: clients of these names may come from these sources only, whatever the rules say. If a name is
    /// reserved more than once, all the sources hold.
    ///
    /// A reservation is no rule: with reservations alone, other names are everybody's.
    pub fn reserve(mut self, name: impl Into<String>, sources: impl IntoIterator<Item = Source>) -> Self {
        self.reserved.push(Reservation {
            name: name.into(),
            sources: sources.into_iter().collect(),
        });
        self
    }

    /// The rules, if all make sense.
    ///
    /// # Errors
    /// The first that makes none.
    pub fn build(self) -> Result<AccessRules, AccessError> {
        for rule in &self.rules {
            rule.check()?;
        }
        for Reservation { name, sources } in &self.reserved {
            check_name(name)?;
            if sources.is_empty() {
                let name = name.clone();
                return Err(AccessError::NoSource { name });
            }
        }
        Ok(AccessRules {
            rules: self.rules.into_iter().map(Arc::new).collect(),
            reserved: self.reserved,
        })
    }
}

/// Why a rule makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Not a name mask.
    #[error("{mask:?}: {reason}")]
    Mask {
        /// What was given.
        mask: String,
        /// What is wrong with it.
        reason: MaskError,
    },
    /// A mask that names secondaries where names of primaries are meant.
    #[error(
        "{mask:?} names secondaries, which have the rights of their primary: leave out `%%` and what follows"
    )]
    Secondary {
        /// What was given.
        mask: String,
    },
    /// Not a topic filter.
    #[error("{filter:?}: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: TopicError,
    },
    /// Nobody could have this name.
    #[error("the rule for {name:?} says nothing about where they connect from, so it admits nobody")]
    NoSource {
        /// The rule's name mask.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rule: AccessRule) -> Option<String> {
        let built = AccessRules::builder().rule(rule).build();
        built.err().map(|error| error.to_string())
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_with_the_reason() {
        let rule = |name: &str| AccessRule::new(name).from([Source::Any]);
        for (rule, reason) in [
            (rule("*.pump"), "\"*.pump\": in a name mask, * stands only for"),
            (rule(""), "\"\": the mask is empty"),
            (rule("a%%b"), "\"a%%b\" names secondaries"),
            (
                rule("a").send(["b?"]),
                "\"b?\": in a name mask, ? stands only for",
            ),
            (rule("a").send(["b%%c"]), "\"b%%c\" names secondaries"),
            (rule("a").broadcast(["*.b"]), "\"*.b\": in a name mask"),
            (
                rule("a").publish(["#/b"]),
                "\"#/b\": in a topic filter, # stands only for",
            ),
            (rule("a").subscribe([""]), "\"\": the topic is empty"),
            (
                AccessRule::new("a"),
                "the rule for \"a\" says nothing about where",
            ),
        ] {
            let error = refused(rule).unwrap();
            assert!(error.contains(reason), "{error}");
        }
        assert_eq!(refused(rule("a.?").broadcast(["b%%c"])), None);
    }

    #[test]
    fn reservations_that_make_no_sense_are_refused_with_the_reason() {
        for (name, sources, reason) in [
            ("a*", &[Source::Any][..], "in a name mask"),
            ("a%%b", &[Source::Any], "names secondaries"),
            ("a", &[], "admits nobody"),
        ] {
            let built = AccessRules::builder()
                .reserve(name, sources.iter().cloned())
                .build();
            let error = built.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
