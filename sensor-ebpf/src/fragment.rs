//! Datagrams that only user space can parse: fragments, IPv4 with options, and IPv6 with extension headers. They are
//! copied unchanged.
//!
//! Which of them Linux accepts, and how it reassembles fragments, depends on earlier datagrams, for which there is no
//! memory here. A budget per CPU keeps a flood of them from blinding the mirror.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::TcContext;
use sensor_common::abi::{
    CHUNK, DATAGRAM, DATAGRAM_BURST, DATAGRAM_RATE, Event, MAX_PIECES, MirrorDirection, MirrorHeader,
    MirrorSettings, datagram_flags, record_size,
};
use sensor_common::packet::{self, Datagram, NoSegment, SegmentHeader};

use crate::access::Linear;
use crate::maps::DATAGRAMS;
use crate::mirror::HEADERS;
use crate::{budget, count, offload, ring};

/// The longest datagram except for an aggregate: 65,535 bytes after an IPv6 header.
const MAX_DATAGRAM: usize = 65_535 + 40;

const NS_PER_BYTE: u64 = 1_000_000_000 / DATAGRAM_RATE;
/// How far a CPU's theoretical arrival time may run ahead.
const AHEAD: u64 = DATAGRAM_BURST * NS_PER_BYTE;

/// Result for a frame without an obvious segment: a segment after all, a copy for user space, or a count.
#[inline(always)]
pub(crate) fn read<const LAYER3: bool>(
    context: &TcContext,
    settings: &MirrorSettings,
    direction: MirrorDirection,
    why: NoSegment,
) -> Option<SegmentHeader> {
    let is_datagram = matches!(why, NoSegment::Fragment | NoSegment::Extended);
    if is_datagram && matches!(direction, MirrorDirection::Ingress) && !offload::is_for_this_host(context) {
        return None;
    }
    if is_datagram && matches!(direction, MirrorDirection::Ingress) && !is_aggregate_beyond(context) {
        mirror::<LAYER3>(context, settings);
        return None;
    }
    let why = if why == NoSegment::Extended {
        match packet::segment_behind_extensions(&Linear::<_, LAYER3>::of_skb(context)) {
            Ok(segment) => return Some(segment),
            Err(why) => why,
        }
    } else {
        why
    };
    tell(why);
    None
}

/// Counts a loss.
#[inline(always)]
fn tell(why: NoSegment) {
    match why {
        NoSegment::Other | NoSegment::Extended => {}
        NoSegment::Unread => count::event(Event::MirrorUnread),
        NoSegment::Fragment => count::event(Event::MirrorFragment),
        NoSegment::TagDepth => count::event(Event::MirrorTagDepth),
        NoSegment::ExtensionDepth => count::event(Event::MirrorExtensionDepth),
    }
}

/// An aggregate beyond 64 KiB has a hop-by-hop header that Linux itself inserted, with nothing else in it.
#[inline(always)]
fn is_aggregate_beyond(context: &TcContext) -> bool {
    context.len() as usize > MAX_DATAGRAM + 22 && is_aggregate(context)
}

#[inline(always)]
fn is_aggregate(context: &TcContext) -> bool {
    // SAFETY: a field of the context.
    unsafe { (*context.skb.skb).gso_segs > 1 }
}

/// Copies a datagram that may be TCP.
#[inline(never)]
fn mirror<const LAYER3: bool>(context: &TcContext, settings: &MirrorSettings) {
    let (length, linear) = (context.len(), Linear::<_, LAYER3>::of_skb(context).len());
    let wanted = if length < HEADERS { length } else { HEADERS };
    if linear < wanted as u64 && context.pull_data(wanted).is_err() {
        return tell(NoSegment::Unread);
    }
    match packet::datagram(&Linear::<_, LAYER3>::of_skb(context)) {
        Ok(datagram) => copy(context, settings, datagram),
        Err(why) => tell(why),
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a datagram has fewer than 2^17 bytes")]
fn copy(context: &TcContext, settings: &MirrorSettings, datagram: Datagram) {
    let there = (context.len() as usize).saturating_sub(datagram.start);
    let said = match datagram.length {
        Some(length) if length <= there => length,
        // Linux rejects a datagram that is longer than its frame, too.
        Some(_) => return,
        None => there,
    };
    let length = if said < MAX_DATAGRAM { said } else { MAX_DATAGRAM } as u32;
    if length == 0 {
        return;
    }
    // SAFETY: the helper has no arguments.
    let time = unsafe { bpf_ktime_get_ns() };
    if !budget::take(&DATAGRAMS, time, record_size(length).wrapping_mul(NS_PER_BYTE), AHEAD) {
        count::event(Event::MirrorDatagramBudget);
        return;
    }
    let mut header = MirrorHeader {
        time,
        // SAFETY: a field of the context.
        ifindex: unsafe { (*context.skb.skb).ifindex },
        length,
        flags: if is_aggregate(context) { datagram_flags::AGGREGATE } else { 0 },
        direction: DATAGRAM,
        integrity: offload::checksum(context, settings) as u8,
        ..MirrorHeader::default()
    };
    let mut done = 0;
    for _ in 0..MAX_PIECES {
        let rest = length.wrapping_sub(done);
        let is_last = rest <= CHUNK;
        header.captured = if is_last { rest } else { CHUNK };
        header.sequence = done;
        if !ring::put(context, settings, &header, datagram.start.wrapping_add(done as usize)) {
            return;
        }
        if is_last {
            break;
        }
        done = done.wrapping_add(CHUNK);
    }
    count::event(Event::MirroredDatagrams);
}
