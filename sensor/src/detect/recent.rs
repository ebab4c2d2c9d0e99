//! Small bounded helpers of the detectors that track single clients: a table, and a counter of distinct values.

use std::hash::Hash;
use std::time::Duration;

use ahash::RandomState;

use super::Usage;
use crate::clock::Timestamp;
use index::Index;

mod few;
mod index;

pub(super) use few::Sparse;

/// Entries examined to find one to evict if the table is full.
const CANDIDATES: usize = 8;

struct Entry<K, V> {
    key: K,
    seen: Timestamp,
    value: V,
}

/// What was seen recently, by key. If it is full, the longest unseen of the next few entries is evicted: near enough to
/// the oldest, at a cost independent of the table's size.
///
/// The order of the hash table never shows: entries are stored in the order of arrival.
pub(super) struct Recent<K, V> {
    index: Index,
    hasher: RandomState,
    entries: Vec<Entry<K, V>>,
    capacity: usize,
    keep: Duration,
    hand: usize,
    visited: usize,
    evicted: u64,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// Room for `capacity` entries, each kept until it was not seen for `keep`. Anyone who knows the seed can make
    /// different values look the same.
    pub(super) fn new(capacity: u32, keep: Duration, seed: u64) -> Self {
        Self {
            index: Index::default(),
            hasher: RandomState::with_seeds(seed, !seed, seed.rotate_left(21), seed.rotate_left(43)),
            entries: Vec::new(),
            capacity: usize::try_from(capacity).unwrap_or(usize::MAX).max(1),
            keep,
            hand: 0,
            visited: 0,
            evicted: 0,
        }
    }

    /// The hash that the table uses for a key.
    #[inline]
    pub(super) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The hash of another key, with the table's seeds.
    #[inline]
    pub(super) fn hash_of_key(&self, key: &impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The hash of something else, with the table's seeds.
    #[inline]
    pub(super) fn hash_of(&self, value: &[u8]) -> u64 {
        self.hasher.hash_one(value)
    }

    /// The entry of a key, if it exists and is not too old. `hash` is the result of [`Self::hash`].
    #[inline]
    pub(super) fn get(&mut self, hash: u64, key: &K, now: Timestamp) -> Option<&mut V> {
        let at = self.find(hash, key)?;
        let keep = self.keep;
        let entry = self.entries.get_mut(at)?;
        if is_old(entry.seen, now, keep) {
            return None;
        }
        entry.seen = now;
        Some(&mut entry.value)
    }

    /// Whether there is an entry of a key, however old. Where many are asked for one after the other, the processor waits
    /// for all of them at once.
    #[inline]
    pub(super) fn is_there(&self, key: &K) -> bool {
        self.find(self.hash(key), key).is_some()
    }

    /// The entry of a key; a new one, made by `make`, if there is none or it is too old.
    #[inline]
    pub(super) fn touch(&mut self, key: K, now: Timestamp, make: impl FnOnce() -> V) -> Option<&mut V> {
        self.touch_beside(key, now, make, |_| 0)
    }

    /// The same where entries differ in worth: one of less worth makes room first, however lately it was seen. What
    /// anybody can have made in masses is worth nothing, so that whoever floods the table evicts what he made.
    #[inline]
    pub(super) fn touch_beside(
        &mut self,
        key: K,
        now: Timestamp,
        make: impl FnOnce() -> V,
        worth: impl Fn(&V) -> u32,
    ) -> Option<&mut V> {
        self.touch_telling(key, now, make, worth, |_, _| {})
    }

    /// The same, telling which entry was replaced, if one was: an older one of the same key, or one that made room.
    #[inline]
    pub(super) fn touch_telling(
        &mut self,
        key: K,
        now: Timestamp,
        make: impl FnOnce() -> V,
        worth: impl Fn(&V) -> u32,
        gone: impl FnOnce(K, V),
    ) -> Option<&mut V> {
        let hash = self.hash(&key);
        let (at, found) = match self.find(hash, &key) {
            Some(at) => (at, true),
            None => (self.place(hash, now, worth), false),
        };
        let keep = self.keep;
        if !found && at == self.entries.len() {
            self.entries.push(Entry { key, seen: now, value: make() });
            return self.entries.get_mut(at).map(|entry| &mut entry.value);
        }
        let entry = self.entries.get_mut(at)?;
        if !found || is_old(entry.seen, now, keep) {
            gone(entry.key, std::mem::replace(&mut entry.value, make()));
        }
        (entry.key, entry.seen) = (key, now);
        Some(&mut entry.value)
    }

    #[inline]
    fn find(&self, hash: u64, key: &K) -> Option<usize> {
        self.index.find(hash, |at| self.entries.get(at).is_some_and(|entry| entry.key == *key))
    }

    /// Where a new key goes: after the last one, or in place of an evicted one.
    fn place(&mut self, hash: u64, now: Timestamp, worth: impl Fn(&V) -> u32) -> usize {
        let at = if self.entries.len() < self.capacity { self.entries.len() } else { self.free(now, worth) };
        self.index.insert(hash, at);
        at
    }

    fn free(&mut self, now: Timestamp, worth: impl Fn(&V) -> u32) -> usize {
        let (length, keep) = (self.entries.len(), self.keep);
        let candidates =
            (0..CANDIDATES).map(|step| self.hand.wrapping_add(step).checked_rem(length).unwrap_or_default());
        let rank = |at: &usize| {
            let entry = self.entries.get(*at)?;
            let worth = if is_old(entry.seen, now, keep) { 0 } else { worth(&entry.value) };
            Some((worth, entry.seen))
        };
        let at = candidates.min_by_key(rank).unwrap_or_default();
        self.hand = self.hand.wrapping_add(CANDIDATES);
        if let Some(entry) = self.entries.get(at) {
            self.evicted = self.evicted.saturating_add(u64::from(!is_old(entry.seen, now, self.keep)));
            self.index.remove(self.hasher.hash_one(entry.key), at);
        }
        at
    }

    /// Removes expired entries among the next `limit`, and returns them.
    pub(super) fn sweep(&mut self, now: Timestamp, limit: usize, mut gone: impl FnMut(&K, V)) {
        for _ in 0..limit.min(self.entries.len()) {
            let at = self.hand.checked_rem(self.entries.len()).unwrap_or_default();
            self.hand = at.saturating_add(1);
            if self.entries.get(at).is_some_and(|entry| is_old(entry.seen, now, self.keep)) {
                self.hand = at;
                if let Some(entry) = self.take(at) {
                    gone(&entry.key, entry.value);
                }
            }
        }
    }

    fn take(&mut self, at: usize) -> Option<Entry<K, V>> {
        let last = self.entries.len().checked_sub(1)?;
        self.index.remove(self.hasher.hash_one(self.entries.get(at)?.key), at);
        if at != last {
            self.index.moved(self.hasher.hash_one(self.entries.get(last)?.key), last, at);
        }
        Some(self.entries.swap_remove(at))
    }

    /// Forgets a key.
    pub(super) fn remove(&mut self, key: &K) {
        let hash = self.hash(key);
        if let Some(at) = self.find(hash, key) {
            self.take(at);
        }
    }

    /// As [`Self::get`], without marking the entry as seen.
    pub(super) fn peek(&mut self, hash: u64, key: &K) -> Option<&mut V> {
        let at = self.find(hash, key)?;
        self.entries.get_mut(at).map(|entry| &mut entry.value)
    }

    /// Shows the next `limit` entries, each about once a round, without marking them as seen.
    pub(super) fn visit(&mut self, limit: usize, mut visit: impl FnMut(&K, &mut V)) {
        for _ in 0..limit.min(self.entries.len()) {
            let at = self.visited.checked_rem(self.entries.len()).unwrap_or_default();
            self.visited = at.saturating_add(1);
            if let Some(entry) = self.entries.get_mut(at) {
                visit(&entry.key, &mut entry.value);
            }
        }
    }

    /// All entries, including expired ones, in the order of storage.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// The entries before the place `end`, `most` of them at most, in the order of storage: to read a table piece by piece,
    /// from its end. Entries that others make room for move towards the start, so that each which stays is met at least
    /// once.
    pub(super) fn before(&self, end: usize, most: usize) -> impl ExactSizeIterator<Item = (&K, &V)> {
        let end = end.min(self.entries.len());
        let piece = self.entries.get(end.saturating_sub(most)..end).unwrap_or_default();
        piece.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// As [`Self::iter`], with the time at which each was last seen.
    pub(super) fn iter_seen(&self) -> impl Iterator<Item = (&K, Timestamp, &V)> {
        self.entries.iter().map(|entry| (&entry.key, entry.seen, &entry.value))
    }

    /// As [`Self::iter`], to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|entry| (&entry.key, &mut entry.value))
    }

    /// Whether nothing is remembered.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Its bounds.
    pub(super) fn usage(&self) -> Usage {
        Usage { entries: self.entries.len(), capacity: self.capacity, evicted: self.evicted }
    }
}

/// Whether something seen then has expired now. So has something seen long after now: the clock was set back.
fn is_old(seen: Timestamp, now: Timestamp, keep: Duration) -> bool {
    now.since(seen) > keep || seen.since(now) > keep
}

/// An estimate of the number of distinct values: linear counting (Whang, Vander-Zanden and Taylor, 1990). With 16
/// words, its standard error is 3% at 1,000 values and 4% at 3,000; it never exceeds 1,024 ln 1,024 = 7,098.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distinct<const WORDS: usize> {
    bits: [u64; WORDS],
    ones: u32,
}

impl<const WORDS: usize> Distinct<WORDS> {
    pub(super) const NONE: Self = Self { bits: [0; WORDS], ones: 0 };

    /// Adds a value by its hash; returns whether it is certainly new.
    #[inline]
    pub(super) fn note(&mut self, hash: u64) -> bool {
        let (word, bit) = (usize::try_from(hash >> 6).unwrap_or_default(), hash & 63);
        let Some(word) = self.bits.get_mut(word.checked_rem(WORDS).unwrap_or_default()) else { return false };
        let is_new = *word & (1 << bit) == 0;
        *word |= 1 << bit;
        self.ones = self.ones.saturating_add(u32::from(is_new));
        is_new
    }

    /// For a file.
    pub(super) const fn bits(&self) -> &[u64; WORDS] {
        &self.bits
    }

    /// From a file.
    pub(super) fn of_bits(bits: [u64; WORDS]) -> Self {
        let ones = bits.iter().fold(0_u32, |ones, word| ones.saturating_add(word.count_ones()));
        Self { bits, ones }
    }

    /// A lower bound of the number of values.
    #[inline]
    pub(super) const fn at_least(&self) -> u32 {
        self.ones
    }

    /// The estimated number of values.
    pub(super) fn estimate(&self) -> u32 {
        let all = u32::try_from(WORDS.saturating_mul(64)).unwrap_or(u32::MAX);
        linear_count(all, self.ones)
    }
}

#[expect(clippy::float_arithmetic, reason = "the estimate is a logarithm")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most all ln all, not negative"
)]
fn linear_count(all: u32, ones: u32) -> u32 {
    let zeros = all.saturating_sub(ones).max(1);
    (f64::from(all) * (f64::from(all) / f64::from(zeros)).ln()).round() as u32
}

/// A share between 0 and 1.
#[expect(clippy::float_arithmetic, reason = "shares are for people and thresholds in percent")]
pub(super) fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 { 0.0 } else { f64::from(part) / f64::from(whole) }
}

#[cfg(test)]
mod tests;
