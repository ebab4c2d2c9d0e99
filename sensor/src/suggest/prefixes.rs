//! Finds which of many prefixes covers an address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

/// Prefixes with values; a look-up costs one search per length that occurs.
#[derive(Clone, Debug)]
pub struct PrefixMap<T> {
    entries: BTreeMap<IpNet, T>,
    /// Lengths that occur, separately for IPv4.
    lengths: BTreeSet<(bool, u8)>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> PrefixMap<T> {
    /// Adds a prefix, or replaces its value.
    pub fn insert(&mut self, prefix: IpNet, value: T) {
        self.lengths.insert((prefix.addr().is_ipv4(), prefix.prefix_len()));
        self.entries.insert(prefix.trunc(), value);
    }

    /// Keeps those whose value satisfies the predicate.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.entries.retain(|_, value| keep(value));
        self.lengths =
            self.entries.keys().map(|prefix| (prefix.addr().is_ipv4(), prefix.prefix_len())).collect();
    }

    /// Removes one with the least value.
    pub fn remove_least(&mut self)
    where
        T: Ord,
    {
        let least = self.entries.iter().min_by(|one, other| one.1.cmp(other.1)).map(|(prefix, _)| *prefix);
        // Its length may stay: it costs a needless search.
        least.map(|prefix| self.entries.remove(&prefix));
    }

    /// Prefixes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The longest one that covers an address.
    #[must_use]
    pub fn longest(&self, address: IpAddr) -> Option<(IpNet, &T)> {
        let is_v4 = address.is_ipv4();
        let lengths = self.lengths.range((is_v4, 0)..=(is_v4, u8::MAX)).rev();
        lengths.filter_map(|(_, length)| IpNet::new(address, *length).ok()).find_map(|prefix| {
            let prefix = prefix.trunc();
            Some((prefix, self.entries.get(&prefix)?))
        })
    }
}

impl<T> FromIterator<(IpNet, T)> for PrefixMap<T> {
    fn from_iter<I: IntoIterator<Item = (IpNet, T)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(prefix, value)| map.insert(prefix, value));
        map
    }
}
