//! The networks of a group.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Most networks of all groups that rules of one kind name together. The kernel's tries have room for as many besides
/// single prefixes; an entry takes about 100 bytes there, and about 100 in the daemon.
pub const MAX_NETWORKS: u32 = 1_000_000;

/// Disjoint networks in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<IpNet>")]
pub struct Networks(Vec<IpNet>);

impl From<Vec<IpNet>> for Networks {
    fn from(networks: Vec<IpNet>) -> Self {
        networks.into_iter().collect()
    }
}

impl FromIterator<IpNet> for Networks {
    /// Neighbours become one, and what lies within another is left out.
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let all: Vec<IpNet> = networks.into_iter().map(|network| network.trunc()).collect();
        let mut merged = IpNet::aggregate(&all);
        merged.sort_unstable();
        merged.shrink_to_fit();
        Self(merged)
    }
}

impl Networks {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = IpNet> + DoubleEndedIterator + '_ {
        self.0.iter().copied()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, network: &IpNet) -> bool {
        self.0.binary_search(network).is_ok()
    }

    /// The one that contains a prefix.
    #[must_use]
    pub fn covering(&self, prefix: &IpNet) -> Option<IpNet> {
        // They are disjoint and in order, so only the last that does not begin after the prefix may contain it.
        let after = self.0.partition_point(|network| network <= prefix);
        self.0.get(after.checked_sub(1)?).copied().filter(|network| network.contains(prefix))
    }

    /// Those within a prefix.
    pub fn within(&self, prefix: &IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let prefix = *prefix;
        let from = self.0.partition_point(|network| *network < prefix);
        let rest = self.0.get(from..).unwrap_or_default().iter().copied();
        rest.take_while(move |network| prefix.contains(network))
    }

    /// Whether one of them shares an address with a prefix.
    #[must_use]
    pub fn overlap(&self, prefix: &IpNet) -> bool {
        self.covering(prefix).is_some() || self.within(prefix).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// Of a small space, so that prefixes meet.
    fn network((bits, length, is_v4): (u8, u8, bool)) -> IpNet {
        let (address, length) = if is_v4 {
            (IpAddr::V4(Ipv4Addr::from_bits(u32::from(bits) << 24)), length % 9)
        } else {
            (IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 120)), length % 9)
        };
        IpNet::new(address, length).unwrap().trunc()
    }

    proptest! {
        /// Every question is answered as by looking at each network given.
        #[test]
        fn answers_are_those_of_a_linear_search(
            given in prop::collection::vec(any::<(u8, u8, bool)>(), 0..12),
            asked in any::<(u8, u8, bool)>(),
        ) {
            let given: Vec<IpNet> = given.into_iter().map(network).collect();
            let networks: Networks = given.iter().copied().collect();
            let asked = network(asked);
            let all: Vec<IpNet> = networks.iter().collect();
            for pair in all.windows(2) {
                prop_assert!(pair[0] < pair[1] && !pair[0].contains(&pair[1]));
            }
            prop_assert_eq!(networks.covering(&asked), all.iter().find(|one| one.contains(&asked)).copied());
            let within: Vec<IpNet> = all.iter().filter(|one| asked.contains(*one)).copied().collect();
            prop_assert_eq!(networks.within(&asked).collect::<Vec<_>>(), within);
            prop_assert_eq!(networks.contains(&asked), all.contains(&asked));
            let overlaps = given.iter().any(|one| one.contains(&asked) || asked.contains(one));
            prop_assert_eq!(networks.overlap(&asked), overlaps);
            // The same addresses as given: each of the 256 first octets.
            for octet in 0..=255_u8 {
                let host = |v4| network((octet, 8, v4));
                for host in [host(true), host(false)] {
                    let expected = given.iter().any(|one| one.contains(&host));
                    prop_assert_eq!(networks.covering(&host).is_some(), expected, "{}", host);
                }
            }
        }
    }
}
