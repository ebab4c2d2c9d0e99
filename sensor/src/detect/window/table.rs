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

    /// The same, with when they were used.
    pub(crate) fn iter_used(&self) -> impl Iterator<Item = (&K, Moment, &V)> {
        self.map.iter().map(|(key, (used, value))| (key, *used, value))
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
    }
}
