//! What the mirror tells of ports without copying anything: which of this host's answered, and connections of QUIC to
//! those that are watched.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::TcContext;
use sensor_common::abi::{ClientKey, MirrorSettings, PortKey, PortSeen, PortSight, QUIC_CLIENTS};
use sensor_common::packet::{self, QuicInitial, SegmentHeader};

use crate::access::Linear;
use crate::maps::{PORTS, QUIC_SEEN};
use crate::mirror::is_watched;

/// A SYN with ACK leaves. It has the address that clients know, whatever it was translated from.
#[inline(never)]
pub(crate) fn answered(segment: &SegmentHeader) {
    note(PortKey {
        address: segment.source,
        port: segment.source_port,
        sight: PortSight::Answered as u16,
        reserved: 0,
    });
}

/// Counts a connection of QUIC that begins.
#[inline(always)]
pub(crate) fn quic<const LAYER3: bool>(context: &TcContext, settings: &MirrorSettings) {
    let Some(initial) = packet::quic_initial(&Linear::<_, LAYER3>::of_skb(context)) else { return };
    if !is_watched(settings, initial.port) || was_counted(&initial) {
        return;
    }
    note(PortKey {
        address: ClientKey { hi: 0, lo: 0 },
        port: initial.port,
        sight: PortSight::Quic as u16,
        reserved: 0,
    });
}

/// A client sends several first datagrams. Its fingerprint may be replaced by another's meanwhile: then it counts twice.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a fingerprint is part of a hash")]
fn was_counted(initial: &QuicInitial) -> bool {
    let QuicInitial { source, source_port, port } = *initial;
    let ports = (source_port as u64) << 16 | port as u64;
    // Fibonacci hashing: the upper bits of a product with 2^64 divided by the golden ratio.
    let hash = (source.hi.rotate_left(32) ^ source.lo ^ ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let place = (hash >> 48) as u32 & (QUIC_CLIENTS - 1);
    let fingerprint = (hash >> 16) as u32;
    let Some(known) = QUIC_SEEN.get_ptr_mut(place) else { return true };
    // SAFETY: array entries live as long as the program; CPUs write whole words.
    let was = unsafe { known.read_volatile() };
    if was != fingerprint {
        // SAFETY: as above.
        unsafe { known.write_volatile(fingerprint) };
    }
    was == fingerprint
}

#[inline(always)]
fn note(key: PortKey) {
    // SAFETY: the helper has no arguments.
    let time = unsafe { bpf_ktime_get_ns() };
    match PORTS.get_ptr_mut(key) {
        Some(seen) => {
            // SAFETY: an entry stays valid memory until the program ends. CPUs may write concurrently; a count may be lost.
            unsafe { (*seen).time = time };
            // SAFETY: as above.
            unsafe { (*seen).count = (*seen).count.wrapping_add(1) };
        }
        // Full of entries that are in use on other CPUs: it is told the next time.
        None => PORTS.insert(key, PortSeen { time, count: 1 }, 0).unwrap_or_default(),
    }
}
