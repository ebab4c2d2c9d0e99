//! Where entries are, by the hashes of their keys: open addressing with linear probing in one array of words.
//!
//! A word holds half of the hash and the place, so that a look-up costs one cache line before the entry's own, and growth
//! reads no key. Removal shifts back what follows (Knuth, The Art of Computer Programming, volume 3, section 6.4,
//! algorithm R): no marks of what is gone are left that would slow down later look-ups.

/// Words of the smallest array.
const SMALLEST: usize = 8;

/// The half of the hash that is kept above the place; its lower bits are where the word belongs.
const TAG: u64 = 0xffff_ffff_0000_0000;

/// Free.
const FREE: u64 = 0;

/// Places of entries, at most 2^32 - 1 of them.
#[derive(Default)]
pub(super) struct Index {
    /// As many as a power of two, or none; at most three in four are in use.
    words: Vec<u64>,
    used: usize,
}

impl Index {
    /// The place of an entry with this hash of which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.words.len().checked_sub(1)?;
        let mut at = home(hash);
        loop {
            let word = *self.words.get(at & mask)?;
            if word == FREE {
                return None;
            }
            let place = place_of(word);
            if (word ^ hash) & TAG == 0 && is(place) {
                return Some(place);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Adds an entry that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, place: usize) {
        if self.used.saturating_add(1).saturating_mul(4) > self.words.len().saturating_mul(3) {
            self.grow();
        }
        let Some(number) = u64::try_from(place).ok().and_then(|place| place.checked_add(1)) else { return };
        if number & TAG != 0 {
            return;
        }
        put(&mut self.words, (hash & TAG) | number);
        self.used = self.used.saturating_add(1);
    }

    /// Removes an entry.
    pub(super) fn remove(&mut self, hash: u64, place: usize) {
        let Some(mut hole) = self.slot(hash, place) else { return };
        let Some(mask) = self.words.len().checked_sub(1) else { return };
        self.used = self.used.saturating_sub(1);
        let mut at = hole;
        loop {
            at = at.wrapping_add(1) & mask;
            let word = self.words.get(at).copied().unwrap_or(FREE);
            if word == FREE {
                break;
            }
            // It may go back as far as to where it belongs.
            let from_home = at.wrapping_sub(home(word)) & mask;
            if from_home >= (at.wrapping_sub(hole) & mask) {
                self.set(hole, word);
                hole = at;
            }
        }
        self.set(hole, FREE);
    }

    /// An entry has moved.
    pub(super) fn moved(&mut self, hash: u64, from: usize, to: usize) {
        let (Some(slot), Some(number)) = (self.slot(hash, from), to.checked_add(1)) else { return };
        self.set(slot, (hash & TAG) | u64::try_from(number).unwrap_or_default());
    }

    fn set(&mut self, slot: usize, word: u64) {
        if let Some(place) = self.words.get_mut(slot) {
            *place = word;
        }
    }

    fn slot(&self, hash: u64, place: usize) -> Option<usize> {
        let mask = self.words.len().checked_sub(1)?;
        let mut at = home(hash) & mask;
        loop {
            let word = *self.words.get(at)?;
            if word == FREE {
                return None;
            }
            if (word ^ hash) & TAG == 0 && place_of(word) == place {
                return Some(at);
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.words.len().saturating_mul(2).max(SMALLEST);
        let old = std::mem::replace(&mut self.words, vec![FREE; size]);
        old.into_iter().filter(|word| *word != FREE).for_each(|word| put(&mut self.words, word));
    }
}

/// Where a word belongs, before it is cut to the size of the array.
#[inline]
fn home(hash: u64) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default()
}

#[inline]
fn place_of(word: u64) -> usize {
    usize::try_from((word & !TAG).wrapping_sub(1)).unwrap_or(usize::MAX)
}

/// Into the next free place. There is one: the array is never full.
fn put(words: &mut [u64], word: u64) {
    let Some(mask) = words.len().checked_sub(1) else { return };
    let mut at = home(word) & mask;
    loop {
        match words.get_mut(at) {
            Some(free) if *free == FREE => {
                *free = word;
                return;
            }
            Some(_) => at = at.wrapping_add(1) & mask,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever their hashes: few different ones, so that tags are alike and runs of words are long.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0_u8..4, 0_usize..60, 0_u64..8, 0_u64..4), 1..400)) {
            let mut index = Index::default();
            let mut model: HashMap<usize, u64> = HashMap::new();
            for (step, place, low, high) in steps {
                // Those that belong to the last words of an array, so that runs go on at its start.
                let hash = (0xffff_fff8 + low) << 32 | high;
                match (step, model.get(&place).copied()) {
                    (0 | 1, None) => {
                        index.insert(hash, place);
                        model.insert(place, hash);
                    }
                    (2, Some(known)) => {
                        index.remove(known, place);
                        model.remove(&place);
                    }
                    (3, Some(known)) if !model.contains_key(&(place + 100)) => {
                        index.moved(known, place, place + 100);
                        model.remove(&place);
                        model.insert(place + 100, known);
                    }
                    _ => {}
                }
                prop_assert_eq!(index.used, model.len());
                prop_assert!(index.used * 4 <= index.words.len() * 3);
                for (place, hash) in &model {
                    prop_assert_eq!(index.find(*hash, |at| at == *place), Some(*place));
                    prop_assert_eq!(index.find(*hash, |_| false), None);
                }
                prop_assert_eq!(index.find(hash, |at| !model.contains_key(&at)), None);
            }
        }
    }
}
