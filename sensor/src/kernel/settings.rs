//! Writes the program's settings, field by field.

use std::mem::offset_of;

use aya::maps::MapData;
use documented::DocumentedFields;
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
