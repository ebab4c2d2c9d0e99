//! The set of trusted proxies.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Address prefixes as sorted, disjoint ranges, so that a look-up is a binary search. IPv4 is IPv4-mapped (RFC 4291,
/// section 2.5.5.2).
#[derive(Clone, Debug, Default)]
pub(super) struct Trusted {
    ranges: Vec<(u128, u128)>,
}

impl Trusted {
    pub(super) fn new(prefixes: &[IpNet]) -> Self {
        let mut ranges: Vec<_> =
            prefixes.iter().map(|prefix| (bits(prefix.network()), bits(prefix.broadcast()))).collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, kept| {
            let joins = next.0 <= kept.1;
            if joins {
                kept.1 = kept.1.max(next.1);
            }
            joins
        });
        Self { ranges }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = bits(address);
        let after = self.ranges.partition_point(|(first, _)| *first <= address);
        after
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index))
            .is_some_and(|(_, last)| address <= *last)
    }
}

/// The last address of an IPv6 prefix is what `ipnet` calls its broadcast address.
const fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_every_prefix(
            prefixes in prop::collection::vec((any::<u32>(), 0_u8..=32, any::<bool>()), 0..20),
            addresses in prop::collection::vec(any::<u32>(), 1..20),
        ) {
            let prefixes: Vec<IpNet> = prefixes
                .into_iter()
                .map(|(bits, length, v6)| match v6 {
                    false => IpNet::new(Ipv4Addr::from_bits(bits).into(), length),
                    true => IpNet::new(Ipv6Addr::from_bits(u128::from(bits)).into(), length + 96),
                })
                .map(Result::unwrap)
                .collect();
            let trusted = Trusted::new(&prefixes);
            let ends = prefixes.iter().flat_map(|prefix| [prefix.network(), prefix.broadcast()]);
            let v4 = addresses.iter().map(|bits| IpAddr::from(Ipv4Addr::from_bits(*bits)));
            for address in ends.chain(v4) {
                prop_assert_eq!(trusted.contains(address), prefixes.iter().any(|prefix| prefix.contains(&address)));
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        let trusted = Trusted::new(&["10.0.0.0/8".parse().unwrap()]);
        assert!(trusted.contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!trusted.contains("::ffff:11.1.2.3".parse().unwrap()));
        assert!(Trusted::new(&[]).ranges.is_empty());
    }
}
