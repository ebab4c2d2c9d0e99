//! Who was given which object first: at most three principals for each.

use std::ops::Range;

/// Principals that are remembered of an object. What more than three read is shared, and belongs to nobody in particular.
pub(super) const OWNERS: usize = 3;

/// Objects in a bucket, of which the one that was not read for longest makes room.
pub(super) const WAYS: usize = 8;

/// Days for which an object that an owner came back to stays as long as there are others.
const KEPT: u16 = 21;

/// Objects in a part at most. A part grows by itself, so that one exchange copies 48 KiB at most, not the whole table.
const PART: usize = 4_096;

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
    /// Bit by bit, the owners that read it on another day again.
    pub(super) returned: u8,
}

/// The principals that were given an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) all: [Who; OWNERS],
    /// Whether each read it on another day again.
    pub(super) returned: [bool; OWNERS],
}

impl Owners {
    /// Those whose object it is, without those left out: all who came back to it on another day, or else the first who
    /// was given it. Whoever looked at it once says nothing, so that one thief does not vouch for what the next one reads.
    pub(super) fn decide(self, mut is_left_out: impl FnMut(Who) -> bool) -> [Who; OWNERS] {
        let mut left = self.all.map(|owner| if owner != 0 && is_left_out(owner) { 0 } else { owner });
        if left.iter().zip(self.returned).any(|(owner, returned)| *owner != 0 && returned) {
            left.iter_mut()
                .zip(self.returned)
                .filter(|(_, returned)| !returned)
                .for_each(|(owner, _)| *owner = 0);
            return left;
        }
        [left.into_iter().find(|owner| *owner != 0).unwrap_or_default(), 0, 0]
    }
}

/// What an object is to a principal that was given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody had it before.
    First,
    /// The principal is one of its owners.
    Own,
    /// Only others had it before.
    Foreign(Owners),
    /// Everybody's.
    Shared,
}

/// The table. Its parts grow up to the capacity; beyond, what was not read for longest is forgotten. Buckets fill unequally:
/// at a quarter of the capacity about one object in ten thousand has been forgotten, at half one in a hundred.
#[derive(Debug)]
pub(super) struct Objects {
    /// Their sizes are zero, or powers of two from [`WAYS`] on.
    parts: Vec<Vec<Slot>>,
    /// Slots of a part at most.
    most: usize,
    pub(super) entries: usize,
    pub(super) evicted: u64,
}

impl Objects {
    /// Room for this many, rounded up to a power of two.
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(WAYS).next_power_of_two();
        let parts = vec![Vec::new(); (most / PART).max(1)];
        Self { parts, most: most.min(PART), entries: 0, evicted: 0 }
    }

    pub(super) const fn capacity(&self) -> usize {
        self.parts.len().saturating_mul(self.most)
    }

    /// An object is given to a principal, which becomes one of its owners if `is_owner`. Without one it is public.
    pub(super) fn note(&mut self, object: u64, who: Option<Who>, day: u16, is_owner: bool) -> Seen {
        let object = object.max(1);
        if let Some(slot) = self.find(object) {
            let is_later = day > slot.day;
            slot.day = day;
            return slot.read(who, is_owner, is_later);
        }
        if !is_owner && who.is_some() {
            // Nobody's, as far as is known: whoever may read all of them owns none.
            return Seen::First;
        }
        let owners = [who.unwrap_or_default(), 0, 0];
        let fresh = Slot { object, owners, day, is_shared: who.is_none(), returned: 0 };
        self.put(fresh);
        if who.is_none() { Seen::Shared } else { Seen::First }
    }

    /// Who owns an object that a principal was refused.
    pub(super) fn look(&mut self, object: u64) -> Option<[Who; OWNERS]> {
        let slot = self.find(object.max(1))?;
        (!slot.is_shared).then_some(slot.owners)
    }

    /// Whether somebody was given an object.
    #[inline]
    pub(super) fn is_there(&self, object: u64) -> bool {
        let object = object.max(1);
        let part = self.index(object).and_then(|index| self.parts.get(index));
        let bucket = part.and_then(|part| part.get(range(part.len(), object)?));
        bucket.is_some_and(|bucket| bucket.iter().any(|slot| slot.object == object))
    }

    /// A part of the table, with slots that are free.
    pub(super) fn part_at(&self, index: usize) -> Option<&[Slot]> {
        self.parts.get(index).map(Vec::as_slice)
    }

    /// Takes one that is not in the table. Its part grows until the bucket has room, or the part is at its largest.
    pub(super) fn put(&mut self, slot: Slot) {
        let most = self.most;
        let Some(part) = self.part(slot.object) else { return };
        while part.len() < most && bucket(part, slot.object).is_none_or(|bucket| is_full(bucket)) {
            grow(part);
        }
        let Some(before) = place(part, slot) else { return };
        if before.object == 0 {
            self.entries = self.entries.saturating_add(1);
        } else {
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    fn find(&mut self, object: u64) -> Option<&mut Slot> {
        bucket(self.part(object)?, object)?.iter_mut().find(|slot| slot.object == object)
    }

    fn part(&mut self, object: u64) -> Option<&mut Vec<Slot>> {
        let index = self.index(object)?;
        self.parts.get_mut(index)
    }

    /// The part of an object, by the lower half of its hash.
    fn index(&self, object: u64) -> Option<usize> {
        let lower = usize::try_from(object & u64::from(u32::MAX)).unwrap_or_default();
        // Of a power of two.
        Some(lower & self.parts.len().checked_sub(1)?)
    }
}

/// The bucket of an object; none in a part that is empty.
fn bucket(part: &mut [Slot], object: u64) -> Option<&mut [Slot]> {
    part.get_mut(range(part.len(), object)?)
}

/// Where that is in a part of some length, by the upper half of the object's hash.
fn range(length: usize, object: u64) -> Option<Range<usize>> {
    let upper = usize::try_from(object >> 32).unwrap_or_default();
    // Of a power of two, or none.
    let start = (upper & (length / WAYS).checked_sub(1)?).saturating_mul(WAYS);
    Some(start..start.saturating_add(WAYS))
}

fn is_full(bucket: &[Slot]) -> bool {
    bucket.iter().all(|slot| slot.object != 0)
}

/// Doubles a part. Objects of one bucket come into two, so that none is lost.
fn grow(part: &mut Vec<Slot>) {
    let size = part.len().saturating_mul(2).max(WAYS);
    let old = std::mem::replace(part, vec![Slot::default(); size]);
    for slot in old.into_iter().filter(|slot| slot.object != 0) {
        place(part, slot);
    }
}

/// Puts an object into its bucket, and returns what was in its place: nothing, or what was not read for longest, of those
/// that no owner came back to if there are any.
fn place(part: &mut [Slot], slot: Slot) -> Option<Slot> {
    let bucket = bucket(part, slot.object)?;
    let free = bucket.iter().position(|known| known.object == 0);
    let rank = |place: &usize| bucket.get(*place).map(|known| (known.is_kept(slot.day), known.day));
    let place = free.or_else(|| (0..bucket.len()).min_by_key(rank))?;
    Some(std::mem::replace(bucket.get_mut(place)?, slot))
}

impl Slot {
    /// Whether it stays as long as there are others: an owner came back to it, and somebody read it within some weeks.
    /// Anybody may read many objects once, where a server gives something for any number.
    const fn is_kept(&self, today: u16) -> bool {
        self.returned != 0 && today.saturating_sub(self.day) <= KEPT
    }

    /// It is read, for the first time on a day if `is_later`.
    fn read(&mut self, who: Option<Who>, is_owner: bool, is_later: bool) -> Seen {
        let Some(who) = who else {
            self.is_shared = true;
            return Seen::Shared;
        };
        if let Some(place) = self.owners.iter().position(|owner| *owner == who) {
            self.returned |= u8::from(is_later) << place;
            return Seen::Own;
        }
        if self.is_shared {
            return Seen::Shared;
        }
        let before = self.owners();
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

    fn owners(&self) -> Owners {
        let has_returned = |place: u8| self.returned & (1 << place) != 0;
        Owners { all: self.owners, returned: [has_returned(0), has_returned(1), has_returned(2)] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::BuildHasher as _;

    use foldhash::quality::FixedState;
    use proptest::prelude::*;

    use super::*;

    fn foreign(all: [Who; OWNERS]) -> Seen {
        Seen::Foreign(Owners { all, ..Owners::default() })
    }

    #[test]
    fn who_came_back_decides_and_else_the_first() {
        let none = |_| false;
        for (all, returned, expected) in [
            ([1, 2, 3], [false; 3], [1, 0, 0]),
            ([1, 2, 3], [false, true, false], [0, 2, 0]),
            ([1, 2, 0], [true, true, false], [1, 2, 0]),
        ] {
            assert_eq!(Owners { all, returned }.decide(none), expected, "{all:?} {returned:?}");
        }
        // Whoever reads everything by trade does not count, whether it came back or not.
        let owners = Owners { all: [1, 2, 3], returned: [true, false, false] };
        assert_eq!(owners.decide(|owner| owner == 1), [2, 0, 0]);
        assert_eq!(owners.decide(|_| true), [0; 3]);
    }

    #[test]
    fn owners_come_back_on_another_day() {
        let mut objects = Objects::new(64);
        objects.note(9, Some(1), 3, true);
        objects.note(9, Some(1), 3, true);
        objects.note(9, Some(2), 4, true);
        let Seen::Foreign(owners) = objects.note(9, Some(3), 4, false) else { panic!("it is others'") };
        assert_eq!((owners.all, owners.returned), ([1, 2, 0], [false; 3]));
        objects.note(9, Some(1), 5, true);
        let Seen::Foreign(owners) = objects.note(9, Some(3), 5, false) else { panic!("it is others'") };
        assert_eq!(owners.returned, [true, false, false]);
    }

    #[test]
    fn the_first_three_own_an_object_and_the_fourth_shares_it() {
        let mut objects = Objects::new(64);
        assert_eq!(objects.note(9, Some(1), 0, true), Seen::First);
        assert_eq!(objects.note(9, Some(1), 0, true), Seen::Own);
        assert_eq!(objects.note(9, Some(2), 0, true), foreign([1, 0, 0]));
        assert_eq!(objects.note(9, Some(7), 0, false), foreign([1, 2, 0]));
        assert_eq!(objects.note(9, Some(3), 0, true), foreign([1, 2, 0]));
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

    #[test]
    fn little_is_forgotten_before_the_table_is_half_full() {
        let hasher = FixedState::with_seed(7);
        let mut objects = Objects::new(65_536);
        let hashes: Vec<u64> = (0..32_768_u32).map(|number| hasher.hash_one(number)).collect();
        let mut steps = Vec::new();
        for (number, hash) in hashes.iter().enumerate() {
            let before: Vec<usize> = objects.parts.iter().map(Vec::len).collect();
            objects.note(*hash, Some(1), 0, true);
            let grown = objects.parts.iter().zip(before).filter(|(part, before)| part.len() != *before);
            steps.push(grown.count());
            assert!(number != 16_383 || objects.evicted <= 16, "{} at a quarter", objects.evicted);
        }
        assert!(objects.evicted <= 655, "{} at half", objects.evicted);
        let kept = hashes.iter().filter(|hash| objects.look(**hash).is_some()).count();
        assert_eq!((kept, u64::try_from(kept).unwrap() + objects.evicted), (objects.entries, 32_768));
        // Only one part is copied at a time, and none is larger than the bound.
        assert!(steps.iter().all(|parts| *parts <= 1));
        assert!(objects.parts.iter().all(|part| part.len() <= PART));
        assert_eq!(objects.capacity(), 65_536);
    }

    #[test]
    fn objects_of_one_bucket_grow_one_part_to_its_bound_and_no_further() {
        let mut objects = Objects::new(1 << 20);
        for number in 0..100_u64 {
            objects.note((number << 52) | 5, Some(1), 0, true);
        }
        let slots: usize = objects.parts.iter().map(Vec::len).sum();
        assert_eq!((slots, objects.entries, objects.evicted), (PART, WAYS, 92));
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
                        foreign(before)
                    };
                    prop_assert_eq!(seen, expected);
                }
                if !owners.contains(&who) {
                    owners.push(who);
                }
                if let Seen::Foreign(others) = seen {
                    prop_assert!(others.all.iter().all(|other| *other == 0 || owners.contains(other)));
                }
                prop_assert!(objects.entries <= objects.capacity());
            }
        }
    }
}
