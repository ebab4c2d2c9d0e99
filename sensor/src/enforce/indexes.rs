//! Which entries of the kernel's array of limits are in use, and by which networks.

use std::collections::BTreeMap;

use ipnet::IpNet;
use sensor_common::abi::ScopeLimits;

/// The index that each network refers to, and what the indexes hold.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    by_network: BTreeMap<IpNet, u32>,
    users: BTreeMap<u32, usize>,
    held: BTreeMap<u32, ScopeLimits>,
    /// What was written last: the networks of a group follow each other.
    last: Option<u32>,
}

impl Indexes {
    /// Notes that a network refers to an index, and to its earlier one no longer.
    pub(super) fn refer(&mut self, network: IpNet, index: u32) {
        let users = self.users.entry(index).or_default();
        *users = users.saturating_add(1);
        if let Some(before) = self.by_network.insert(network, index) {
            self.leave(before);
        }
    }

    /// Notes that a network refers to none.
    pub(super) fn release(&mut self, network: &IpNet) {
        if let Some(before) = self.by_network.remove(network) {
            self.leave(before);
        }
    }

    fn leave(&mut self, index: u32) {
        let Some(users) = self.users.get_mut(&index) else { return };
        *users = users.saturating_sub(1);
        if *users == 0 {
            self.users.remove(&index);
            self.held.remove(&index);
        }
    }

    /// Whether a network refers to an index.
    pub(super) fn is_used(&self, index: u32) -> bool {
        self.users.contains_key(&index)
    }

    /// An index in use that holds these limits.
    pub(super) fn with(&self, limits: &ScopeLimits) -> Option<u32> {
        let holds = |index: &u32| self.is_used(*index) && self.held.get(index) == Some(limits);
        self.last.filter(holds).or_else(|| self.held.keys().copied().find(holds))
    }

    /// Notes what an index holds.
    pub(super) fn wrote(&mut self, index: u32, limits: ScopeLimits) {
        self.held.insert(index, limits);
        self.last = Some(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_free_when_the_last_network_left_it() {
        let [one, other] = ["10.0.0.0/8", "11.0.0.0/8"].map(|text| text.parse().unwrap());
        let limits = ScopeLimits::default();
        let mut indexes = Indexes::default();
        indexes.wrote(3, limits);
        assert_eq!(indexes.with(&limits), None, "nothing refers to it yet");
        indexes.refer(one, 3);
        indexes.refer(other, 3);
        assert_eq!(indexes.with(&limits), Some(3));
        indexes.refer(one, 4);
        assert!(indexes.is_used(3) && indexes.is_used(4));
        indexes.release(&other);
        assert!(!indexes.is_used(3));
        assert_eq!(indexes.with(&limits), None);
        // Referring again to the same index keeps it.
        indexes.refer(one, 4);
        assert!(indexes.is_used(4));
        indexes.release(&one);
        assert!(!indexes.is_used(4));
    }
}
