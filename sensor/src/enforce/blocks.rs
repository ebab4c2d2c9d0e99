//! Blocked prefixes with their expiry, and the form that the kernel's longest-prefix match needs.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::clock::Timestamp;

/// When a block expires; absent means never.
pub(super) type Until = Option<Timestamp>;

/// The later of two.
pub(super) fn later(one: Until, other: Until) -> Until {
    Some(one?.max(other?))
}

/// Blocks by prefix, with an index by expiry and one by prefix length.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    by_prefix: BTreeMap<IpNet, Until>,
    by_expiry: BTreeSet<(Timestamp, IpNet)>,
    by_length: BTreeMap<(bool, u8), usize>,
}

impl Blocks {
    pub(super) fn len(&self) -> usize {
        self.by_prefix.len()
    }

    /// How many blocks have the prefix's family.
    pub(super) fn of_family(&self, prefix: &IpNet) -> usize {
        let is_v4 = prefix.addr().is_ipv4();
        let counts = self.by_length.iter().filter(|((v4, _), _)| *v4 == is_v4);
        counts.fold(0, |sum: usize, (_, count)| sum.saturating_add(*count))
    }

    pub(super) fn insert(&mut self, prefix: IpNet, until: Until) {
        self.remove(&prefix);
        self.by_prefix.insert(prefix, until);
        self.by_expiry.extend(until.map(|until| (until, prefix)));
        let count = self.by_length.entry(length_of(&prefix)).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn remove(&mut self, prefix: &IpNet) {
        let Some(until) = self.by_prefix.remove(prefix) else { return };
        if let Some(until) = until {
            self.by_expiry.remove(&(until, *prefix));
        }
        let key = length_of(prefix);
        if let Some(count) = self.by_length.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_length.remove(&key);
            }
        }
    }

    /// Blocks that have ended at `now`.
    pub(super) fn ended(&self, now: Timestamp) -> Vec<IpNet> {
        self.by_expiry.iter().take_while(|(until, _)| *until <= now).map(|(_, prefix)| *prefix).collect()
    }

    /// Whether exactly this prefix is blocked.
    pub(super) fn contains(&self, prefix: &IpNet) -> bool {
        self.by_prefix.contains_key(prefix)
    }

    /// When the last of the blocks that cover a prefix expires; nothing if there is no such block.
    pub(super) fn latest_covering(&self, prefix: &IpNet) -> Option<Until> {
        self.covering(prefix).map(|(_, until)| until).reduce(later)
    }

    /// Blocks that cover a prefix, itself included, the shortest first.
    pub(super) fn covering<'a>(&'a self, prefix: &'a IpNet) -> impl Iterator<Item = (IpNet, Until)> + 'a {
        let (is_v4, own) = length_of(prefix);
        self.by_length.keys().filter(move |(v4, length)| *v4 == is_v4 && *length <= own).filter_map(
            move |(_, length)| {
                let network = IpNet::new(prefix.network(), *length).ok()?.trunc();
                self.by_prefix.get(&network).map(|until| (network, *until))
            },
        )
    }

    /// Blocks within a prefix, itself included.
    pub(super) fn within<'a>(&'a self, prefix: &IpNet) -> impl Iterator<Item = IpNet> + 'a {
        let prefix = *prefix;
        self.by_prefix
            .range(prefix..)
            .map(|(found, _)| *found)
            .take_while(move |found| prefix.contains(found))
    }

    pub(super) fn prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.by_prefix.keys().copied()
    }
}

impl FromIterator<(IpNet, Until)> for Blocks {
    fn from_iter<I: IntoIterator<Item = (IpNet, Until)>>(blocks: I) -> Self {
        let mut index = Self::default();
        for (prefix, until) in blocks {
            index.insert(prefix, until);
        }
        index
    }
}

fn length_of(prefix: &IpNet) -> (bool, u8) {
    (prefix.addr().is_ipv4(), prefix.prefix_len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Until {
        Some(Timestamp::from_unix_micros(seconds * 1_000_000))
    }

    proptest! {
        /// Whatever the blocks, an address is blocked in the kernel (longest match on effective expiries) exactly as
        /// long as one block that covers it is in force.
        #[test]
        fn longest_match_sees_the_last_expiry(
            blocks in prop::collection::vec((0_u32..64, 26_u8..=32, prop::option::of(1_u64..20)), 0..12),
            address in 0_u32..64,
            now in 1_u64..20,
        ) {
            let prefix = |bits: u32, length| IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc();
            let mut index = Blocks::default();
            for (bits, length, until) in &blocks {
                index.insert(prefix(*bits, *length), until.and_then(at));
            }
            let host = prefix(address, 32);
            let now = at(now).unwrap();
            let stands = |until: Until| until.is_none_or(|until| now < until);
            let expected = index.by_prefix.iter().any(|(block, until)| block.contains(&host) && stands(*until));
            let longest = index.covering(&host).last();
            let kernel = longest.is_some_and(|(block, _)| index.latest_covering(&block).is_some_and(stands));
            prop_assert_eq!(kernel, expected);
        }

        #[test]
        fn indexes_agree_after_changes(
            changes in prop::collection::vec((0_u32..8, 29_u8..=32, prop::option::of(1_u64..9), any::<bool>()), 0..40),
        ) {
            let mut index = Blocks::default();
            for (bits, length, until, insert) in changes {
                let prefix = IpNet::new(std::net::Ipv4Addr::from_bits(bits).into(), length).unwrap().trunc();
                if insert { index.insert(prefix, until.and_then(at)) } else { index.remove(&prefix) }
            }
            prop_assert_eq!(index.by_length.values().sum::<usize>(), index.len());
            prop_assert_eq!(index.by_expiry.len(), index.by_prefix.values().flatten().count());
        }
    }

    #[test]
    fn within_stays_within() {
        let index: Blocks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "11.0.0.0/8", "2001:db8::/32"]
            .iter()
            .map(|text| (text.parse().unwrap(), None))
            .collect();
        assert_eq!(index.within(&"10.0.0.0/8".parse().unwrap()).count(), 3);
        assert_eq!(index.within(&"0.0.0.0/0".parse().unwrap()).count(), 4);
        assert_eq!(index.within(&"::/0".parse().unwrap()).count(), 1);
    }
}
