//! Storage for nodes of one size, addressed by four-byte ids, that gives memory back page by page.
//!
//! One growing `Vec` would do with less code, but it copies everything when it grows, while the whole bus waits for
//! the index, and it never shrinks as long as its last slot is taken.
use std::{collections::BTreeSet, num::NonZeroU32};

/// Slots in a page. A page is allocated whole, except for the first one, which grows like any `Vec`: most brokers
/// never need another.
const PAGE: usize = 1024;

/// Where a value lies. Never zero, so that a link that leads nowhere costs no extra bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(NonZeroU32);

impl Id {
    /// The place of the first value put into an empty slab.
    pub(super) const FIRST: Self = Self(NonZeroU32::MIN);

    fn new(page: usize, slot: usize) -> Option<Self> {
        let place = page.checked_mul(PAGE)?.checked_add(slot)?.checked_add(1)?;
        u32::try_from(place).ok().and_then(NonZeroU32::new).map(Self)
    }

    fn page_and_slot(self) -> (usize, usize) {
        let place = self.0.get() as usize - 1;
        (place / PAGE, place % PAGE)
    }
}

/// Values of one type with stable ids.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pages: Vec<Page<T>>,
    /// Pages that have memory and room. The lowest is filled first, so that the higher ones run empty.
    open: BTreeSet<usize>,
    /// Pages whose memory was given back.
    gone: Vec<usize>,
    len: usize,
}

#[derive(Debug)]
struct Page<T> {
    slots: Vec<Slot<T>>,
    /// The first of a chain of free slots.
    free: Option<u16>,
    taken: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Taken(T),
    Free { next: Option<u16> },
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            pages: Vec::new(),
            open: BTreeSet::new(),
            gone: Vec::new(),
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let (page, slot) = id.page_and_slot();
        match self.pages.get(page)?.slots.get(slot)? {
            Slot::Taken(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (page, slot) = id.page_and_slot();
        match self.pages.get_mut(page)?.slots.get_mut(slot)? {
            Slot::Taken(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Puts a value in.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 values. They would take over 250 GB: memory runs out before ids do.
    pub(super) fn insert(&mut self, value: T) -> Id {
        let number = self.open_page();
        let page = &mut self.pages[number];
        let slot = page.put(value);
        if page.taken == PAGE {
            self.open.remove(&number);
        }
        self.len += 1;
        let Some(id) = Id::new(number, slot) else {
            panic!("an index holds at most {} nodes", u32::MAX);
        };
        id
    }

    /// A page with room.
    fn open_page(&mut self) -> usize {
        if let Some(&number) = self.open.first() {
            return number;
        }
        let number = self.gone.pop().unwrap_or(self.pages.len());
        if number == self.pages.len() {
            self.pages.push(Page::without_memory());
        }
        if number > 0 {
            self.pages[number].slots.reserve_exact(PAGE);
        }
        self.open.insert(number);
        number
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let (number, slot) = id.page_and_slot();
        let page = self.pages.get_mut(number)?;
        let value = page.take(slot)?;
        let ran_empty = page.taken == 0;
        self.len -= 1;
        self.open.insert(number);
        // One empty page is kept while no other has room: a client that comes and goes at the edge of a page
        // must not cost an allocation each time.
        if ran_empty && self.open.len() > 1 {
            self.pages[number] = Page::without_memory();
            self.open.remove(&number);
            self.gone.push(number);
        }
        Some(value)
    }

    /// Pages that have memory.
    #[cfg(test)]
    fn pages(&self) -> usize {
        self.pages.len() - self.gone.len()
    }
}

impl<T> Page<T> {
    const fn without_memory() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            taken: 0,
        }
    }

    /// Puts a value into a page that has room.
    fn put(&mut self, value: T) -> usize {
        self.taken += 1;
        if let Some(free) = self.free {
            let slot = usize::from(free);
            if let Slot::Free { next } = self.slots[slot] {
                self.free = next;
            }
            self.slots[slot] = Slot::Taken(value);
            return slot;
        }
        self.slots.push(Slot::Taken(value));
        self.slots.len() - 1
    }

    fn take(&mut self, slot: usize) -> Option<T> {
        let place = self.slots.get_mut(slot)?;
        if matches!(place, Slot::Free { .. }) {
            return None;
        }
        let next = self.free;
        let taken = std::mem::replace(place, Slot::Free { next });
        self.free = u16::try_from(slot).ok();
        self.taken -= 1;
        match taken {
            Slot::Taken(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::label::Label, *};

    #[test]
    fn ids_stay_valid_while_others_come_and_go() {
        let mut slab = Slab::new();
        let ids: Vec<Id> = (0..5 * PAGE).map(|n| slab.insert(n)).collect();
        for id in ids.iter().step_by(2) {
            assert!(slab.remove(*id).is_some());
            assert!(slab.remove(*id).is_none());
        }
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(slab.get(*id).copied(), (n % 2 == 1).then_some(n));
        }
        assert_eq!(slab.len(), 5 * PAGE / 2);
    }

    #[test]
    fn pages_that_run_empty_are_given_back_and_used_again() {
        let mut slab = Slab::new();
        assert_eq!(slab.insert(0), Id::FIRST);
        let ids: Vec<Id> = (0..5 * PAGE).map(|n| slab.insert(n)).collect();
        assert_eq!(slab.pages(), 6);
        for id in ids {
            slab.remove(id);
        }
        assert_eq!((slab.pages(), slab.len()), (1, 1));
        for n in 0..5 * PAGE {
            slab.insert(n);
        }
        assert_eq!((slab.pages(), slab.pages.len()), (6, 6));
    }

    #[test]
    fn a_value_that_comes_and_goes_at_the_edge_of_a_page_keeps_it() {
        let mut slab = Slab::new();
        for n in 0..PAGE {
            slab.insert(n);
        }
        let edge = slab.insert(0);
        slab.remove(edge);
        assert_eq!(slab.pages(), 2);
        assert_eq!(slab.insert(0), edge);
    }

    #[test]
    fn a_link_is_four_bytes_and_a_free_slot_costs_no_tag() {
        assert_eq!(size_of::<Option<Id>>(), 4);
        assert_eq!(size_of::<Slot<Label>>(), size_of::<Label>());
    }
}
