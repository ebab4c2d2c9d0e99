//! Who was given which object first: at most three principals for each.

/// Principals that are remembered of an object. What more than three read is shared, and belongs to nobody in particular.
pub(super) const OWNERS: usize = 3;

/// Objects in a bucket, of which the one that was not read for longest makes room.
pub(super) const WAYS: usize = 8;

/// Buckets of an empty table.
const FIRST: usize = 64;

/// A principal: the start of its hash. Two of a hundred thousand have the same in one installation of two.
pub(crate) type Who = u32;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    /// The hash of template and object; zero where the slot is free.
    pub(super) object: u64,
    /// In the order in which they came; zero where there is none.
    pub(super) owners: [Who; OWNERS],
    /// The last day on which it was read.
    pub(super) day: u16,
    pub(super) is_shared: bool,
}

/// What an object is to a principal that was given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody had it before.
    First,
    /// The principal is one of its owners.
    Own,
    /// Only others had it before.
    Foreign([Who; OWNERS]),
    /// Everybody's.
    Shared,
}

/// The table. It grows up to its capacity; beyond, what was not read for longest is forgotten.
#[derive(Debug)]
pub(super) struct Objects {
    slots: Vec<Slot>,
    most: usize,
    pub(super) entries: usize,
    pub(super) evicted: u64,
}

impl Objects {
    /// Room for this many, rounded up to a power of two.
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(WAYS).next_power_of_two();
        let first = FIRST.saturating_mul(WAYS).min(most);
        Self { slots: vec![Slot::default(); first], most, entries: 0, evicted: 0 }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.most
    }

    /// An object is given to a principal, which becomes one of its owners if `is_owner`. Without one it is public.
    pub(super) fn note(&mut self, object: u64, who: Option<Who>, day: u16, is_owner: bool) -> Seen {
        let object = object.max(1);
        let Some(bucket) = self.bucket(object) else { return Seen::Shared };
        if let Some(slot) = bucket.iter_mut().find(|slot| slot.object == object) {
            slot.day = day;
            return slot.read(who, is_owner);
        }
        if !is_owner && who.is_some() {
            // Nobody's, as far as is known: whoever may read all of them owns none.
            return Seen::First;
        }
        let owners = [who.unwrap_or_default(), 0, 0];
        let fresh = Slot { object, owners, day, is_shared: who.is_none() };
        self.put(fresh);
        if who.is_none() { Seen::Shared } else { Seen::First }
    }

    /// Who owns an object that a principal was refused.
    pub(super) fn look(&mut self, object: u64) -> Option<[Who; OWNERS]> {
        let object = object.max(1);
        let slot = self.bucket(object)?.iter().find(|slot| slot.object == object)?;
        (!slot.is_shared).then_some(slot.owners)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.object != 0)
    }

    /// Takes one that is not in the table. The table grows when a bucket is full, unless most others are not.
    pub(super) fn put(&mut self, slot: Slot) {
        while self.slots.len() < self.most
            && self.entries >= self.slots.len() / 4
            && self.bucket(slot.object).is_some_and(|bucket| bucket.iter().all(|slot| slot.object != 0))
        {
            self.grow();
        }
        self.place(slot);
    }

    fn place(&mut self, slot: Slot) {
        let Some(bucket) = self.bucket(slot.object) else { return };
        let Some(place) = bucket.iter_mut().min_by_key(|slot| (slot.object != 0, slot.day)) else { return };
        if std::mem::replace(place, slot).object == 0 {
            self.entries = self.entries.saturating_add(1);
        } else {
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len().saturating_mul(2).min(self.most);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        self.entries = 0;
        old.into_iter().filter(|slot| slot.object != 0).for_each(|slot| self.place(slot));
    }

    fn bucket(&mut self, object: u64) -> Option<&mut [Slot]> {
        let buckets = self.slots.len() / WAYS;
        let index = usize::try_from(object >> 32).unwrap_or_default().checked_rem(buckets)?;
        let start = index.saturating_mul(WAYS);
        self.slots.get_mut(start..start.saturating_add(WAYS))
    }
}

impl Slot {
    fn read(&mut self, who: Option<Who>, is_owner: bool) -> Seen {
        let Some(who) = who else {
            self.is_shared = true;
            return Seen::Shared;
        };
        if self.owners.contains(&who) {
            return Seen::Own;
        }
        if self.is_shared {
            return Seen::Shared;
        }
        let before = self.owners;
        if is_owner {
            match self.owners.iter_mut().find(|owner| **owner == 0) {
                Some(owner) => *owner = who,
                None => {
                    self.is_shared = true;
                    return Seen::Shared;
                }
            }
        }
        Seen::Foreign(before)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_three_own_an_object_and_the_fourth_shares_it() {
        let mut objects = Objects::new(64);
        assert_eq!(objects.note(9, Some(1), 0, true), Seen::First);
        assert_eq!(objects.note(9, Some(1), 0, true), Seen::Own);
        assert_eq!(objects.note(9, Some(2), 0, true), Seen::Foreign([1, 0, 0]));
        assert_eq!(objects.note(9, Some(7), 0, false), Seen::Foreign([1, 2, 0]));
        assert_eq!(objects.note(9, Some(3), 0, true), Seen::Foreign([1, 2, 0]));
        assert_eq!(objects.look(9), Some([1, 2, 3]));
        assert_eq!(objects.note(9, Some(4), 0, true), Seen::Shared);
        assert_eq!(objects.note(9, Some(2), 0, true), Seen::Own);
        assert_eq!(objects.look(9), None);
    }

    #[test]
    fn what_is_given_to_anybody_is_everybodys() {
        let mut objects = Objects::new(64);
        assert_eq!(objects.note(9, Some(1), 0, true), Seen::First);
        assert_eq!(objects.note(9, None, 0, true), Seen::Shared);
        assert_eq!(objects.note(9, Some(2), 0, true), Seen::Shared);
    }

    proptest! {
        /// As long as there is room, it is a map; beyond, it forgets, and never mixes objects up.
        #[test]
        fn it_is_a_map_that_forgets(steps in prop::collection::vec((1_u64..3_000, 1_u32..6), 1..2_000), small: bool) {
            let spread = |object: u64| object.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut objects = Objects::new(if small { 64 } else { 65_536 });
            let mut model: HashMap<u64, Vec<Who>> = HashMap::new();
            for (object, who) in steps {
                let owners = model.entry(object).or_default();
                let seen = objects.note(spread(object), Some(who), 0, true);
                if !small {
                    let expected = if owners.is_empty() {
                        Seen::First
                    } else if owners.iter().take(3).any(|owner| *owner == who) {
                        Seen::Own
                    } else if owners.len() >= 3 {
                        Seen::Shared
                    } else {
                        let mut before = [0; OWNERS];
                        before.iter_mut().zip(owners.iter()).for_each(|(slot, owner)| *slot = *owner);
                        Seen::Foreign(before)
                    };
                    prop_assert_eq!(seen, expected);
                }
                if !owners.contains(&who) {
                    owners.push(who);
                }
                if let Seen::Foreign(others) = seen {
                    prop_assert!(others.iter().all(|other| *other == 0 || owners.contains(other)));
                }
                prop_assert!(objects.entries <= objects.capacity());
            }
        }
    }
}
