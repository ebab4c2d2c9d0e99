//! Clients: their key, their slot in the table, and the notice of one that went over a limit.

use bytemuck::{Pod, Zeroable};

/// Address family of a packet, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Family {
    /// IPv4.
    V4 = 0,
    /// IPv6.
    V6 = 1,
    /// Not IP, or unreadable.
    Other = 2,
}

impl Family {
    /// Every family, in the order of its wire value.
    pub const ALL: [Self; 3] = [Self::V4, Self::V6, Self::Other];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
            Self::Other => "other",
        }
    }
}

/// A source address, or the network that stands for a client, as two big-endian halves of an IPv6 address.
///
/// IPv4 is IPv4-mapped (RFC 4291, section 2.5.5.2). Such an address is never valid as an IPv6 source on the
/// wire (RFC 4942, section 2.2) and the parser refuses it, so the families cannot collide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct ClientKey {
    /// The upper 64 bits.
    pub hi: u64,
    /// The lower 64 bits.
    pub lo: u64,
}

const V4_MAPPED: u64 = 0xffff_0000_0000;

impl ClientKey {
    /// The key of an IPv4 address, given as a number in host order.
    #[inline(always)]
    #[must_use]
    pub const fn from_v4(address: u32) -> Self {
        Self { hi: 0, lo: V4_MAPPED | address as u64 }
    }

    /// The IPv4 address in host order, if this is one.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the upper half was just compared")]
    pub const fn to_v4(self) -> Option<u32> {
        if self.is_v4() { Some(self.lo as u32) } else { None }
    }

    /// Whether this is an IPv4-mapped address.
    #[inline(always)]
    #[must_use]
    pub const fn is_v4(self) -> bool {
        self.hi == 0 && self.lo >> 32 == 0xffff
    }

    /// Whether this is an IPv6 link-local address (RFC 4291, section 2.5.6).
    #[inline(always)]
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        self.hi >> 54 == 0xfe80 >> 6
    }

    /// The client that this address belongs to, for clients of the given network mask.
    ///
    /// All hosts of a link share one link-local network, routers included: each address is a client of its own.
    /// Otherwise one host could use up the limits of all and take neighbour discovery down with them.
    #[inline(always)]
    #[must_use]
    pub const fn client(self, mask: Self) -> Self {
        if self.is_link_local() { self } else { Self { hi: self.hi & mask.hi, lo: self.lo & mask.lo } }
    }
}

/// One client: the state that every packet needs, on one cache line. The rest is in [`SlotDetails`].
///
/// Times are those of the data plane's clock (see [`super::Settings::tick_ns`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Slot {
    /// The client's key.
    pub key: ClientKey,
    /// Theoretical arrival time of the packet limit, in nanoseconds. Never earlier than the last frame, with or without
    /// such a limit: a TAT in the past is equivalent to one of now, so this also shows how long a client has been
    /// silent.
    pub packets_tat: u64,
    /// Theoretical arrival time of the limit on bits.
    pub bits_tat: u64,
    /// Frames passed since admission, and [`Self::PROVEN`].
    pub passed: u64,
    /// Frames dropped since admission, or that would have been.
    pub drops: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// The [`super::Settings::generation`] in which scope, flags and block were looked up; 0 for none. It and the three
    /// fields after it are one word, read and written at once: see [`Self::policy_word`].
    pub generation: u32,
    /// Index into the scopes.
    pub scope: u16,
    /// Flags of [`super::Policy`].
    pub flags: u8,
    /// Period in which the last over-limit notice was sent; see [`notice_period`].
    pub noticed: u8,
}

impl Slot {
    /// The bit of [`Self::passed`] that marks a proven client: this host sent data to it over TCP, so a handshake was
    /// completed at its address. Set once per slot, and never cleared.
    pub const PROVEN: u64 = 1 << 63;

    /// Frames passed since admission.
    #[inline(always)]
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.passed & !Self::PROVEN
    }

    /// Generation, scope, flags and notice as one word, as they lie in memory.
    #[inline(always)]
    #[must_use]
    pub const fn policy_word(generation: u32, scope: u16, flags: u8, noticed: u8) -> u64 {
        let ([g0, g1, g2, g3], [s0, s1]) = (generation.to_ne_bytes(), scope.to_ne_bytes());
        u64::from_ne_bytes([g0, g1, g2, g3, s0, s1, flags, noticed])
    }

    /// The parts of such a word.
    #[inline(always)]
    #[must_use]
    pub const fn of_policy_word(word: u64) -> (u32, u16, u8, u8) {
        let [g0, g1, g2, g3, s0, s1, flags, noticed] = word.to_ne_bytes();
        (u32::from_ne_bytes([g0, g1, g2, g3]), u16::from_ne_bytes([s0, s1]), flags, noticed)
    }

    /// Whether the client has proven its address.
    #[inline(always)]
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.passed & Self::PROVEN != 0
    }
}

const _: () = assert!(core::mem::offset_of!(Slot, generation).is_multiple_of(8), "one aligned word");

/// State that only some packets of a client need, in an array parallel to the slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SlotDetails {
    /// Theoretical arrival time of the limit on new connections, in nanoseconds.
    pub connections_tat: u64,
    /// Theoretical arrival time of the limit on requests.
    pub requests_tat: u64,
    /// Expiry of the block that covers this client; see [`super::BlockEntry::until`].
    pub blocked_until: u64,
    /// HTTP requests and new TCP connections since admission, dropped ones included, packed in one word: a frame that
    /// is either costs one addition. See [`Self::requests`] and [`Self::connections`].
    pub counts: u64,
}

impl SlotDetails {
    /// One connection in [`Self::counts`]; the bits below count requests.
    pub const CONNECTION: u64 = 1 << 40;

    /// HTTP requests recognised since admission: up to 2^40, which takes 34 years at a thousand a second.
    #[inline(always)]
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.counts & (Self::CONNECTION - 1)
    }

    /// TCP connection attempts since admission, modulo [`Self::CONNECTIONS_MODULO`].
    #[inline(always)]
    #[must_use]
    pub const fn connections(&self) -> u64 {
        self.counts >> 40
    }

    /// The connection count wraps to 0 here.
    pub const CONNECTIONS_MODULO: u64 = 1 << 24;
}

/// The notice period that a tick falls in, 1,024 ticks long (4 s at 250 Hz): at most one notice per client and period.
/// Never 0.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the period is meant modulo 2^8")]
pub const fn notice_period(tick: u64) -> u8 {
    ((tick >> 10) as u8) | 1
}

/// What the sources of one network that are not in the client table have used, all together, by [`super::Dimension`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NetworkBudget {
    /// Theoretical arrival times, in nanoseconds.
    pub tats: [u64; 4],
}

/// What the clients of one site that have the same limits have used, all together; on one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SiteBudget {
    /// Whose budget this is; see [`crate::table::site`].
    pub site: u64,
    /// Theoretical arrival times by [`super::Dimension`], in nanoseconds. If none lies ahead of now, another site may
    /// take the place: it finds nothing to pay, and this one forgets nothing.
    pub tats: [u64; 4],
    /// Keeps the size that of a cache line.
    pub reserved: [u64; 3],
}

/// Tags of one bucket: byte 0 holds the lock and a mark, bytes 1 to 7 the tags of its ways (0 if empty).
pub type TagWord = u64;

/// Ring-buffer record: a client exceeded a limit for the first time in a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OverLimit {
    /// The client's key.
    pub key: ClientKey,
    /// Time by the data plane's clock, in nanoseconds.
    pub at: u64,
    /// A [`super::Reason`].
    pub reason: u32,
    /// A [`super::Verdict`].
    pub verdict: u32,
    /// Index of the interface.
    pub ifindex: u32,
    /// The scope whose limit was exceeded.
    pub scope: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_policy_is_that_of_the_slot() {
        let slot = Slot { generation: 0x0102_0304, scope: 0x0506, flags: 7, noticed: 9, ..Slot::default() };
        let bytes = bytemuck::bytes_of(&slot);
        let word = u64::from_ne_bytes(*bytes.last_chunk().unwrap());
        assert_eq!(word, Slot::policy_word(slot.generation, slot.scope, slot.flags, slot.noticed));
        assert_eq!(Slot::of_policy_word(word), (slot.generation, slot.scope, slot.flags, slot.noticed));
    }
}
