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
    /// Bytes of those frames, Ethernet header included, frame check sequence not.
    pub bytes: u64,
}

/// Interfaces that one data plane serves at once.
pub const MAX_INTERFACES: u32 = 16;
/// Address families counted: IPv4, IPv6, and frames that are neither or unreadable.
pub const FAMILIES: u32 = 3;
/// Members of [`Verdict`].
pub const VERDICTS: u32 = 3;
/// Members of [`Reason`].
pub const REASONS: u32 = 13;
/// Entries of the counter map; the last interface slot collects frames of unknown interfaces.
pub const COUNTERS: u32 = (MAX_INTERFACES + 1) * FAMILIES * VERDICTS * REASONS;

/// Position of an interface in [`super::Settings::interfaces`]; [`MAX_INTERFACES`] where it is not listed.
pub type InterfaceSlot = u32;

/// Index of a combination in the counter map.
#[inline(always)]
#[must_use]
pub const fn counter_index(interface: InterfaceSlot, family: u32, verdict: Verdict, reason: Reason) -> u32 {
    let by_family = interface.wrapping_mul(FAMILIES).wrapping_add(family);
    let by_verdict = by_family.wrapping_mul(VERDICTS).wrapping_add(verdict as u32);
    by_verdict.wrapping_mul(REASONS).wrapping_add(reason as u32)
}

/// Things that happen besides verdicts: losses, bounds that were hit, frames that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Event {
    /// A client entered the table.
    ClientAdmitted = 0,
    /// An idle client left the table for a new one.
    ClientEvicted = 1,
    /// No room for a new client: its buckets are full of clients that are not idle.
    TableFull = 2,
    /// Another CPU was changing the bucket; the source stays a newcomer for this packet.
    AdmissionContended = 3,
    /// An over-limit notice found the ring buffer full.
    NoticeLost = 4,
    /// An over-limit notice was over the rate of notices.
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
    /// A segment was left out, as an instruction for its connection said.
    MirrorSkipped = 11,
    /// A segment found no room in the ring of its CPU.
    MirrorRingFull = 12,
    /// The bytes of a segment could not be read.
    MirrorLoadFailed = 13,
    /// The headers of what may be a TCP segment lie where they cannot be read.
    MirrorUnread = 14,
    /// A TCP segment of this host's left as IP fragments; each of them counts.
    MirrorFragment = 15,
    /// A datagram towards this host that user space reads whole was mirrored; see [`super::DATAGRAM`].
    MirroredDatagrams = 16,
    /// One was not, since there were too many.
    MirrorDatagramBudget = 17,
    /// A frame had more VLAN tags than are followed.
    MirrorTagDepth = 18,
    /// A packet of this host had more IPv6 extension headers than are followed.
    MirrorExtensionDepth = 19,
    /// A segment was left out of the mirror because the kernel drops its packet: an IPv4 header whose checksum does
    /// not hold, or a datagram longer than its frame.
    MirrorBadIp = 20,
    /// The same, because its frame is addressed to another host, or to several.
    MirrorOtherHost = 21,
    /// First of the [`Problem`] kinds, which follow in their own order.
    FirstProblem = 22,
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
