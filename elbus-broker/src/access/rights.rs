//! What the rules give one client.
use std::sync::Arc;

use elbus_proto::{BROKER_WARN_TOPIC, ClientName, NameMask, Topic, TopicFilter};

use super::AccessRule;

/// What one client may do.
#[derive(Debug)]
pub(crate) struct Rights(Given);

#[derive(Debug)]
enum Given {
    /// There are no rules.
    Open,
    /// What these rules name. None of them: the client may not even connect.
    Rules(Box<[Arc<AccessRule>]>),
}

impl Rights {
    /// Those of a client that no rule restrains.
    pub(super) const fn open() -> Self {
        Self(Given::Open)
    }

    /// Those of a client that may not connect.
    pub(super) fn none() -> Self {
        Self::of(Vec::new())
    }

    /// Those of a client that all these rules name.
    pub(super) fn of(rules: Vec<Arc<AccessRule>>) -> Self {
        Self(Given::Rules(rules.into()))
    }

    /// Whether the client may be on the bus.
    pub(crate) fn may_connect(&self) -> bool {
        self.any(|_| true)
    }

    /// Whether it may send to the client of this name.
    pub(crate) fn may_send(&self, target: ClientName<'_>) -> bool {
        let target = ClientName::assume_checked(target.primary());
        self.any(|rule| masks(&rule.send).any(|mask| mask.matches(target)))
    }

    /// Whether it may broadcast to all for whom a mask stands.
    pub(crate) fn may_broadcast(&self, asked: NameMask<'_>) -> bool {
        self.any(|rule| masks(&rule.broadcast).any(|mask| mask.covers(asked)))
    }

    /// Whether it may publish to a topic.
    pub(crate) fn may_publish(&self, topic: Topic<'_>) -> bool {
        self.any(|rule| filters(&rule.publish).any(|filter| filter.matches(topic)))
    }

    /// Whether it may subscribe to all that a filter matches.
    pub(crate) fn may_subscribe(&self, asked: TopicFilter<'_>) -> bool {
        asked.as_str() == BROKER_WARN_TOPIC
            || self.any(|rule| filters(&rule.subscribe).any(|filter| filter.covers(asked)))
    }

    /// Whether it may use the broker's methods that change something; `None` when no rule says anything about that.
    pub(crate) fn may_manage(&self) -> Option<bool> {
        match &self.0 {
            Given::Open => None,
            Given::Rules(_) => Some(self.any(|rule| rule.manage)),
        }
    }

    fn any(&self, admits: impl Fn(&AccessRule) -> bool) -> bool {
        match &self.0 {
            Given::Open => true,
            Given::Rules(rules) => rules.iter().any(|rule| admits(rule)),
        }
    }
}

fn masks(masks: &[String]) -> impl Iterator<Item = NameMask<'_>> {
    masks.iter().map(|mask| NameMask::assume_checked(mask))
}

fn filters(filters: &[String]) -> impl Iterator<Item = TopicFilter<'_>> {
    filters.iter().map(|filter| TopicFilter::assume_checked(filter))
}
