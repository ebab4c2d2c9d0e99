//! What the kernel knows about a received packet beyond its bytes: whether its checksum was verified, and whether the
//! packet is for this host.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_CSUM_LEVEL_QUERY;
use aya_ebpf::helpers::generated::{bpf_csum_level, bpf_probe_read_kernel};
use aya_ebpf::programs::TcContext;
use sensor_common::abi::{Event, MirrorChecksum, MirrorSettings, UNKNOWN_PLACE};
use sensor_common::packet::SegmentHeader;

use crate::count;

/// `PACKET_HOST` of `linux/if_packet.h`; TCP accepts no other type (`tcp_v4_rcv`, `tcp_v6_rcv`).
const PACKET_HOST: u32 = 0;
/// `CHECKSUM_UNNECESSARY` of `linux/skbuff.h`.
const CHECKSUM_UNNECESSARY: u8 = 1;
/// `CHECKSUM_PARTIAL`: its sender is on this machine and left the checksum to be completed; or a GRO aggregate, since
/// GRO joins only segments with correct checksums.
const CHECKSUM_PARTIAL: u8 = 3;

/// Whether IP hands the packet on to TCP.
#[inline(always)]
pub(crate) fn is_delivered(context: &TcContext, segment: &SegmentHeader) -> bool {
    is_for_this_host(context) && is_intact(context, segment)
}

/// Whether the kernel accepts the packet's IP header.
#[inline(always)]
pub(crate) fn is_intact(context: &TcContext, segment: &SegmentHeader) -> bool {
    let is_longer = matches!(segment.end, Some(end) if end > context.len() as usize);
    if is_longer || !network_checksum_holds(segment) {
        count::event(Event::MirrorBadIp);
        return false;
    }
    true
}

/// Whether the frame is addressed to this host alone.
#[inline(always)]
pub(crate) fn is_for_this_host(context: &TcContext) -> bool {
    // SAFETY: a field of the context.
    if unsafe { (*context.skb.skb).pkt_type } == PACKET_HOST {
        return true;
    }
    count::event(Event::MirrorOtherHost);
    false
}

/// Whether the checksum of the IPv4 header is correct (`ip_rcv_core`).
#[inline(always)]
const fn network_checksum_holds(segment: &SegmentHeader) -> bool {
    let folded = (segment.network_sum & 0xffff).wrapping_add(segment.network_sum >> 16);
    (folded & 0xffff).wrapping_add(folded >> 16) == 0xffff
}

/// State of a received segment's checksum.
#[inline(always)]
pub(crate) fn checksum(context: &TcContext, settings: &MirrorSettings) -> MirrorChecksum {
    // SAFETY: a field of the context.
    if unsafe { (*context.skb.skb).gso_size } != 0 {
        return MirrorChecksum::Holds;
    }
    // SAFETY: a query changes nothing.
    if unsafe { bpf_csum_level(context.skb.skb, BPF_CSUM_LEVEL_QUERY as u64) } >= 0 {
        return MirrorChecksum::Holds;
    }
    match ip_summed(context, settings.ip_summed) {
        Some(CHECKSUM_UNNECESSARY | CHECKSUM_PARTIAL) => MirrorChecksum::Holds,
        Some(_) => MirrorChecksum::Unverified,
        None => MirrorChecksum::UnverifiedOrPartial,
    }
}

/// `ip_summed` of the `sk_buff`, which programs at tc cannot access directly.
#[inline(always)]
pub(crate) fn ip_summed(context: &TcContext, place: u32) -> Option<u8> {
    if place == UNKNOWN_PLACE {
        return None;
    }
    let mut byte = 0_u8;
    // The context of a program at tc is the `sk_buff` itself.
    let address = (context.as_ptr() as u64).wrapping_add((place & 0xffff) as u64);
    // SAFETY: the helper reads kernel memory, or returns an error.
    let read = unsafe { bpf_probe_read_kernel((&raw mut byte).cast(), 1, address as *const _) };
    (read == 0).then_some(byte >> (place >> 16 & 7) & 3)
}

/// State of the checksum if the segment is longer than one record.
#[inline(always)]
pub(crate) const fn beyond_a_record(checksum: MirrorChecksum) -> MirrorChecksum {
    match checksum {
        MirrorChecksum::Holds => MirrorChecksum::Holds,
        MirrorChecksum::Unverified | MirrorChecksum::UnverifiedOrPartial | MirrorChecksum::Unverifiable => {
            MirrorChecksum::Unverifiable
        }
    }
}

/// Whether user space needs every byte of the segment.
#[inline(always)]
pub(crate) const fn takes_all(checksum: MirrorChecksum) -> bool {
    matches!(checksum, MirrorChecksum::Unverified | MirrorChecksum::UnverifiedOrPartial)
}
