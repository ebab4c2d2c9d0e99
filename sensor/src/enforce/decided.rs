//! Limits of detectors that make room or end, and blocks of other hosts and of CrowdSec.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::policy::{BlockRule, DecidedLimits, MAX_DECIDED_LIMITS, Policy};
use crate::clock::Timestamp;

impl Policy {
    /// Lifts the limits that expire first if there is no room for those of one more prefix; returns whose they were.
    /// During an attack, those limited longest have been through most of it.
    pub fn make_room_for_limits(&mut self, prefix: &IpNet) -> Option<IpNet> {
        if self.decided_limits.len() < MAX_DECIDED_LIMITS || self.decided_limits.contains_key(prefix) {
            return None;
        }
        let ends = self.decided_limits.iter().filter_map(|(prefix, limits)| Some((limits.until?, *prefix)));
        let (_, first) = ends.min()?;
        self.decided_limits.remove(&first);
        Some(first)
    }

    /// Removes detectors' expired limits; returns their prefixes.
    pub fn expire_limits(&mut self, now: Timestamp) -> Vec<IpNet> {
        let has_ended = |limits: &DecidedLimits| limits.until.is_some_and(|until| until <= now);
        let ended = self.decided_limits.extract_if(.., |_, limits| has_ended(limits));
        ended.map(|(prefix, _)| prefix).collect()
    }

    /// Sets another host's block.
    pub fn set_fleet_block(&mut self, prefix: IpNet, rule: BlockRule) {
        self.fleet_blocks.insert(prefix, rule);
        self.index_block(&prefix);
    }

    /// Lifts another host's block of a prefix.
    pub fn lift_fleet_block(&mut self, prefix: &IpNet) {
        if self.fleet_blocks.remove(prefix).is_some() {
            self.index_block(prefix);
        }
    }

    /// The other hosts' blocks.
    #[must_use]
    pub const fn fleet_blocks(&self) -> &BTreeMap<IpNet, BlockRule> {
        &self.fleet_blocks
    }

    /// Sets a block of CrowdSec's.
    pub fn set_crowdsec_block(&mut self, prefix: IpNet, rule: BlockRule) {
        self.crowdsec_blocks.insert(prefix, rule);
        self.index_block(&prefix);
    }

    /// Lifts CrowdSec's block of a prefix.
    pub fn lift_crowdsec_block(&mut self, prefix: &IpNet) {
        if self.crowdsec_blocks.remove(prefix).is_some() {
            self.index_block(prefix);
        }
    }

    /// CrowdSec's blocks.
    #[must_use]
    pub const fn crowdsec_blocks(&self) -> &BTreeMap<IpNet, BlockRule> {
        &self.crowdsec_blocks
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::clock::Timestamp;
    use crate::enforce::{DecidedLimits, Limits};

    #[test]
    fn who_was_limited_for_longest_makes_room() {
        let client = |number: u32| IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from_bits(number)));
        let until = |seconds: u64| DecidedLimits {
            limits: Limits::default(),
            until: Some(Timestamp::from_unix_micros(seconds * 1_000_000)),
            reason: String::new(),
        };
        let mut policy = Policy::default();
        for number in 0..1_024 {
            assert_eq!(policy.make_room_for_limits(&client(number)), None);
            assert!(policy.set_decided_limits(client(number), until(u64::from(5_000 - number))));
        }
        assert_eq!(policy.make_room_for_limits(&client(7)), None, "it has its place");
        assert!(!policy.set_decided_limits(client(9_999), until(9_999)), "full");
        assert_eq!(policy.make_room_for_limits(&client(9_999)), Some(client(1_023)));
        assert!(policy.set_decided_limits(client(9_999), until(9_999)));
        assert_eq!(policy.decided_limits().len(), 1_024);
    }
}
