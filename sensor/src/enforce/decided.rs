//! Room for the detectors' limits.

use ipnet::IpNet;

use super::policy::{MAX_DECIDED_LIMITS, Policy};

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
