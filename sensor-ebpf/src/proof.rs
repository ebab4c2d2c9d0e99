//! Proof of address: which clients are not made up.
//!
//! This host sends data over TCP only after a handshake, whose last segment carries a number that it sent to the
//! client's address (RFC 9293, section 3.5). Nothing else that it sends proves anything: a SYN-ACK, a RST, an
//! acknowledgement of an unexpected segment and the answer to a UDP or ICMP query all go to forged sources, too.

use aya_ebpf::programs::TcContext;
use sensor_common::abi::{Event, MAX_INTERFACES, Settings, Slot};
use sensor_common::packet::SegmentHeader;
use sensor_common::table::Places;

use crate::{admit, atomic, count, maps};

const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// Marks the destination of a segment that leaves as proven, if the segment shows that.
#[inline(always)]
pub(crate) fn note(context: &TcContext, segment: &SegmentHeader) {
    if segment.flags & (SYN | RST) != 0 || !carries_data(context, segment) {
        return;
    }
    let Some(settings) = maps::settings() else { return };
    if !is_from_here(context, settings) {
        return;
    }
    let mask = if segment.destination.is_v4() { settings.mask_v4 } else { settings.mask_v6 };
    let key = segment.destination.client(mask);
    let places = Places::of(key, settings.seed, settings.buckets);
    let client = match admit::find(key, &places) {
        Some(client) => client,
        None => match admit::at(admit::admit(key.hi, key.lo, Slot::PROVEN)) {
            Some(client) => client,
            None => return,
        },
    };
    prove(client.slot);
}

/// Marks a client; counted once.
#[inline(always)]
pub(crate) fn prove(slot: *mut Slot) {
    // SAFETY: a slot of the table.
    if unsafe { (*slot).is_proven() } {
        return;
    }
    // SAFETY: the address of a field of a slot.
    let passed = unsafe { &raw mut (*slot).passed };
    // SAFETY: as above.
    unsafe { atomic::set(passed, Slot::PROVEN) };
    count::event(Event::ClientProven);
}

#[inline(always)]
fn carries_data(context: &TcContext, segment: &SegmentHeader) -> bool {
    let frame = context.len() as usize;
    let end = match segment.end {
        Some(end) if end <= frame => end,
        _ => frame,
    };
    end > segment.payload
}

/// Whether this host, or one behind it, made the packet. What only passes from one served interface to another may have
/// a made-up destination. Interfaces that are not served have no clients.
#[inline(always)]
fn is_from_here(context: &TcContext, settings: &Settings) -> bool {
    let skb = context.skb.skb;
    // SAFETY: fields of the context.
    let (leaves_by, came_from) = unsafe { ((*skb).ifindex, (*skb).ingress_ifindex) };
    is_served(settings, leaves_by) && (came_from == 0 || !is_served(settings, came_from))
}

#[inline(always)]
fn is_served(settings: &Settings, ifindex: u32) -> bool {
    for slot in 0..MAX_INTERFACES {
        // SAFETY: the slot is below the array's length.
        if unsafe { *settings.interfaces.get_unchecked(slot as usize) } == ifindex {
            return true;
        }
    }
    false
}
