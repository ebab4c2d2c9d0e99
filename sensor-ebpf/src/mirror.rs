//! Copies TCP segments for user space. Packets pass regardless.
//!
//! Segments that user space does not need are not copied: other ports, bytes beyond the snap length, bytes that an
//! instruction for the connection says to skip, packets that the kernel drops before TCP. Acknowledgements without
//! payload are copied: they show what this host's TCP has accepted, and what it will accept. Connections in TLS and in
//! HTTP/2, and those that switch protocols, are copied whole, within a budget, until user space says that it need not be.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::TcContext;
use sensor_common::abi::{
    self, CHUNK, Event, MAX_CHUNKS, MAX_SNAP, MirrorChecksum, MirrorDirection, MirrorHeader, MirrorSettings,
    PORT_WORDS, WHOLE_BURST, WHOLE_RATE,
};
use sensor_common::packet::{self, NoSegment, SegmentHeader};

use crate::access::Linear;
use crate::instruction::{WHOLE, Wanted, flow_key, note_switch, wanted};
use crate::{atomic, budget, burst, count, fragment, maps, offload, proof, ring, sight};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Copies a segment if it is of interest. `LAYER3`: frames start with the IP header.
#[inline(always)]
pub(crate) fn mirror<const LAYER3: bool>(context: &TcContext, direction: MirrorDirection) {
    let Some(settings) = maps::mirror_settings() else { return };
    let segment = match packet::segment(&Linear::<_, LAYER3>::of_skb(context)) {
        Ok(segment) => segment,
        Err(why) => {
            if why == NoSegment::Other && matches!(direction, MirrorDirection::Ingress) {
                sight::quic::<LAYER3>(context, settings);
                return;
            }
            match read_again::<LAYER3>(context, settings, direction, why) {
                Some(segment) => segment,
                None => return,
            }
        }
    };
    if matches!(direction, MirrorDirection::Egress) {
        if segment.flags & (SYN | ACK | RST) == SYN | ACK {
            sight::answered(&segment);
        }
        proof::note(context, &segment);
    }
    let port = match direction {
        MirrorDirection::Ingress => segment.destination_port,
        MirrorDirection::Egress => segment.source_port,
    };
    if !is_watched(settings, port) {
        return;
    }
    match direction {
        MirrorDirection::Ingress if offload::is_delivered(context, &segment) => {
            send::<false>(context, settings, &segment, MirrorDirection::Ingress);
        }
        MirrorDirection::Ingress => {}
        MirrorDirection::Egress => {
            note_switch(context, &segment);
            send_response(context, settings, &segment);
        }
    }
}

/// Copies a segment from a watched port. Not inlined: what it needs of the stack, and what [`proof::note`] needs when it
/// admits a client, are more than Linux 6.1 allows a chain of calls, which is 512 bytes.
#[inline(never)]
fn send_response(context: &TcContext, settings: &MirrorSettings, segment: &SegmentHeader) {
    send::<false>(context, settings, segment, MirrorDirection::Egress);
}

/// As [`mirror`], on an inner interface, such as a bridge of containers: the port identifies the server, on whichever
/// side of the interface it is.
#[inline(always)]
pub(crate) fn mirror_inner(context: &TcContext, hook: MirrorDirection) {
    let Some(settings) = maps::mirror_settings() else { return };
    let segment = match packet::segment(&Linear::<_, false>::of_skb(context)) {
        Ok(segment) => segment,
        Err(why) => match read_again::<false>(context, settings, hook, why) {
            Some(segment) => segment,
            None => return,
        },
    };
    let (request, response) =
        (is_watched(settings, segment.destination_port), is_watched(settings, segment.source_port));
    match hook {
        MirrorDirection::Ingress if request => {
            if offload::is_delivered(context, &segment) {
                send::<false>(context, settings, &segment, MirrorDirection::Ingress);
            }
        }
        MirrorDirection::Ingress if response => {
            send::<true>(context, settings, &segment, MirrorDirection::Egress);
        }
        MirrorDirection::Egress if response => {
            send::<false>(context, settings, &segment, MirrorDirection::Egress);
        }
        // The server's kernel gets the packet next; segments that it would drop are not mirrored.
        MirrorDirection::Egress if request && offload::is_intact(context, &segment) => {
            send::<true>(context, settings, &segment, MirrorDirection::Ingress);
        }
        MirrorDirection::Ingress | MirrorDirection::Egress => {}
    }
}

/// Copies a segment to or from a watched port. `CROSSED`: see [`sensor_common::abi::CROSSED`].
#[inline(always)]
fn send<const CROSSED: bool>(
    context: &TcContext,
    settings: &MirrorSettings,
    segment: &SegmentHeader,
    direction: MirrorDirection,
) {
    let length = payload_len(segment, context.len() as usize);
    let snap = settings.snap;
    let wanted = wanted(context, settings, segment, direction, length);
    let Some(Wanted { snap: wanted, peer_sent }) = wanted.checked() else {
        count::event(Event::MirrorSkipped);
        return;
    };
    let is_egress = matches!(direction, MirrorDirection::Egress);
    if !is_egress && length > 0 {
        burst::end(&flow_key(segment, direction));
    }
    let snap = if wanted == WHOLE {
        let is_cut = options_len(segment).wrapping_add(length) > snap;
        if is_cut && may_copy_whole(settings, length) { MAX_SNAP } else { snap }
    } else if is_egress {
        burst::snap(context, segment, length, snap)
    } else {
        snap
    };
    let checksum = match direction {
        MirrorDirection::Ingress => offload::checksum(context, settings),
        MirrorDirection::Egress => MirrorChecksum::Holds,
    };
    let crossed = if CROSSED { abi::CROSSED } else { 0 };
    copy(context, settings, segment, &Copy { direction, crossed, length, snap, checksum, peer_sent });
}

/// How much of a segment is copied, and its metadata.
struct Copy {
    direction: MirrorDirection,
    /// Further metadata.
    crossed: u8,
    /// Payload bytes.
    length: u32,
    /// Maximum bytes copied, options included.
    snap: u32,
    checksum: MirrorChecksum,
    /// See [`MirrorHeader::peer_sent`].
    peer_sent: Option<u32>,
}

/// Bytes of headers pulled into the linear part if they are outside: 64 VLAN tags, 40 of IPv6, 60 of TCP, and the rest
/// for extension headers.
pub(crate) const HEADERS: u32 = 512;

/// Headers may lie outside the linear part of the buffer, put there by a driver or a sender of raw packets. This is
/// rare, and checking each buffer's length first would pull in bytes of every segment of which only the payload is
/// outside.
#[inline(always)]
fn read_again<const LAYER3: bool>(
    context: &TcContext,
    settings: &MirrorSettings,
    direction: MirrorDirection,
    why: NoSegment,
) -> Option<SegmentHeader> {
    let mut why = why;
    if why == NoSegment::Unread {
        let (length, linear) = (context.len(), Linear::<_, LAYER3>::of_skb(context).len());
        if linear >= length as u64 {
            // It is complete, and too short.
            return None;
        }
        let wanted = if length < HEADERS { length } else { HEADERS };
        // Pointers into the packet are invalid after this, whether it succeeds or not.
        if context.pull_data(wanted).is_ok() {
            match packet::segment(&Linear::<_, LAYER3>::of_skb(context)) {
                Ok(segment) => return Some(segment),
                Err(reason) => why = reason,
            }
        }
    }
    fragment::read::<LAYER3>(context, settings, direction, why)
}

const NS_PER_BYTE: u64 = 1_000_000_000 / WHOLE_RATE;
/// How far the theoretical arrival time of [`maps::WHOLE`] may run ahead.
const AHEAD: u64 = WHOLE_BURST * NS_PER_BYTE;

/// Whether there is room and budget for a long segment; if not, that is counted. Half of the ring is left to others.
#[inline(always)]
fn may_copy_whole(settings: &MirrorSettings, length: u32) -> bool {
    // SAFETY: the helper has no arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let cost = (length as u64).wrapping_mul(NS_PER_BYTE);
    let may = !ring::is_half_full(settings) && budget::take(&maps::WHOLE, now, cost, AHEAD);
    if !may {
        count::event(Event::MirrorTruncated);
    }
    may
}

/// Whether traffic of a port is mirrored: there is a listener on it.
#[inline(always)]
pub(crate) fn is_watched(settings: &MirrorSettings, port: u16) -> bool {
    // The verifier of Linux 6.1 forgets the upper bound of a spilled port, and the compiler would omit a mask that it
    // knows to be redundant.
    let word = (atomic::opaque(port as u64) >> 6) as usize & (PORT_WORDS - 1);
    // SAFETY: the mask keeps it below the number of words.
    let word = unsafe { *settings.ports.get_unchecked(word) };
    word >> (port & 63) & 1 != 0
}

/// Bytes of payload, by the IP header, without the padding of short frames; an aggregate may be longer than that header
/// can express.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a buffer has fewer than 2^32 bytes")]
pub(crate) const fn payload_len(segment: &SegmentHeader, frame: usize) -> u32 {
    let end = match segment.end {
        Some(end) if end <= frame => end,
        _ => frame,
    };
    end.saturating_sub(segment.payload) as u32
}

/// Puts the segment into this CPU's ring, one record for each [`CHUNK`] of options and payload.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a TCP header has at most 40 bytes of options")]
fn copy(context: &TcContext, settings: &MirrorSettings, segment: &SegmentHeader, copy: &Copy) {
    let &Copy { direction, length, snap, checksum, .. } = copy;
    let options = options_len(segment);
    let total = options.wrapping_add(length);
    let checksum = if total > CHUNK { offload::beyond_a_record(checksum) } else { checksum };
    // Verifying a checksum takes the whole segment.
    let snap = if offload::takes_all(checksum) { CHUNK } else { snap };
    let captured = if total < snap { total } else { snap };
    let mut header = header_of(context, segment, copy);
    header.captured = captured;
    header.options = options as u8;
    header.integrity = checksum as u8;
    let mut done = 0;
    let mut told = 0;
    for _ in 0..MAX_CHUNKS {
        let rest = captured.wrapping_sub(done);
        let is_last = rest <= CHUNK;
        header.captured = if is_last { rest } else { CHUNK };
        // The last record also accounts for the bytes not copied.
        let payload = header.captured.wrapping_sub(header.options as u32);
        header.length = if is_last { length.wrapping_sub(told) } else { payload };
        header.sequence = segment.sequence.wrapping_add(told);
        // A SYN takes the sequence number before the first byte of data in its segment, and FIN the one after the last.
        header.flags = flags_of(segment.flags, done == 0, is_last);
        if segment.flags & SYN != 0 && done != 0 {
            header.sequence = header.sequence.wrapping_add(1);
        }
        if !ring::put(context, settings, &header, segment.options.wrapping_add(done as usize)) {
            return;
        }
        if is_last {
            break;
        }
        done = done.wrapping_add(CHUNK);
        told = told.wrapping_add(payload);
        header.options = 0;
    }
    count::mirrored(direction, captured);
}

/// Bytes of TCP options, which are copied in front of the payload.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a TCP header has at most 40 bytes of options")]
const fn options_len(segment: &SegmentHeader) -> u32 {
    segment.payload.wrapping_sub(segment.options) as u32 & 0x3f
}

/// The fields of a segment's first record.
#[inline(always)]
fn header_of(context: &TcContext, segment: &SegmentHeader, copy: &Copy) -> MirrorHeader {
    MirrorHeader {
        // SAFETY: the helper has no arguments.
        time: unsafe { bpf_ktime_get_ns() },
        source: segment.source,
        destination: segment.destination,
        source_port: segment.source_port,
        destination_port: segment.destination_port,
        // SAFETY: a field of the context.
        ifindex: unsafe { (*context.skb.skb).ifindex },
        sequence: segment.sequence,
        acknowledgement: segment.acknowledgement,
        length: copy.length,
        captured: 0,
        urgent: segment.urgent,
        flags: segment.flags,
        direction: copy.direction as u8 | copy.crossed,
        window: segment.window,
        checksum: segment.checksum,
        peer_sent: copy.peer_sent.unwrap_or_default(),
        data_offset: segment.data_offset,
        options: 0,
        integrity: 0,
        peer_sent_known: copy.peer_sent.is_some() as u8,
    }
}

#[inline(always)]
const fn flags_of(flags: u8, is_first: bool, is_last: bool) -> u8 {
    let flags = if is_first { flags } else { flags & !SYN };
    if is_last { flags } else { flags & !(FIN | RST) }
}
