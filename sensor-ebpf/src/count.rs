//! Per-CPU counters.

use sensor_common::abi::{
    Event, Family, InterfaceSlot, MAX_INTERFACES, MirrorDirection, Reason, Settings, Verdict, counter_index,
};
use sensor_common::packet::Problem;

use crate::maps::{self, COUNTERS, EVENTS};

/// Counts a frame under its labels.
#[inline(always)]
pub(crate) fn frame(interface: InterfaceSlot, family: Family, verdict: Verdict, reason: Reason, bytes: u64) {
    if let Some(counter) = COUNTERS.get_ptr_mut(counter_index(interface, family as u32, verdict, reason)) {
        // SAFETY: this CPU's own copy; nothing else on this CPU runs the program concurrently.
        let counter = unsafe { &mut *counter };
        counter.packets = counter.packets.wrapping_add(1);
        counter.bytes = counter.bytes.wrapping_add(bytes);
    }
}

/// Counts an event.
#[inline(always)]
pub(crate) fn event(event: Event) {
    add_event(event as u32);
}

/// Counts a frame that could not be read in full.
#[inline(always)]
pub(crate) fn problem(problem: Problem) {
    add_event(Event::index_of_problem(problem));
}

/// Counts a mirrored segment and the payload bytes copied of it.
#[inline(always)]
pub(crate) fn mirrored(direction: MirrorDirection, bytes: u32) {
    let (segments, total) = match direction {
        MirrorDirection::Ingress => (Event::MirroredIngress, Event::MirroredIngressBytes),
        MirrorDirection::Egress => (Event::MirroredEgress, Event::MirroredEgressBytes),
    };
    add_to_event(segments as u32, 1);
    add_to_event(total as u32, bytes as u64);
}

#[inline(always)]
fn add_event(index: u32) {
    add_to_event(index, 1);
}

#[inline(always)]
fn add_to_event(index: u32, amount: u64) {
    if let Some(count) = EVENTS.get_ptr_mut(index) {
        // SAFETY: as above.
        let count = unsafe { &mut *count };
        *count = count.wrapping_add(amount);
    }
}

/// The slot of an interface. Nearly always the first, so the search costs one comparison.
#[inline(always)]
pub(crate) fn interface_slot(settings: &Settings, ifindex: u32) -> InterfaceSlot {
    if settings.interfaces[0] == ifindex { 0 } else { later_slot(ifindex) }
}

/// Exported: the verifier checks it once and on its own. Inlined, it would be followed from every verdict.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn later_slot(ifindex: u32) -> InterfaceSlot {
    let Some(settings) = maps::settings() else { return MAX_INTERFACES };
    for slot in 1..MAX_INTERFACES {
        // SAFETY: the slot is below the array's length.
        if unsafe { *settings.interfaces.get_unchecked(slot as usize) } == ifindex {
            return slot;
        }
    }
    event(Event::UnknownInterface);
    MAX_INTERFACES
}
