//! The network that makes one client: the unit of everything that counts by client.
//!
//! An IPv6 subscriber chooses addresses freely within at least a /64, so counting full addresses is useless. The data
//! plane charges prefixes for the same reason; this is its prefix, as a key in user space.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A client as a network: an address and the number of its significant bits. IPv4 is stored IPv4-mapped (RFC 4291,
/// section 2.5.5.2). As text, the address alone if all bits are significant, else a CIDR.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientNet {
    hi: u64,
    lo: u64,
    /// Of 128.
    length: u8,
}

/// An IPv6 site's allocation (RFC 6177, section 2): 65,536 /64 networks.
pub const SITE_BITS: u8 = 48;

const MAPPED: u64 = 0xffff << 32;

impl ClientNet {
    /// The client of an address, where `v4` bits of an IPv4 address or `v6` of an IPv6 address identify one. Each
    /// link-local address is one: their /64 is the whole link.
    #[inline]
    #[must_use]
    pub const fn new(address: IpAddr, v4: u8, v6: u8) -> Self {
        let whole = Self::of(address);
        match address {
            IpAddr::V4(_) => whole.cut(96_u8.saturating_add(v4)),
            IpAddr::V6(address) if address.is_unicast_link_local() => whole,
            IpAddr::V6(_) => whole.cut(v6),
        }
    }

    /// Its address and number of bits, for a file.
    pub(crate) const fn parts(self) -> (u64, u64, u8) {
        (self.hi, self.lo, self.length)
    }

    /// From [`Self::parts`]; none if there are more than 128 bits, or bits beyond their number are set.
    pub(crate) const fn from_parts(hi: u64, lo: u64, length: u8) -> Option<Self> {
        let whole = Self { hi, lo, length: 128 };
        if length > 128 {
            return None;
        }
        let cut = whole.cut(length);
        if cut.hi == hi && cut.lo == lo { Some(cut) } else { None }
    }

    /// For an address with all bits significant.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self { hi: 0, lo: MAPPED | address.to_bits() as u64, length: 128 },
            IpAddr::V6(address) => {
                let bits = address.to_bits();
                #[expect(clippy::cast_possible_truncation, reason = "one half each")]
                let (hi, lo) = ((bits >> 64) as u64, bits as u64);
                Self { hi, lo, length: 128 }
            }
        }
    }

    /// Its significant bits; the others are cleared.
    const fn cut(self, length: u8) -> Self {
        let length = if length > 128 { 128 } else { length };
        Self { hi: self.hi & ones(length), lo: self.lo & ones(length.saturating_sub(64)), length }
    }

    const fn is_v4(self) -> bool {
        self.hi == 0 && self.lo & !0xffff_ffff == MAPPED && self.length >= 96
    }

    /// The first address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        if self.is_v4() {
            #[expect(clippy::cast_possible_truncation, reason = "the low half is the IPv4 address")]
            return IpAddr::V4(Ipv4Addr::from_bits(self.lo as u32));
        }
        IpAddr::V6(Ipv6Addr::from_bits(((self.hi as u128) << 64) | self.lo as u128))
    }

    /// As a prefix.
    #[must_use]
    pub fn prefix(self) -> IpNet {
        let length = if self.is_v4() { self.length.saturating_sub(96) } else { self.length };
        IpNet::new(self.address(), length).unwrap_or_else(|_| IpNet::from(self.address()))
    }

    /// The /48 that contains an IPv6 client; none for IPv4, for link-local addresses, and if a client is at least as
    /// large.
    #[inline]
    #[must_use]
    pub const fn site(self) -> Option<Self> {
        let is_link_local = self.hi >> 54 == 0xfe80 >> 6;
        if self.length <= SITE_BITS || self.is_v4() || is_link_local {
            None
        } else {
            Some(self.cut(SITE_BITS))
        }
    }

    /// The unit where numbers of networks matter and addresses could be made up: the site of an IPv6 client, else the
    /// client.
    #[inline]
    #[must_use]
    pub const fn owner(self) -> Self {
        match self.site() {
            Some(site) => site,
            None => self,
        }
    }

    /// Whether it contains an address.
    #[must_use]
    pub const fn contains(self, address: IpAddr) -> bool {
        let other = Self::of(address).cut(self.length);
        self.hi == other.hi && self.lo == other.lo
    }
}

const fn ones(bits: u8) -> u64 {
    match u64::MAX.checked_shr(bits as u32) {
        Some(rest) => !rest,
        None => u64::MAX,
    }
}

/// Hashes only the halves: the same bits with two lengths are rare, and distinguished by equality.
impl Hash for ClientNet {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hi);
        state.write_u64(self.lo);
    }
}

impl fmt::Display for ClientNet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == 128 { self.address().fmt(out) } else { self.prefix().fmt(out) }
    }
}

impl fmt::Debug for ClientNet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl From<IpNet> for ClientNet {
    fn from(prefix: IpNet) -> Self {
        let before = if prefix.addr().is_ipv4() { 96 } else { 0 };
        Self::of(prefix.addr()).cut(prefix.prefix_len().saturating_add(before))
    }
}

impl FromStr for ClientNet {
    type Err = super::PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        super::parse(text).map(Self::from)
    }
}

impl Serialize for ClientNet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientNet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(address: &str) -> ClientNet {
        ClientNet::new(address.parse().unwrap(), 32, 64)
    }

    #[test]
    fn texts_and_sites() {
        for (address, client, site) in [
            ("192.0.2.7", "192.0.2.7", None),
            ("::ffff:192.0.2.7", "::/64", Some("::/48")),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", Some("2001:db8:1::/48")),
            ("fe80::1:2:3:4", "fe80::1:2:3:4", None),
        ] {
            assert_eq!(net(address).to_string(), client);
            assert_eq!(net(address).site().map(|site| site.to_string()).as_deref(), site);
        }
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(ClientNet::of(address).to_string(), "2001:db8::1");
        assert_eq!(ClientNet::new(address, 32, 48).site(), None, "a client is a site already");
        assert_eq!(ClientNet::from("fe80::/10".parse::<IpNet>().unwrap()).to_string(), "fe80::/10");
        assert_eq!(ClientNet::new("192.0.2.7".parse().unwrap(), 24, 64).to_string(), "192.0.2.0/24");
    }

    proptest! {
        #[test]
        fn it_is_the_prefix(bits: u128, v4: bool, length in 0_u8..=128, other: u128) {
            let (address, length) = if v4 {
                (IpAddr::V4(Ipv4Addr::from_bits((bits >> 96).try_into().unwrap())), length.min(32))
            } else {
                (IpAddr::V6(Ipv6Addr::from_bits(bits)), length)
            };
            let client = ClientNet::new(address, length, length);
            let link_local = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
            let mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
            prop_assume!(!link_local && !mapped);
            let prefix = IpNet::new(address, length).unwrap().trunc();
            prop_assert_eq!(client.prefix(), prefix);
            prop_assert!(client.contains(address));
            prop_assert_eq!(ClientNet::from(prefix), client);
            prop_assert_eq!(client.to_string().parse::<ClientNet>().unwrap(), client);
            let other = IpAddr::V6(Ipv6Addr::from_bits(other));
            prop_assert!(v4 || client.contains(other) == prefix.contains(&other));
        }
    }
}
