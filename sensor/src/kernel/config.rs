//! Configuration of the data plane's tables.

use std::net::IpAddr;
use std::time::Duration;

use documented::DocumentedFields;
use ipnet::IpNet;
use sensor_common::abi::ClientKey;
use sensor_common::table::{DOORKEEPER_WAYS, buckets_for};

use crate::prefix::ClientNet;

/// Bounds of the kernel's tables. They are fixed when the maps are created; a change requires a restart, which moves
/// the policy to new maps and loses the clients' state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Capacities {
    /// Capacity of the kernel's client table, about 150 bytes of kernel memory per client. Once it is full, new clients
    /// share `limits.newcomers` until they complete a TCP handshake, which gives them the place of a client that has not.
    #[documented_fields(rename = "max_tracked")]
    pub clients: u32,
    /// Sources remembered after a first packet, 2 bytes each, until a second packet makes them clients; rounded up to a
    /// power of two.
    pub doorkeeper: u32,
    /// Maximum limit scopes besides `default`.
    #[documented_fields(rename = "max_scopes")]
    pub scopes: u32,
    /// Maximum allowed prefixes, for IPv4 and IPv6 each.
    #[documented_fields(rename = "max_allows")]
    pub allows: u32,
    /// Maximum blocked prefixes, for IPv4 and IPv6 each.
    #[documented_fields(rename = "max_blocks")]
    pub blocks: u32,
}

impl Default for Capacities {
    fn default() -> Self {
        Self { clients: 1 << 20, doorkeeper: 1 << 20, scopes: 4_096, allows: 131_072, blocks: 131_072 }
    }
}

impl Capacities {
    /// Buckets of the client table.
    #[must_use]
    pub const fn buckets(&self) -> u32 {
        buckets_for(self.clients)
    }

    /// Words of the doorkeeper: a power of two.
    #[must_use]
    pub const fn doorkeeper_words(&self) -> u32 {
        let words = self.doorkeeper.div_ceil(DOORKEEPER_WAYS);
        if words > 1 << 28 { 1 << 28 } else { words.next_power_of_two() }
    }

    /// Entries of the scope array: the default, and two for each scope while it changes.
    #[must_use]
    pub const fn scope_entries(&self) -> u32 {
        self.scopes.saturating_mul(2).saturating_add(2)
    }
}

/// Which part of a source address is a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct ClientPrefixes {
    /// Prefix length of an IPv4 client: with 24, all of 203.0.113.0/24 share one client's limits.
    #[documented_fields(rename = "ipv4_prefix")]
    pub v4: u8,
    /// Prefix length of an IPv6 client. Providers give each customer at least a /64, in which the customer can use any
    /// address.
    #[documented_fields(rename = "ipv6_prefix")]
    pub v6: u8,
    /// Idle time after which a client's table entry may be reused; a 64th of it for a client that has not completed a TCP
    /// handshake.
    pub idle: Duration,
}

impl Default for ClientPrefixes {
    fn default() -> Self {
        Self { v4: 32, v6: 64, idle: Duration::from_secs(300) }
    }
}

impl ClientPrefixes {
    /// The client that an address belongs to, as a network.
    #[must_use]
    pub fn client_of(&self, address: IpAddr) -> IpNet {
        self.net_of(address).prefix()
    }

    /// The same as a key.
    #[inline]
    #[must_use]
    pub const fn net_of(&self, address: IpAddr) -> ClientNet {
        ClientNet::new(address, self.v4, self.v6)
    }

    /// The longest scope that limits may be set for and that covers a prefix.
    #[must_use]
    pub fn scope_of(&self, prefix: IpNet) -> IpNet {
        let bits = if prefix.addr().is_ipv4() { self.v4 } else { self.v6 };
        IpNet::new(prefix.network(), prefix.prefix_len().min(bits)).map_or(prefix, |scope| scope.trunc())
    }

    /// The mask of an IPv4 client, IPv4-mapped.
    #[must_use]
    pub fn mask_v4(&self) -> ClientKey {
        mask(96_u32.saturating_add(u32::from(self.v4)))
    }

    /// The mask of an IPv6 client.
    #[must_use]
    pub fn mask_v6(&self) -> ClientKey {
        mask(u32::from(self.v6))
    }
}

fn mask(bits: u32) -> ClientKey {
    ClientKey { hi: leading_ones(bits.min(64)), lo: leading_ones(bits.saturating_sub(64)) }
}

fn leading_ones(bits: u32) -> u64 {
    u64::MAX.checked_shl(64_u32.saturating_sub(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let prefixes = ClientPrefixes { v4: 24, v6: 56, ..ClientPrefixes::default() };
        assert_eq!(prefixes.mask_v4(), ClientKey { hi: u64::MAX, lo: 0xffff_ffff_ffff_ff00 });
        assert_eq!(prefixes.mask_v6(), ClientKey { hi: 0xffff_ffff_ffff_ff00, lo: 0 });
        let whole = ClientPrefixes { v4: 32, v6: 128, ..prefixes };
        assert_eq!(whole.mask_v6(), ClientKey { hi: u64::MAX, lo: u64::MAX });
        assert_eq!(whole.mask_v4(), whole.mask_v6());
    }

    #[test]
    fn clients_of_addresses() {
        let prefixes = ClientPrefixes { v4: 24, ..ClientPrefixes::default() };
        for (address, client) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
            ("fe80::1:2:3:4", "fe80::1:2:3:4/128"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(prefixes.client_of(address).to_string(), client);
            let mask = if address.is_ipv4() { prefixes.mask_v4() } else { prefixes.mask_v6() };
            let key = super::super::clients::key_of(address).client(mask);
            assert_eq!(super::super::clients::address_of(key), prefixes.client_of(address).network());
        }
    }

    #[test]
    fn doorkeeper_is_a_power_of_two() {
        for (sources, words) in [(1, 1), (4, 1), (5, 2), (1 << 20, 1 << 18), (u32::MAX, 1 << 28)] {
            assert_eq!(Capacities { doorkeeper: sources, ..Capacities::default() }.doorkeeper_words(), words);
        }
    }
}
