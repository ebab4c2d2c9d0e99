//! Writes the program's settings, field by field.

use std::mem::offset_of;

use aya::maps::MapData;
use documented::DocumentedFields;
use ipnet::IpNet;
use sensor_common::abi::{ClientKey, Settings, Shared, VERSION};
use sensor_common::limit::{Quota, Rate};

use super::config::{Capacities, ClientPrefixes};
use super::error::KernelError;
use super::shared::SharedArray;

/// Settings that the configuration may change while the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Tuning {
    /// Packets from all sources outside the client table together: new sources, and those the table has no room for.
    pub newcomers: Option<Rate>,
    /// The part of `newcomers` that the sources of one network may use, an IPv4 /16 or an IPv6 /32, so that forged
    /// sources of one part of the address space cannot use up everybody's.
    pub newcomers_per_network: Option<Rate>,
    /// How many times a client's limits all clients of one IPv6 /48 may use together. A /48 may be a single customer's, and
    /// each of its 65,536 networks is a client. The default is what the clients of a /56 have, which many providers give to
    /// a household. Clients with limits of their own share with those that have the same. 0 for no such limit.
    pub ipv6_site_times: u32,
    /// The same for one IPv4 /24, whose addresses often belong to many customers: off by default.
    pub ipv4_site_times: u32,
    /// `auto` answers new TCP connections over the newcomers' limits with SYN cookies, from the XDP program, and admits
    /// who acknowledges one. It takes `enforce` mode, a listener of this host and `net.ipv4.tcp_syncookies`: with 2 in
    /// every flood, with 1 once the listener's queue is full. Connections made so have no window scaling and no
    /// timestamps. Leave it `off` if a port that this host listens on is forwarded to a container or another host.
    pub syn_cookies: bool,
    /// Rate of over-limit notices from the kernel to the daemon, for `sensor explain`; notices above it are dropped and
    /// counted in `sensor_notices_lost_total`.
    pub notices: Rate,
    /// Which part of a source address is a client.
    pub prefixes: ClientPrefixes,
}

/// Bits of a site's prefix, by family. `sensor_common::table::site` has them, too.
const SITE_BITS: [u8; 2] = [24, 48];

impl Tuning {
    /// How many times a client's limits a site of IPv4 and one of IPv6 have; 0 if none, or if a client is as wide as a
    /// site.
    #[must_use]
    pub fn sites(&self) -> [u32; 2] {
        let ClientPrefixes { v4, v6, .. } = self.prefixes;
        let [of_v4, of_v6] = SITE_BITS;
        let [v4, v6] = [v4 > of_v4, v6 > of_v6];
        [if v4 { self.ipv4_site_times } else { 0 }, if v6 { self.ipv6_site_times } else { 0 }]
    }

    /// The site of a prefix, and how many times a client's limits it has. `None` if there is no such limit, if the prefix is wider
    /// than a site, or if it is link-local.
    #[must_use]
    pub fn site_of(&self, prefix: IpNet) -> Option<(IpNet, u32)> {
        let ([v4, v6], [of_v4, of_v6]) = (self.sites(), SITE_BITS);
        let (bits, times) = match prefix {
            IpNet::V4(_) => (of_v4, v4),
            IpNet::V6(prefix) if prefix.addr().is_unicast_link_local() => return None,
            IpNet::V6(_) => (of_v6, v6),
        };
        let site = IpNet::new(prefix.addr(), bits).ok()?.trunc();
        (times > 0 && site.contains(&prefix)).then_some((site, times))
    }
}

/// The settings and shared state, mapped into memory.
#[derive(Debug)]
pub(super) struct SettingsView {
    settings: SharedArray<Settings>,
    shared: SharedArray<Shared>,
}

impl SettingsView {
    pub(super) fn new(settings: &MapData, shared: &MapData) -> Result<Self, KernelError> {
        Ok(Self { settings: SharedArray::new(settings, 1)?, shared: SharedArray::new(shared, 1)? })
    }

    pub(super) fn read(&self) -> Settings {
        self.settings.read(0).unwrap_or_default()
    }

    /// Whether the maps were set up by a daemon with this layout.
    pub(super) fn is_current(&self) -> bool {
        self.read().version == VERSION
    }

    /// Fills in a new map. The version comes last: it marks the rest as complete.
    pub(super) fn initialise(&self, capacities: &Capacities, tick_ns: u64, seed: [u64; 2]) {
        self.settings.store_u32(offset_of!(Settings, buckets), capacities.buckets());
        let mask = capacities.doorkeeper_words().saturating_sub(1);
        self.settings.store_u32(offset_of!(Settings, doorkeeper_mask), mask);
        self.settings.store_u64(offset_of!(Settings, tick_ns), tick_ns);
        let [first, second] = seed;
        self.settings.store_u64(offset_of!(Settings, seed), first);
        self.settings.store_u64(offset_of!(Settings, seed).saturating_add(8), second);
        self.settings.store_u32(offset_of!(Settings, generation), 1);
        self.settings.store_u32(offset_of!(Settings, version), VERSION);
    }

    pub(super) fn tune(&self, tuning: &Tuning) {
        let tick_ns = self.read().tick_ns.max(1);
        let newcomers = tuning.newcomers.map_or(Quota::OFF, |rate| Quota::of_units(rate, tick_ns));
        self.store_quota(offset_of!(Settings, newcomers), newcomers);
        let part = tuning.newcomers_per_network.map_or(Quota::OFF, |rate| Quota::of_units(rate, tick_ns));
        self.store_quota(offset_of!(Settings, newcomers_per_network), part);
        let ([v4, v6], sites) = (tuning.sites(), offset_of!(Settings, sites));
        self.settings.store_u32(sites, v4);
        self.settings.store_u32(sites.saturating_add(4), v6);
        self.settings.store_u32(offset_of!(Settings, syn_cookies), u32::from(tuning.syn_cookies));
        self.store_quota(offset_of!(Settings, notices), Quota::of_units(tuning.notices, tick_ns));
        self.store_key(offset_of!(Settings, mask_v4), tuning.prefixes.mask_v4());
        self.store_key(offset_of!(Settings, mask_v6), tuning.prefixes.mask_v6());
        let bits = offset_of!(Settings, client_bits);
        self.settings.store_u32(bits, u32::from(tuning.prefixes.v4));
        self.settings.store_u32(bits.saturating_add(4), u32::from(tuning.prefixes.v6));
        let idle = tuning.prefixes.idle.as_nanos().checked_div(u128::from(tick_ns)).unwrap_or(0);
        // Ticks are compared modulo 2^32; half of that is the longest silence that can be measured.
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(u32::MAX >> 1);
        self.settings.store_u32(offset_of!(Settings, idle_ticks), idle);
    }

    pub(super) fn set_enforce(&self, enforce: bool) {
        self.settings.store_u32(offset_of!(Settings, enforce), u32::from(enforce));
    }

    pub(super) fn set_too_many(&self, answers: bool) {
        self.settings.store_u32(offset_of!(Settings, too_many), u32::from(answers));
    }

    pub(super) fn set_default_scope(&self, index: u32) {
        self.settings.store_u32(offset_of!(Settings, default_scope), index);
    }

    pub(super) fn set_prefixes(&self, prefixes: u32) {
        self.settings.store_u32(offset_of!(Settings, prefixes), prefixes);
    }

    /// Makes the program look up every client's policy again.
    pub(super) fn raise_generation(&self) {
        let next = self.read().generation.wrapping_add(1).max(1);
        self.settings.store_u32(offset_of!(Settings, generation), next);
    }

    pub(super) fn set_interface(&self, slot: usize, ifindex: u32) {
        let offset = offset_of!(Settings, interfaces).saturating_add(slot.saturating_mul(4));
        self.settings.store_u32(offset, ifindex);
    }

    pub(super) fn set_loopback(&self, ifindex: u32) {
        self.settings.store_u32(offset_of!(Settings, loopback), ifindex);
    }

    pub(super) fn clock(&self) -> u64 {
        self.shared.read(0).map_or(0, |shared| shared.clock)
    }

    pub(super) fn set_fixed_tick(&self, tick: u64) {
        self.shared.store_u64(offset_of!(Shared, fixed_tick), tick);
    }

    /// A program may see the new increment with the old depth for a moment; both are valid limits.
    fn store_quota(&self, offset: usize, quota: Quota) {
        let [increment, depth] = bytemuck::cast::<Quota, [u64; 2]>(quota);
        self.settings.store_u64(offset, increment);
        self.settings.store_u64(offset.saturating_add(8), depth);
    }

    fn store_key(&self, offset: usize, key: ClientKey) {
        self.settings.store_u64(offset, key.hi);
        self.settings.store_u64(offset.saturating_add(8), key.lo);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tuning(v4: u8, v6: u8) -> Tuning {
        Tuning {
            newcomers: None,
            newcomers_per_network: None,
            ipv6_site_times: 256,
            ipv4_site_times: 8,
            syn_cookies: false,
            notices: "1/s".parse().unwrap(),
            prefixes: ClientPrefixes { v4, v6, idle: Duration::from_secs(300) },
        }
    }

    #[test]
    fn sites_of_prefixes() {
        let tuning = tuning(32, 64);
        for (prefix, expected) in [
            ("192.0.2.7/32", Some(("192.0.2.0/24", 8))),
            ("192.0.2.0/24", Some(("192.0.2.0/24", 8))),
            ("192.0.0.0/16", None),
            ("2001:db8:1:2::/64", Some(("2001:db8:1::/48", 256))),
            ("2001:db8:1:2::3/128", Some(("2001:db8:1::/48", 256))),
            ("2001:db8::/32", None),
            ("fe80::1/128", None),
        ] {
            let found = tuning.site_of(prefix.parse().unwrap());
            assert_eq!(found, expected.map(|(site, times)| (site.parse().unwrap(), times)), "{prefix}");
        }
    }

    #[test]
    fn clients_as_wide_as_a_site_share_nothing() {
        for (v4, v6, expected) in [(25, 49, [8, 256]), (24, 64, [0, 256]), (32, 48, [8, 0]), (8, 16, [0, 0])]
        {
            assert_eq!(tuning(v4, v6).sites(), expected, "/{v4} /{v6}");
        }
        assert_eq!(tuning(24, 48).site_of("192.0.2.0/24".parse().unwrap()), None);
    }
}
