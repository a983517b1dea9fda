//! From a name to its client, and from a mask to its clients.
use std::hash::BuildHasher;

use elbus_proto::{ClientName, MaskPart, NameMask};
use hashbrown::HashTable;

use super::{
    Handle,
    label::Label,
    slab::Id,
    sort_and_merge,
    tree::{ROOT, Tree},
};
use crate::hash::RandomState;

/// The table of names is never made smaller than this.
const FEWEST_NAMES: usize = 64;

/// The names of all clients.
///
/// Finding one client is what nearly every message needs, so whole names have a table of their own, which holds the
/// handle as well. Masks walk a tree of the names' parts.
///
/// ```
/// use std::sync::Arc;
/// use elbus_broker::index::{Handle, NameIndex};
/// use elbus_proto::{ClientName, NameMask};
///
/// #[derive(Clone)]
/// struct Client(Arc<u64>);
/// impl Handle for Client {
///     fn id(&self) -> u64 {
///         *self.0
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut index = NameIndex::new();
/// assert!(index.insert(ClientName::parse(b"plant.boiler", Default::default())?, Client(Arc::new(1))));
/// assert!(index.get("plant.boiler").is_some());
///
/// let mut found = Vec::new();
/// index.matches(NameMask::parse(b"plant.*", Default::default())?, &mut found);
/// assert_eq!(found.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NameIndex<S: Handle> {
    entries: HashTable<Entry<S>>,
    /// At the end of each name, its client.
    parts: Tree<Option<S>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Entry<S> {
    name: Label,
    /// The name's end in the tree.
    node: Id,
    client: S,
}

impl<S: Handle> Default for NameIndex<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Handle> NameIndex<S> {
    /// An index without names.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: HashTable::new(),
            parts: Tree::new(),
            hasher: RandomState::default(),
        }
    }

    /// Number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of nodes in use; 0 when there is no name.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.parts.len()
    }

    /// Every client, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.entries.iter().map(|entry| &entry.client)
    }

    /// Gives a name to a client; `false`, and no change, when the name is taken.
    ///
    /// # Panics
    /// When the index would need more than 2^32 nodes, over 250 GB.
    pub fn insert(&mut self, name: ClientName<'_>, client: S) -> bool {
        if self.get(name.as_str()).is_some() {
            return false;
        }
        let mut node = ROOT;
        for part in name.parts() {
            node = self.parts.child_or_insert(node, part);
        }
        if let Some(end) = self.parts.value_mut(node) {
            *end = Some(client.clone());
        }
        let entry = Entry {
            name: Label::from(name.as_str()),
            node,
            client,
        };
        let hasher = &self.hasher;
        self.entries
            .insert_unique(hasher.hash_one(name.as_str()), entry, |entry| entry.hash(hasher));
        true
    }

    /// Takes a name back, if it belongs to the client with this id.
    pub fn remove(&mut self, name: ClientName<'_>, id: u64) -> Option<S> {
        let hash = self.hasher.hash_one(name.as_str());
        let is_it = |entry: &Entry<S>| entry.is(name.as_str()) && entry.client.id() == id;
        let found = self.entries.find_entry(hash, is_it).ok()?;
        let (Entry { node, client, .. }, _) = found.remove();
        if let Some(end) = self.parts.value_mut(node) {
            *end = None;
        }
        self.prune(node);
        self.shrink_entries();
        Some(client)
    }

    /// The client with exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&S> {
        let found = self
            .entries
            .find(self.hasher.hash_one(name), |entry| entry.is(name));
        found.map(|entry| &entry.client)
    }

    /// Appends every client whose name the mask stands for. What `found` held already is merged in: all of it comes
    /// out sorted by id, each client once.
    pub fn matches(&self, mask: NameMask<'_>, found: &mut Vec<S>) {
        let client = |node: Id| self.parts.value(node).and_then(Option::as_ref).cloned();
        let mut reached = vec![ROOT];
        for part in mask.parts() {
            reached = match part {
                MaskPart::Exactly(text) => {
                    reached.retain_mut(|node| match self.parts.child(*node, text) {
                        Some(child) => {
                            *node = child;
                            true
                        }
                        None => false,
                    });
                    reached
                }
                MaskPart::AnyOne => reached
                    .iter()
                    .flat_map(|&node| self.parts.children(node))
                    .collect(),
                MaskPart::Rest => {
                    let below = reached.iter().flat_map(|&node| self.parts.below(node));
                    found.extend(below.filter_map(client));
                    Vec::new()
                }
            };
        }
        found.extend(reached.into_iter().filter_map(client));
        sort_and_merge(found);
    }

    /// Removes a node that no name needs any more, and those above that then no name needs.
    fn prune(&mut self, mut node: Id) {
        while matches!(self.parts.value(node), Some(None))
            && let Some(parent) = self.parts.remove_leaf(node)
        {
            node = parent;
        }
    }

    /// Gives memory back at a quarter full, to half full, so that each entry is moved a constant number of times.
    fn shrink_entries(&mut self) {
        let wanted = (self.entries.len() * 2).max(FEWEST_NAMES);
        if self.entries.capacity() > wanted * 2 {
            let hasher = &self.hasher;
            self.entries.shrink_to(wanted, |entry| entry.hash(hasher));
        }
    }
}

impl<S> Entry<S> {
    fn is(&self, name: &str) -> bool {
        self.name.as_bytes() == name.as_bytes()
    }

    /// Hashes the name as `hash_one` hashes a `str`.
    fn hash(&self, hasher: &RandomState) -> u64 {
        hasher.hash_one(self.name.as_str())
    }
}

#[cfg(test)]
mod tests;
