//! The handles at a node of the topic index, sorted by id.
use super::Handle;

/// Most filters have one subscriber, which lies in the node itself.
#[derive(Debug, Default)]
pub(super) enum HandleSet<S> {
    #[default]
    None,
    One(S),
    Many(Vec<S>),
}

impl<S: Handle> HandleSet<S> {
    pub(super) fn as_slice(&self) -> &[S] {
        match self {
            Self::None => &[],
            Self::One(handle) => std::slice::from_ref(handle),
            Self::Many(handles) => handles,
        }
    }

    /// Whether the handle is new here.
    pub(super) fn insert(&mut self, handle: &S) -> bool {
        let Err(place) = self.search(handle.id()) else {
            return false;
        };
        *self = match std::mem::take(self) {
            Self::None => Self::One(handle.clone()),
            Self::One(first) => {
                let mut both = Vec::with_capacity(2);
                both.push(first);
                both.insert(place, handle.clone());
                Self::Many(both)
            }
            Self::Many(mut handles) => {
                handles.insert(place, handle.clone());
                Self::Many(handles)
            }
        };
        true
    }

    /// Whether the handle was here.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let Ok(place) = self.search(id) else { return false };
        *self = match std::mem::take(self) {
            Self::Many(mut handles) => {
                handles.remove(place);
                match handles.len() {
                    0 => Self::None,
                    1 => handles.pop().map_or(Self::None, Self::One),
                    len => {
                        // At a quarter full, to half full, so that each handle moves a constant number of times.
                        if len <= handles.capacity() / 4 {
                            handles.shrink_to(len * 2);
                        }
                        Self::Many(handles)
                    }
                }
            }
            Self::None | Self::One(_) => Self::None,
        };
        true
    }

    /// The place of an id, or where it would go. The end is looked at first: new clients have the highest ids.
    fn search(&self, id: u64) -> Result<usize, usize> {
        let handles = self.as_slice();
        match handles.last() {
            Some(last) if last.id() < id => Err(handles.len()),
            _ => handles.binary_search_by_key(&id, Handle::id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Handle for u64 {
        fn id(&self) -> u64 {
            *self
        }
    }

    impl Handle for std::sync::Arc<u64> {
        fn id(&self) -> u64 {
            **self
        }
    }

    #[test]
    fn a_set_stays_sorted_and_holds_each_once() {
        let mut set = HandleSet::default();
        for (id, is_new) in [(5, true), (3, true), (9, true), (5, false), (7, true)] {
            assert_eq!(set.insert(&id), is_new);
        }
        assert_eq!(set.as_slice(), [3, 5, 7, 9]);
        for (id, was_there) in [(4, false), (5, true), (5, false), (9, true), (3, true)] {
            assert_eq!(set.remove(id), was_there);
        }
        assert!(matches!(set, HandleSet::One(7)));
        assert!(set.remove(7));
        assert!(matches!(set, HandleSet::None));
    }

    #[test]
    fn a_set_gives_its_memory_back() {
        let mut set = HandleSet::default();
        for id in 0..10_000 {
            set.insert(&id);
        }
        for id in 2..10_000 {
            set.remove(id);
        }
        assert!(matches!(&set, HandleSet::Many(handles) if handles.capacity() <= 8));
    }

    #[test]
    fn a_set_is_as_small_as_a_vec() {
        assert_eq!(size_of::<HandleSet<std::sync::Arc<u64>>>(), size_of::<Vec<u64>>());
    }
}
