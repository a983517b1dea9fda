//! Who is meant: from a topic to its subscribers, from a name or a mask to its clients.
//!
//! ```text
//!  topics.rs  TopicIndex    filters as paths in a tree; at their ends, sets of subscribers
//!  names.rs   NameIndex     a hash table of whole names, and a tree of their parts for masks
//!      |
//!  tree.rs    Tree          nodes with texts, one hash table for all edges, linked siblings
//!  slab.rs    Slab          nodes in pages, by four-byte id
//!  label.rs   Label         the text of a node
//!  set.rs     HandleSet     the handles at a node, by id
//! ```
//!
//! Both indexes are plain data without locks: whoever owns one decides how it is shared.
//!
//! # What it costs
//! Nothing here recurses, and no answer depends on how much else is in an index.
//!
//! | call | time | memory beside the answer |
//! | --- | --- | --- |
//! | [`TopicIndex::insert`], `remove` | levels of the filter, and moving what is behind it in the set of one node | – |
//! | [`TopicIndex::matches`] | nodes reached, and sorting the subscribers found there | 100 bytes a level, only where `+` and a text both lead on |
//! | [`NameIndex::get`] | one hash lookup | – |
//! | [`NameIndex::insert`], `remove` | parts of the name | – |
//! | [`NameIndex::matches`] | nodes reached, and sorting the clients found there | 8 bytes for each group that `?` leads to |
//!
//! A node is *reached* by a topic when the levels from the root to it match the topic's first levels. At each of
//! the topic's levels a node reached leads to two more at most (its text, and `+`), so that a topic of `n` levels
//! reaches at most 2^n nodes, and never more than there are. Those who subscribe can make a topic reach many nodes
//! without a hit, but only by paying for each of these nodes with levels of filters of their own: what bounds
//! subscriptions (the quota of a client, and the depth of a filter) bounds this. Likewise, a mask of `?` parts reaches each
//! group that deep once.
//!
//! A subscription takes one node (72 bytes, 10 to 21 in the edge table) for each level that no other filter shares,
//! and 8 bytes in a set if it is not the only one there. Texts of more than 22 bytes are allocated apart. What was
//! removed is given back: nodes by the page, sets and tables as they shrink.
mod label;
mod names;
mod set;
mod slab;
mod topics;
mod tree;

pub use names::NameIndex;
pub use topics::{FilterId, TopicIndex};

/// What an index stores for a client: a cheap handle with an id that orders and identifies it.
///
/// Ids that rise with the order in which clients come make insertion cheapest: sets are kept sorted by id.
pub trait Handle: Clone {
    /// Identifies the client; two handles with the same id are the same client.
    fn id(&self) -> u64;
}

/// Sorts handles by id and leaves each client in once.
///
/// What was found is a row of sorted sets, or of groups in the order their clients came: a stable sort merges such
/// runs instead of starting over.
fn sort_and_merge<S: Handle>(found: &mut Vec<S>) {
    found.sort_by_key(Handle::id);
    found.dedup_by_key(|handle| handle.id());
}
