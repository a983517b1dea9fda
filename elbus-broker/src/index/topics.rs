//! From a topic to its subscribers.
use elbus_proto::{FilterLevel, Topic, TopicFilter};

use super::{
    Handle,
    set::HandleSet,
    slab::Id,
    sort_and_merge,
    tree::{ROOT, Tree},
};

const ANY_ONE: &str = "+";
const REST: &str = "#";

/// The subscriptions of all clients: topic filters, each with the set of those it stands for.
///
/// A filter is a path in a tree of levels. `+` and `#` are levels like any other there, since no topic has them as a
/// level; each node also knows its `+` and its `#` without a lookup.
///
/// ```
/// use std::sync::Arc;
/// use elbus_broker::index::{Handle, TopicIndex};
/// use elbus_proto::{Topic, TopicFilter};
///
/// #[derive(Clone)]
/// struct Client(Arc<u64>);
/// impl Handle for Client {
///     fn id(&self) -> u64 {
///         *self.0
///     }
/// }
///
/// # fn main() -> Result<(), elbus_proto::TopicError> {
/// let mut index = TopicIndex::new();
/// let filter = TopicFilter::parse(b"plant/+/temperature", Default::default())?;
/// index.insert(filter, &Client(Arc::new(1)));
///
/// let mut found = Vec::new();
/// index.matches(Topic::parse(b"plant/boiler/temperature", Default::default())?, &mut found);
/// assert_eq!(found.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TopicIndex<S: Handle> {
    tree: Tree<Level<S>>,
    len: usize,
}

/// Where a filter ends in a [`TopicIndex`]. Valid as long as anyone is subscribed there; from then on it may come to
/// stand for another filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterId(Id);

/// What the index keeps at a node.
#[derive(Debug)]
struct Level<S> {
    any_one: Option<Id>,
    rest: Option<Id>,
    subscribers: HandleSet<S>,
}

impl<S> Default for Level<S> {
    fn default() -> Self {
        Self {
            any_one: None,
            rest: None,
            subscribers: HandleSet::None,
        }
    }
}

impl<S: Handle> Default for TopicIndex<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Handle> TopicIndex<S> {
    /// An index without subscriptions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tree: Tree::new(),
            len: 0,
        }
    }

    /// Number of subscriptions: pairs of a filter and a subscriber.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody is subscribed to anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of nodes in use; 0 when nobody is subscribed to anything.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.tree.len()
    }

    /// Subscribes a client to a filter; says where the filter ends, and whether the subscription is new.
    ///
    /// # Panics
    /// When the index would need more than 2^32 nodes, over 250 GB.
    pub fn insert(&mut self, filter: TopicFilter<'_>, subscriber: &S) -> (FilterId, bool) {
        let mut node = ROOT;
        for level in filter.levels() {
            let child = self.tree.child_or_insert(node, text(level));
            if let Some(here) = self.tree.value_mut(node) {
                match level {
                    FilterLevel::Exactly(_) => {}
                    FilterLevel::AnyOne => here.any_one = Some(child),
                    FilterLevel::Rest => here.rest = Some(child),
                }
            }
            node = child;
        }
        let end = self.tree.value_mut(node);
        let is_new = end.is_some_and(|end| end.subscribers.insert(subscriber));
        self.len += usize::from(is_new);
        (FilterId(node), is_new)
    }

    /// Takes a subscription back; says where it was, or `None` when there was none.
    pub fn remove(&mut self, filter: TopicFilter<'_>, id: u64) -> Option<FilterId> {
        let mut node = ROOT;
        for level in filter.levels() {
            node = self.tree.child(node, text(level))?;
        }
        self.remove_at(FilterId(node), id).then_some(FilterId(node))
    }

    /// Takes a subscription back by the place where its filter ends; `false` when there was none.
    pub fn remove_at(&mut self, filter: FilterId, id: u64) -> bool {
        let end = self.tree.value_mut(filter.0);
        let was_there = end.is_some_and(|end| end.subscribers.remove(id));
        if was_there {
            self.len -= 1;
            self.prune(filter.0);
        }
        was_there
    }

    /// Appends every client one of whose filters matches the topic. What `found` held already is merged in: all of
    /// it comes out sorted by id, each client once.
    pub fn matches(&self, topic: Topic<'_>, found: &mut Vec<S>) {
        let mut parts = usize::from(!found.is_empty());
        let mut collect = |set: &HandleSet<S>| {
            found.extend_from_slice(set.as_slice());
            parts += usize::from(!set.as_slice().is_empty());
        };
        // Follows one path; where it forks, the other branch waits here. A topic has one fork a level at most, and
        // an index without `+` none: nothing is allocated for it.
        let mut forks = Vec::new();
        let mut path = Some((ROOT, topic.levels()));
        while let Some((node, mut levels)) = path.take().or_else(|| forks.pop()) {
            let Some(here) = self.tree.value(node) else {
                continue;
            };
            let Some(level) = levels.next() else {
                collect(&here.subscribers);
                continue;
            };
            if let Some(rest) = here.rest.and_then(|rest| self.tree.value(rest)) {
                collect(&rest.subscribers);
            }
            if self.tree.has_children(node) {
                path = self.tree.child(node, level).map(|child| (child, levels.clone()));
            }
            if let Some(any_one) = here.any_one {
                forks.extend(path.replace((any_one, levels)));
            }
        }
        // One set is sorted as it is.
        if parts > 1 {
            sort_and_merge(found);
        }
    }

    /// The text of a filter, from the place where it ends.
    #[must_use]
    pub fn filter(&self, filter: FilterId) -> String {
        let mut levels: Vec<&str> = self.tree.path_up(filter.0).collect();
        levels.reverse();
        levels.join("/")
    }

    /// The first level of a filter, from the place where it ends; `None` when it is a wildcard.
    #[must_use]
    pub fn first_level(&self, filter: FilterId) -> Option<&str> {
        let first = self.tree.path_up(filter.0).last();
        first.filter(|&level| level != ANY_ONE && level != REST)
    }

    /// Removes a node that nobody needs any more, and those above that then nobody needs.
    fn prune(&mut self, mut node: Id) {
        while self.is_vacant(node)
            && let Some(parent) = self.tree.remove_leaf(node)
        {
            if let Some(above) = self.tree.value_mut(parent) {
                above.any_one = above.any_one.filter(|&child| child != node);
                above.rest = above.rest.filter(|&child| child != node);
            }
            node = parent;
        }
    }

    /// Whether nobody is subscribed here. That nothing hangs from the node, the tree itself makes sure of.
    fn is_vacant(&self, node: Id) -> bool {
        let here = self.tree.value(node);
        here.is_some_and(|here| here.subscribers.as_slice().is_empty())
    }
}

/// A level as a text in the tree.
const fn text(level: FilterLevel<'_>) -> &str {
    match level {
        FilterLevel::Exactly(text) => text,
        FilterLevel::AnyOne => ANY_ONE,
        FilterLevel::Rest => REST,
    }
}

#[cfg(test)]
mod tests;
