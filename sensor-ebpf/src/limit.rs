//! Charging a client's limits.

use sensor_common::abi::{Dimension, Reason, ScopeLimits, Slot};
use sensor_common::limit::{Quota, Step};

use crate::atomic;

/// What one frame costs.
pub(crate) struct Load {
    /// Bytes of the frame.
    pub(crate) bytes: u64,
    /// It opens a TCP connection.
    pub(crate) opens: bool,
    /// It starts an HTTP request.
    pub(crate) request: bool,
}

/// Attempts to move one TAT before giving in to the other CPUs. Each failure means that another CPU moved
/// it, so a client that loses eight times is sending from many queues at once.
const ATTEMPTS: u32 = 8;

/// Charges a frame to a client, or says which limit it would exceed.
///
/// A frame over one limit is charged to none, whichever comes first; only if another CPU takes the last of a
/// limit between the look and the charge are limits before it charged in vain.
#[inline(always)]
pub(crate) fn charge(slot: *mut Slot, limits: &ScopeLimits, load: &Load, now: u64) -> Reason {
    let [packets, bits, connections, requests] = &limits.quotas;
    let asks = [
        Ask::new(packets, slot, Dimension::Packets, Reason::PacketRate, 1),
        Ask::new(bits, slot, Dimension::Bits, Reason::BitRate, load.bytes.wrapping_mul(8)),
        Ask::new(connections, slot, Dimension::Connections, Reason::ConnectionRate, load.opens as u64),
        Ask::new(requests, slot, Dimension::Requests, Reason::RequestRate, load.request as u64),
    ];
    let [packets, bits, connections, requests] = &asks;
    // Written out: a loop over references into an array would put them on the stack.
    if packets.exceeds(now) {
        return packets.reason;
    }
    if bits.exceeds(now) {
        return bits.reason;
    }
    if load.opens && connections.exceeds(now) {
        return connections.reason;
    }
    if load.request && requests.exceeds(now) {
        return requests.reason;
    }
    if !packets.charge(now) {
        return packets.reason;
    }
    if !bits.charge(now) {
        return bits.reason;
    }
    if load.opens && !connections.charge(now) {
        return connections.reason;
    }
    if load.request && !requests.charge(now) {
        return requests.reason;
    }
    Reason::None
}

/// One limit that a frame is put to.
struct Ask<'a> {
    quota: &'a Quota,
    tat: *mut u64,
    reason: Reason,
    cost: u64,
}

impl<'a> Ask<'a> {
    #[inline(always)]
    fn new(quota: &'a Quota, slot: *mut Slot, dimension: Dimension, reason: Reason, units: u64) -> Self {
        // SAFETY: the address of a field of a map value.
        let first = unsafe { &raw mut (*slot).tat }.cast::<u64>();
        // SAFETY: there is one entry for each dimension.
        let tat = unsafe { first.add(dimension as usize) };
        Self { quota, tat, reason, cost: quota.cost(units) }
    }

    #[inline(always)]
    fn exceeds(&self, now: u64) -> bool {
        // SAFETY: a field of a map value.
        let tat = unsafe { self.tat.read_volatile() };
        !self.quota.is_off() && self.quota.step(tat, now, self.cost) == Step::Exceeds
    }

    #[inline(always)]
    fn charge(&self, now: u64) -> bool {
        // SAFETY: a field of a map value.
        self.quota.is_off() || unsafe { advance(self.tat, self.quota, self.cost, now) }
    }
}

/// Moves a TAT by `cost` if that conforms; exact across CPUs.
///
/// # Safety
/// `tat` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn advance(tat: *mut u64, quota: &Quota, cost: u64, now: u64) -> bool {
    // SAFETY: the caller's promise.
    let mut current = unsafe { tat.read_volatile() };
    for _ in 0..ATTEMPTS {
        let Step::Conforms(next) = quota.step(current, now, cost) else { return false };
        // SAFETY: the caller's promise.
        let found = unsafe { atomic::compare_exchange(tat, current, next) };
        if found == current {
            return true;
        }
        current = found;
    }
    false
}
