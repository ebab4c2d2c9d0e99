//! Settings that user space gives the program, and state that the CPUs share.

use bytemuck::{Pod, Zeroable};

use super::client::ClientKey;
use super::counter::MAX_INTERFACES;
use crate::limit::Quota;

/// Bits of [`Settings::prefixes`]: which tries have entries, so that an empty one costs nothing.
pub mod prefixes {
    /// The scope trie of a family has entries; shift by the family (0 for IPv4, 1 for IPv6).
    pub const SCOPES: u32 = 1;
    /// The allow trie has entries.
    pub const ALLOWS: u32 = 1 << 2;
    /// The block trie has entries.
    pub const BLOCKS: u32 = 1 << 4;
    /// An allow or block prefix of a family is longer than a client's, so results differ within one client and are looked
    /// up for each packet of that family.
    pub const FINER_THAN_CLIENT: u32 = 1 << 6;
    /// Some clients have such prefixes within their networks, and are marked; only they are looked up for each packet.
    pub const MARKED: u32 = 1 << 8;
}

/// Written field by field by user space through shared memory, read by the program for each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Settings {
    /// Layout of the maps: [`super::VERSION`]; 0 in a map that was never initialised.
    pub version: u32,
    /// 1 in `enforce` mode, 0 in `monitor` mode.
    pub enforce: u32,
    /// Raised after each change of scopes, allows or blocks; a [`super::Policy`] cached in another generation is looked
    /// up again. Never 0.
    pub generation: u32,
    /// Index of the scope `default`.
    pub default_scope: u32,
    /// See [`prefixes`].
    pub prefixes: u32,
    /// Buckets of the client table.
    pub buckets: u32,
    /// Number of doorkeeper words minus one; the number is a power of two.
    pub doorkeeper_mask: u32,
    /// Ticks without a packet after which a client counts as idle.
    pub idle_ticks: u32,
    /// Length of the kernel's tick in nanoseconds; the data plane's clock is `jiffies * tick_ns`.
    pub tick_ns: u64,
    /// Key of the table's hash, so that nobody can target one bucket.
    pub seed: [u64; 2],
    /// Network mask of an IPv4 client, IPv4-mapped.
    pub mask_v4: ClientKey,
    /// Network mask of an IPv6 client.
    pub mask_v6: ClientKey,
    /// Packets per second shared by all sources not yet admitted.
    pub newcomers: Quota,
    /// The part of them that the sources of one network may use; see [`crate::table::network`].
    pub newcomers_per_network: Quota,
    /// Over-limit notices per second.
    pub notices: Quota,
    /// Bits of a client's prefix, by family.
    pub client_bits: [u32; 2],
    /// Interface indexes, by slot; 0 if empty.
    pub interfaces: [u32; MAX_INTERFACES as usize],
    /// Index of the loopback interface if it is served, else 0. Packets that arrive there were sent by this host.
    pub loopback: u32,
    /// 1 if new TCP connections over the newcomers' limits are answered with SYN cookies.
    pub syn_cookies: u32,
    /// How many times a client's limits all clients of one site may use together, by family (an IPv4 /24, an IPv6 /48); 0
    /// if sites are not limited.
    pub sites: [u32; 2],
    /// 1 if requests over the limit are handed on to tc, which answers them with `429`.
    pub too_many: u32,
    /// Always 0.
    pub reserved: u32,
}

/// State that all CPUs share and write, each field on its own cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Shared {
    /// Theoretical arrival time of the newcomers' quota.
    pub newcomers_tat: u64,
    /// Keeps the next field on another line.
    pub line0: [u64; 7],
    /// Theoretical arrival time of the notices' quota.
    pub notices_tat: u64,
    /// Keeps the next field on another line.
    pub line1: [u64; 7],
    /// Where the clock program writes the data plane's time, in nanoseconds.
    pub clock: u64,
    /// The tick to use instead of the kernel's, in an object loaded with `FIXED_CLOCK` (tests).
    pub fixed_tick: u64,
    /// Keeps the next field on another line.
    pub line2: [u64; 14],
}
