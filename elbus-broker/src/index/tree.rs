//! A tree of texts: what topic filters and client names have in common.
//!
//! All edges lie in one hash table, keyed by parent and text, so that a node costs no table of its own and going
//! one level down is one lookup however many siblings there are. Siblings are also linked in the order they came,
//! for masks and for walking a subtree without a stack.
use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::{
    label::Label,
    slab::{Id, Slab},
};
use crate::hash::RandomState;

/// The node of every tree that all others hang from.
pub(super) const ROOT: Id = Id::FIRST;

/// The edge table is never made smaller than this.
const FEWEST_EDGES: usize = 64;

#[derive(Debug)]
pub(super) struct Tree<V> {
    nodes: Slab<Node<V>>,
    edges: HashTable<Edge>,
    /// Seeded anew for every tree, so that nobody can choose texts that collide.
    hasher: RandomState,
}

#[derive(Debug)]
struct Node<V> {
    /// `None` for the root alone.
    parent: Option<Id>,
    first_child: Option<Id>,
    next: Option<Id>,
    /// The sibling before; of the first one, the last: appending needs it.
    previous: Id,
    text: Label,
    value: V,
}

/// Keeps the hash, so that growing the table reads the table alone and not a million nodes.
#[derive(Debug)]
struct Edge {
    hash: u32,
    child: Id,
}

impl Edge {
    /// The hash in the form the table wants: the low bits choose the bucket, the highest are its tag.
    const fn spread(hash: u32) -> u64 {
        (hash as u64) << 32 | hash as u64
    }
}

impl<V: Default> Tree<V> {
    pub(super) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node {
            parent: None,
            first_child: None,
            next: None,
            previous: ROOT,
            text: Label::from(""),
            value: V::default(),
        });
        Self {
            nodes,
            edges: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// Number of nodes besides the root.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    pub(super) fn value(&self, node: Id) -> Option<&V> {
        self.nodes.get(node).map(|node| &node.value)
    }

    pub(super) fn value_mut(&mut self, node: Id) -> Option<&mut V> {
        self.nodes.get_mut(node).map(|node| &mut node.value)
    }

    pub(super) fn child(&self, parent: Id, text: &str) -> Option<Id> {
        let hash = self.hash(parent, text);
        let is_it = |edge: &Edge| edge.hash == hash && self.is_child(edge.child, parent, text);
        self.edges.find(Edge::spread(hash), is_it).map(|edge| edge.child)
    }

    /// The child with this text, made if it is not there. `parent` must be a node of the tree.
    pub(super) fn child_or_insert(&mut self, parent: Id, text: &str) -> Id {
        if let Some(child) = self.child(parent, text) {
            return child;
        }
        let child = self.nodes.insert(Node {
            parent: Some(parent),
            first_child: None,
            next: None,
            previous: parent,
            text: Label::from(text),
            value: V::default(),
        });
        self.link(parent, child);
        let hash = self.hash(parent, text);
        self.edges
            .insert_unique(Edge::spread(hash), Edge { hash, child }, |edge| {
                Edge::spread(edge.hash)
            });
        child
    }

    pub(super) fn has_children(&self, node: Id) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.first_child.is_some())
    }

    /// The children, in the order they came.
    pub(super) fn children(&self, parent: Id) -> impl Iterator<Item = Id> {
        let first = self.nodes.get(parent).and_then(|node| node.first_child);
        std::iter::successors(first, |&child| self.nodes.get(child).and_then(|node| node.next))
    }

    /// Every node below `top`, without `top`, parents before their children.
    ///
    /// Follows the links up and down: neither a stack nor an allocation, however deep the tree.
    pub(super) fn below(&self, top: Id) -> impl Iterator<Item = Id> {
        let first = self.nodes.get(top).and_then(|node| node.first_child);
        std::iter::successors(first, move |&last| {
            let mut node = self.nodes.get(last)?;
            if node.first_child.is_some() {
                return node.first_child;
            }
            while node.next.is_none() {
                let parent = node.parent.filter(|&parent| parent != top)?;
                node = self.nodes.get(parent)?;
            }
            node.next
        })
    }

    /// The texts from a node up to the root, which has none.
    pub(super) fn path_up(&self, node: Id) -> impl Iterator<Item = &str> {
        let up = |node: &&Node<V>| node.parent.and_then(|parent| self.nodes.get(parent));
        std::iter::successors(self.nodes.get(node), up)
            .filter(|node| node.parent.is_some())
            .map(|node| node.text.as_str())
    }

    /// Removes a node without children and answers its parent; `None`, and no change, for the root, for a node
    /// with children and for one that is not there.
    pub(super) fn remove_leaf(&mut self, leaf: Id) -> Option<Id> {
        let node = self.nodes.get(leaf).filter(|node| node.first_child.is_none())?;
        let parent = node.parent?;
        let hash = self.hash(parent, node.text.as_str());
        if let Ok(edge) = self
            .edges
            .find_entry(Edge::spread(hash), |edge| edge.child == leaf)
        {
            edge.remove();
        }
        self.unlink(parent, leaf);
        self.nodes.remove(leaf);
        self.shrink_edges();
        Some(parent)
    }

    fn hash(&self, parent: Id, text: &str) -> u32 {
        let hash = self.hasher.hash_one((parent, text));
        (hash ^ hash >> 32) as u32
    }

    fn is_child(&self, child: Id, parent: Id, text: &str) -> bool {
        self.nodes
            .get(child)
            .is_some_and(|node| node.parent == Some(parent) && node.text.as_bytes() == text.as_bytes())
    }

    /// Appends a child to its siblings.
    fn link(&mut self, parent: Id, child: Id) {
        let Some(above) = self.nodes.get_mut(parent) else {
            return;
        };
        let first = *above.first_child.get_or_insert(child);
        let last = match self.nodes.get_mut(first) {
            Some(node) if first != child => std::mem::replace(&mut node.previous, child),
            _ => child,
        };
        if let Some(node) = self.nodes.get_mut(child) {
            node.previous = last;
        }
        if last != child
            && let Some(node) = self.nodes.get_mut(last)
        {
            node.next = Some(child);
        }
    }

    fn unlink(&mut self, parent: Id, child: Id) {
        let Some(node) = self.nodes.get(child) else { return };
        let (previous, next) = (node.previous, node.next);
        let Some(above) = self.nodes.get_mut(parent) else {
            return;
        };
        let first = if above.first_child == Some(child) {
            above.first_child = next;
            next
        } else {
            let first = above.first_child;
            if let Some(node) = self.nodes.get_mut(previous) {
                node.next = next;
            }
            first
        };
        // Whoever follows, or the first one if this was the last, now has this one's predecessor.
        if let Some(node) = next.or(first).and_then(|id| self.nodes.get_mut(id)) {
            node.previous = previous;
        }
    }

    /// Gives memory back at a quarter full, to half full, so that each edge is moved a constant number of times.
    fn shrink_edges(&mut self) {
        let wanted = (self.edges.len() * 2).max(FEWEST_EDGES);
        if self.edges.capacity() > wanted * 2 {
            self.edges.shrink_to(wanted, |edge| Edge::spread(edge.hash));
        }
    }

    /// Edges there is room for.
    #[cfg(test)]
    pub(super) fn edge_capacity(&self) -> usize {
        self.edges.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(tree: &Tree<()>, ids: impl Iterator<Item = Id>) -> Vec<&str> {
        ids.filter_map(|id| tree.path_up(id).next()).collect()
    }

    #[test]
    fn children_are_listed_in_the_order_they_came_whichever_leave() {
        for left in 0..8_u32 {
            let mut tree = Tree::<()>::new();
            let ids = ["a", "b", "c"].map(|text| tree.child_or_insert(ROOT, text));
            let stays = |n: &usize| left & 1 << n == 0;
            for (n, id) in ids.into_iter().enumerate() {
                if !stays(&n) {
                    assert_eq!(tree.remove_leaf(id), Some(ROOT));
                }
            }
            tree.child_or_insert(ROOT, "d");
            let mut expected: Vec<_> = (0..3).filter(stays).map(|n| ["a", "b", "c"][n]).collect();
            expected.push("d");
            assert_eq!(texts(&tree, tree.children(ROOT)), expected, "{left:03b}");
        }
    }

    #[test]
    fn a_subtree_is_walked_to_its_end_and_not_beyond() {
        let mut tree = Tree::<()>::new();
        let top = tree.child_or_insert(ROOT, "top");
        tree.child_or_insert(ROOT, "beside");
        let a = tree.child_or_insert(top, "a");
        tree.child_or_insert(a, "aa");
        tree.child_or_insert(top, "b");
        let c = tree.child_or_insert(top, "c");
        tree.child_or_insert(c, "ca");
        assert_eq!(texts(&tree, tree.below(top)), ["a", "aa", "b", "c", "ca"]);
        assert_eq!(tree.below(c).count(), 1);
        assert_eq!(tree.below(ROOT).count(), 7);
    }

    #[test]
    fn only_leaves_can_be_removed() {
        let mut tree = Tree::<()>::new();
        let a = tree.child_or_insert(ROOT, "a");
        let b = tree.child_or_insert(a, "b");
        assert_eq!(tree.remove_leaf(ROOT), None);
        assert_eq!(tree.remove_leaf(a), None);
        assert_eq!(tree.remove_leaf(b), Some(a));
        assert_eq!(tree.remove_leaf(b), None);
        assert_eq!(tree.remove_leaf(a), Some(ROOT));
        assert_eq!(tree.len(), 0);
    }

    #[test]
    fn the_edge_table_shrinks_as_nodes_leave() {
        let mut tree = Tree::<()>::new();
        let ids: Vec<Id> = (0..10_000)
            .map(|n| tree.child_or_insert(ROOT, &n.to_string()))
            .collect();
        assert!(tree.edge_capacity() >= 10_000);
        for id in ids {
            tree.remove_leaf(id);
        }
        assert!(tree.edge_capacity() <= 4 * FEWEST_EDGES);
    }
}
