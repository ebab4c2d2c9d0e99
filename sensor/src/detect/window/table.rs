//! A table of bounded size that evicts the least recently used entry.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::RawEntryMut;

use super::Moment;
use crate::detect::Usage;

/// The table. An entry that has not been used for its lifetime counts as absent: evicting it loses nothing.
pub(crate) struct Table<K, V> {
    map: LinkedHashMap<K, (Moment, V), foldhash::quality::RandomState>,
    capacity: usize,
    lifetime: Duration,
    evicted: u64,
}

/// Entries by which a walk finds its place again, of which some may have been used meanwhile.
const MARKS: usize = 64;

/// How far a walk over a table has come.
pub(crate) struct Walk<K> {
    /// The entries that were shown last; none before the first.
    last: Vec<(K, Moment)>,
}

impl<K> Default for Walk<K> {
    fn default() -> Self {
        Self { last: Vec::new() }
    }
}

impl<K: Eq + Hash, V> Table<K, V> {
    /// An empty one, for at least one entry.
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { map: LinkedHashMap::default(), capacity: capacity.max(1), lifetime, evicted: 0 }
    }

    /// The entry of a key, which is used now.
    pub(crate) fn get<Q>(&mut self, key: &Q, now: Moment) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        match self.map.raw_entry_mut().from_key(key) {
            RawEntryMut::Occupied(mut entry) => {
                if now.since(entry.get().0) > self.lifetime {
                    entry.remove();
                    return None;
                }
                entry.to_back();
                let (used, value) = entry.into_mut();
                *used = now;
                Some(value)
            }
            RawEntryMut::Vacant(_) => None,
        }
    }

    /// The entry of a key, which is used now; a new one if there is none.
    pub(crate) fn entry(&mut self, key: K, now: Moment, new: impl FnOnce() -> V) -> &mut V {
        if self.map.len() >= self.capacity && !self.map.contains_key(&key) {
            self.forget(now);
        }
        match self.map.raw_entry_mut().from_key(&key) {
            RawEntryMut::Occupied(mut entry) => {
                entry.to_back();
                let (used, value) = entry.into_mut();
                if now.since(*used) > self.lifetime {
                    *value = new();
                }
                *used = now;
                value
            }
            RawEntryMut::Vacant(entry) => &mut entry.insert(key, (now, new())).1.1,
        }
    }

    /// Reads an entry without using it; absent if its lifetime is over.
    pub(crate) fn peek<Q>(&self, key: &Q, now: Moment) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.peek_used(key, now).map(|(_, value)| value)
    }

    /// The same, with when it was used.
    pub(crate) fn peek_used<Q>(&self, key: &Q, now: Moment) -> Option<(Moment, &V)>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let (used, value) = self.map.get(key)?;
        (now.since(*used) <= self.lifetime).then_some((*used, value))
    }

    /// All entries, that which was used least recently first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter().map(|(key, (_, value))| (key, value))
    }

    /// Shows the next entries of a walk over all of them, `most` at most; whether these were the last ones. That does not
    /// count as use. What is used while the walk goes on is shown after all others, perhaps for the second time.
    pub(crate) fn walk(
        &mut self,
        walk: &mut Walk<K>,
        most: usize,
        mut show: impl FnMut(&K, Moment, &V),
    ) -> bool
    where
        K: Copy,
    {
        // Whoever was used meanwhile is at the end, and no longer where the walk was.
        let stays = |(key, used): &&(K, Moment)| self.map.get(key).is_some_and(|(now, _)| now == used);
        let last = walk.last.iter().rev().find(stays).map(|(key, _)| *key);
        let mut cursor = match last {
            Some(last) => match self.map.raw_entry_mut().from_key(&last) {
                RawEntryMut::Occupied(entry) => entry.cursor_mut(),
                RawEntryMut::Vacant(_) => return true,
            },
            None if walk.last.is_empty() => self.map.cursor_front_mut(),
            // None of them is left: the walk is lost, and ends.
            None => return true,
        };
        if last.is_some() {
            cursor.move_next();
        }
        walk.last.clear();
        for left in (0..most).rev() {
            let Some((key, (used, value))) = cursor.current() else { return true };
            show(key, *used, value);
            if left < MARKS {
                walk.last.push((*key, *used));
            }
            cursor.move_next();
        }
        false
    }

    /// The same, mutable; that does not count as use.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.map.iter_mut().map(|(key, (_, value))| (key, value))
    }

    /// Its bounds.
    pub(crate) fn usage(&self) -> Usage {
        Usage { entries: self.map.len(), capacity: self.capacity, evicted: self.evicted }
    }

    fn forget(&mut self, now: Moment) {
        let oldest = self.map.pop_front();
        if oldest.is_some_and(|(_, (used, _))| now.since(used) <= self.lifetime) {
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a model that records when each key was last used.
        #[test]
        fn it_forgets_the_least_recently_used(uses in prop::collection::vec((0_u8..20, 0_u64..400), 1..300)) {
            let mut table = Table::new(8, Duration::from_millis(1_000));
            let mut model: BTreeMap<u8, (usize, u64, u32)> = BTreeMap::new();
            let (mut now, mut evicted) = (0, 0);
            for (turn, (key, step)) in uses.into_iter().enumerate() {
                now += step;
                if !model.contains_key(&key) && model.len() == 8 {
                    let oldest = *model.iter().min_by_key(|(_, (turn, _, _))| *turn).unwrap().0;
                    let (_, used, _) = model.remove(&oldest).unwrap();
                    evicted += u64::from(now - used <= 1_000);
                }
                let known = model.entry(key).or_insert((turn, now, 0));
                let count = if now - known.1 > 1_000 { 1 } else { known.2 + 1 };
                *known = (turn, now, count);
                let value = table.entry(key, Moment::from_millis(now), || 0_u32);
                *value += 1;
                prop_assert_eq!(*value, count);
                let usage = table.usage();
                prop_assert_eq!((usage.entries, usage.capacity, usage.evicted), (model.len(), 8, evicted));
            }
        }

        /// Whatever is used between the pieces: fewer uses than a walk has marks for.
        #[test]
        fn a_walk_shows_all(keys in 200_u32..900, most in 70_usize..300, uses in prop::collection::vec(0_u32..900, 0..400)) {
            let mut table = Table::new(1_000, Duration::from_secs(1_000));
            (0..keys).for_each(|key| *table.entry(key, Moment::from_millis(u64::from(key)), || 0) = key);
            let (mut walk, mut shown) = (Walk::default(), BTreeMap::new());
            let (mut now, mut uses) = (1_000, uses.into_iter());
            loop {
                let before: usize = shown.values().sum();
                let is_over = table.walk(&mut walk, most, |key, _, value| {
                    assert_eq!(key, value);
                    *shown.entry(*key).or_default() += 1_usize;
                });
                prop_assert!(shown.values().sum::<usize>() <= before + most);
                if is_over {
                    break;
                }
                for key in uses.by_ref().take(40) {
                    now += 1;
                    if key < keys {
                        table.get(&key, Moment::from_millis(now));
                    }
                }
            }
            prop_assert_eq!(shown.len(), usize::try_from(keys).unwrap());
        }
    }
}
