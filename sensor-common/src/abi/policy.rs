//! What applies to a client: limits, allow, block.

use bytemuck::{Pod, Zeroable};

use crate::limit::Quota;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Dimension {
    /// Frames.
    Packets = 0,
    /// Bits of frames, Ethernet header included.
    Bits = 1,
    /// TCP segments with SYN and without ACK.
    Connections = 2,
    /// TCP segments whose payload starts with an HTTP/1 method.
    Requests = 3,
}

impl Dimension {
    /// Every dimension, in the order in which limits are checked.
    pub const ALL: [Self; 4] = [Self::Packets, Self::Bits, Self::Connections, Self::Requests];

    /// The name in configuration and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Bits => "bits",
            Self::Connections => "connections",
            Self::Requests => "requests",
        }
    }
}

/// The limits of one scope, by [`Dimension`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ScopeLimits {
    /// One quota per dimension; [`Quota::OFF`] if there is no limit.
    pub quotas: [Quota; 4],
}

/// Value of a scope trie: which limits apply below this prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ScopeEntry {
    /// Index into the scopes.
    pub index: u32,
    /// Keeps the value's size a multiple of eight.
    pub reserved: u32,
}

/// Value of a block trie.
///
/// The trie returns only the longest prefix, so user space gives each entry the latest expiry of all blocks that cover
/// it: an expired long prefix must not hide a shorter one that is still in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockEntry {
    /// Expiry by the data plane's clock, in nanoseconds; 0 for never.
    pub until: u64,
    /// Length of the prefix, in bits of the family's address.
    pub prefix_len: u32,
    /// Keeps the value's size a multiple of eight.
    pub reserved: u32,
}

impl BlockEntry {
    /// Whether the block is in force at `now`.
    #[inline(always)]
    #[must_use]
    pub const fn stands(until: u64, now: u64) -> bool {
        until == 0 || now < until
    }
}

/// Result of looking up one client in the tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Expiry of the block; see [`BlockEntry::until`]. Only with [`Policy::BLOCKED`].
    pub blocked_until: u64,
    /// Index into the scopes.
    pub scope: u16,
    /// [`Policy::ALLOWED`], [`Policy::BLOCKED`], [`Policy::BLOCKED_WIDE`].
    pub flags: u8,
}

impl Policy {
    /// An allow prefix covers the client.
    pub const ALLOWED: u8 = 1;
    /// A block prefix covers the client.
    pub const BLOCKED: u8 = 2;
    /// That block prefix is wider than one client; such sources are dropped without admission.
    pub const BLOCKED_WIDE: u8 = 4;

    /// Whether the given flag is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a block is in force at `now`; an allow prefix overrides any block.
    #[inline(always)]
    #[must_use]
    pub const fn blocks(&self, now: u64) -> bool {
        self.has(Self::BLOCKED) && !self.has(Self::ALLOWED) && BlockEntry::stands(self.blocked_until, now)
    }
}
