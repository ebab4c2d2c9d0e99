//! Counters that the program keeps per CPU.

use bytemuck::{Pod, Zeroable};

use super::verdict::{Reason, Verdict};
use crate::packet::Problem;

/// Packets and frame bytes of one combination of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Counter {
    /// Frames.
    pub packets: u64,
    /// Bytes of those frames, including the Ethernet header but not the frame check sequence.
    pub bytes: u64,
}

/// Maximum number of interfaces served by one data plane.
pub const MAX_INTERFACES: u32 = 16;
/// Address families counted: IPv4, IPv6, and frames that are neither or unreadable.
pub const FAMILIES: u32 = 3;
/// Members of [`Verdict`].
pub const VERDICTS: u32 = 4;
/// Members of [`Reason`].
pub const REASONS: u32 = 15;
/// Entries of the counter map; the last interface slot collects frames of unknown interfaces.
pub const COUNTERS: u32 = (MAX_INTERFACES + 1) * FAMILIES * VERDICTS * REASONS;

/// Position of an interface in [`super::Settings::interfaces`]; [`MAX_INTERFACES`] if it is not listed.
pub type InterfaceSlot = u32;

/// Index of a combination in the counter map.
#[inline(always)]
#[must_use]
pub const fn counter_index(interface: InterfaceSlot, family: u32, verdict: Verdict, reason: Reason) -> u32 {
    let by_family = interface.wrapping_mul(FAMILIES).wrapping_add(family);
    let by_verdict = by_family.wrapping_mul(VERDICTS).wrapping_add(verdict as u32);
    by_verdict.wrapping_mul(REASONS).wrapping_add(reason as u32)
}

/// Events other than verdicts: losses, bounds reached, unreadable frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Event {
    /// A client entered the table.
    ClientAdmitted = 0,
    /// An idle client left the table for a new one.
    ClientEvicted = 1,
    /// No room for a new client: its buckets hold only clients that are not idle.
    TableFull = 2,
    /// Another CPU held the bucket's lock; the source remains a newcomer for this packet.
    AdmissionContended = 3,
    /// An over-limit notice was lost because the ring buffer was full.
    NoticeLost = 4,
    /// An over-limit notice exceeded the rate of notices.
    NoticeSuppressed = 5,
    /// A frame came from an interface that is not in the settings.
    UnknownInterface = 6,
    /// A segment towards this host was mirrored.
    MirroredIngress = 7,
    /// A segment from this host was mirrored.
    MirroredEgress = 8,
    /// Payload bytes of mirrored segments towards this host.
    MirroredIngressBytes = 9,
    /// Payload bytes of mirrored segments from this host.
    MirroredEgressBytes = 10,
    /// A segment was left out because an instruction for its connection said so.
    MirrorSkipped = 11,
    /// A segment was lost because its CPU's ring was full.
    MirrorRingFull = 12,
    /// The bytes of a segment could not be read.
    MirrorLoadFailed = 13,
    /// The headers of a possible TCP segment lie where they cannot be read.
    MirrorUnread = 14,
    /// A TCP segment from this host left as IP fragments; each fragment counts.
    MirrorFragment = 15,
    /// A datagram towards this host that user space parses whole was mirrored; see [`super::DATAGRAM`].
    MirroredDatagrams = 16,
    /// Such a datagram exceeded the budget and was not mirrored.
    MirrorDatagramBudget = 17,
    /// A frame had more VLAN tags than the parser follows.
    MirrorTagDepth = 18,
    /// A packet of this host had more IPv6 extension headers than the parser follows.
    MirrorExtensionDepth = 19,
    /// A segment was not mirrored because the kernel drops its packet: the IPv4 header checksum is wrong, or the
    /// datagram is longer than its frame.
    MirrorBadIp = 20,
    /// As above, because its frame is addressed to another host or to a group.
    MirrorOtherHost = 21,
    /// A client proved its address.
    ClientProven = 22,
    /// A client that had not proven its address left a full table for one that had.
    ClientDisplaced = 23,
    /// A newcomer over a limit acknowledged a valid SYN cookie.
    CookieAccepted = 24,
    /// The snap length truncated a segment of a connection that is copied whole, because the budget for that was spent
    /// or the ring half full.
    MirrorTruncated = 25,
    /// A packet was not charged to its client's site, because other sites were using both places for its budget; the
    /// client's own limits applied.
    SiteUncounted = 26,
    /// A request over the limit was answered with `429`.
    TooManyAnswered = 27,
    /// One was dropped as ever: it is not one whole head in one segment.
    TooManyShape = 28,
    /// As above: there is no established connection of this host in step with it.
    TooManySocket = 29,
    /// As above: the answer could not be sent.
    TooManyFailed = 30,
    /// First of the [`Problem`] kinds, which follow in their own order.
    FirstProblem = 31,
}

/// Entries of the event map; `NonLinear` is the last problem.
pub const EVENTS: u32 = Event::FirstProblem as u32 + Problem::NonLinear as u32 + 1;

impl Event {
    /// The map index of a frame that could not be read in full.
    #[inline(always)]
    #[must_use]
    pub const fn index_of_problem(problem: Problem) -> u32 {
        (Self::FirstProblem as u32).wrapping_add(problem as u32)
    }
}
