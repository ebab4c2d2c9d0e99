//! Charging a client's limits.

use sensor_common::abi::{Reason, ScopeLimits};
use sensor_common::limit::{Quota, Step};

use crate::admit::Client;
use crate::{atomic, clock, maps};

/// What one frame costs.
pub(crate) struct Load {
    /// Bytes of the frame.
    pub(crate) bytes: u64,
    /// It opens a TCP connection.
    pub(crate) opens: bool,
    /// It starts an HTTP request.
    pub(crate) request: bool,
}

impl Load {
    /// The same in one register, for functions that the verifier checks on their own: these take numbers only.
    #[inline(always)]
    pub(crate) const fn packed(&self) -> u64 {
        self.bytes << 2 | (self.opens as u64) << 1 | self.request as u64
    }
}

/// Attempts to move one TAT before giving up in favour of other CPUs. Each failure means that another CPU moved it, so
/// a client that loses eight times is sending from many queues at once.
const ATTEMPTS: u32 = 8;

/// Charges a frame to a client, or returns the limit that it would exceed.
///
/// A frame over one limit is charged to none. The exception: another CPU uses up a limit between the check and the
/// charge; then the limits charged before it were charged for nothing.
#[inline(always)]
pub(crate) fn charge(client: Client, limits: &ScopeLimits, load: &Load, now: u64) -> Reason {
    let [packets, bits, ..] = &limits.quotas;
    // SAFETY: the address of a field of a map value.
    let packets_tat = unsafe { &raw mut (*client.slot).packets_tat };
    // SAFETY: as above.
    let bits_tat = unsafe { &raw mut (*client.slot).bits_tat };
    let packets = Ask::new(packets, packets_tat, Reason::PacketRate, 1);
    let bits = Ask::new(bits, bits_tat, Reason::BitRate, load.bytes.wrapping_mul(8));
    if packets.exceeds(now) {
        return packets.reason;
    }
    if bits.exceeds(now) {
        return bits.reason;
    }
    // Few frames open a connection or start a request; the others do not touch the details.
    if load.opens || load.request {
        return charge_all(client, limits, &packets, &bits, load, now);
    }
    charge_two(&packets, &bits, now)
}

#[inline(always)]
fn charge_two(packets: &Ask<'_>, bits: &Ask<'_>, now: u64) -> Reason {
    if !packets.charge(now) {
        return packets.reason;
    }
    if !bits.charge(now) {
        return bits.reason;
    }
    Reason::None
}

#[inline(always)]
fn charge_all(
    client: Client,
    limits: &ScopeLimits,
    packets: &Ask<'_>,
    bits: &Ask<'_>,
    load: &Load,
    now: u64,
) -> Reason {
    let [.., connections, requests] = &limits.quotas;
    let Some(details) = client.details() else { return Reason::None };
    // SAFETY: the address of a field of a map value.
    let connections_tat = unsafe { &raw mut (*details).connections_tat };
    // SAFETY: as above.
    let requests_tat = unsafe { &raw mut (*details).requests_tat };
    let connections = Ask::new(connections, connections_tat, Reason::ConnectionRate, 1);
    let requests = Ask::new(requests, requests_tat, Reason::RequestRate, 1);
    if load.opens && connections.exceeds(now) {
        return connections.reason;
    }
    if load.request && requests.exceeds(now) {
        return requests.reason;
    }
    let reason = charge_two(packets, bits, now);
    if reason != Reason::None {
        return reason;
    }
    if load.opens && !connections.charge(now) {
        return connections.reason;
    }
    if load.request && !requests.charge(now) {
        return requests.reason;
    }
    Reason::None
}

/// Charges a frame to what the newcomers of a network may use: a part of the newcomers' rate, and, but for the packets,
/// the limits of a scope if there is one of that index. Returns a [`Reason`]'s number.
///
/// Exported: the verifier checks it once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn charge_network(network: u32, scope: u32, load: u64, now: u64) -> u32 {
    let (Some(budget), Some(settings)) = (maps::NETWORKS.get_ptr_mut(network), maps::settings()) else {
        return Reason::None as u32;
    };
    // SAFETY: the address of a field of a map value.
    let tats = unsafe { &raw mut (*budget).tats }.cast::<u64>();
    let packets = Ask::new(&settings.newcomers_per_network, tats, Reason::NewcomerRate, 1);
    if packets.exceeds(now) {
        return packets.reason as u32;
    }
    // SAFETY: array entries live as long as the program.
    if let Some(limits) = maps::SCOPES.get_ptr(scope).map(|limits| unsafe { &*limits }) {
        let [_, bits, connections, requests] = &limits.quotas;
        // SAFETY: as above; there are four.
        let [of_bits, of_connections, of_requests] = unsafe { [tats.add(1), tats.add(2), tats.add(3)] };
        let bits = Ask::new(bits, of_bits, Reason::BitRate, load >> 2 << 3);
        let connections = Ask::new(connections, of_connections, Reason::ConnectionRate, load >> 1 & 1);
        let requests = Ask::new(requests, of_requests, Reason::RequestRate, load & 1);
        for ask in [&bits, &connections, &requests] {
            if ask.exceeds(now) {
                return ask.reason as u32;
            }
        }
        for ask in [&bits, &connections, &requests] {
            if !ask.charge(now) {
                return ask.reason as u32;
            }
        }
    }
    let reason = if packets.charge(now) { Reason::None } else { packets.reason };
    reason as u32
}

/// Charges a newcomer's frame to its network; see [`charge_network`].
#[inline(always)]
pub(crate) fn of_network(network: u32, scope: u32, load: &Load, now: u64) -> Reason {
    const BITS: u32 = Reason::BitRate as u32;
    const CONNECTIONS: u32 = Reason::ConnectionRate as u32;
    const REQUESTS: u32 = Reason::RequestRate as u32;
    const NEWCOMERS: u32 = Reason::NewcomerRate as u32;
    match charge_network(network, scope, load.packed(), now) {
        BITS => Reason::BitRate,
        CONNECTIONS => Reason::ConnectionRate,
        REQUESTS => Reason::RequestRate,
        NEWCOMERS => Reason::NewcomerRate,
        _ => Reason::None,
    }
}

/// Whether a TAT has no room for `cost`.
///
/// # Safety
/// `tat` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn exceeds(tat: *mut u64, quota: &Quota, cost: u64, now: u64) -> bool {
    // SAFETY: the caller's promise.
    quota.step(unsafe { tat.read_volatile() }, now, cost) == Step::Exceeds
}

/// Records the arrival of a frame in a TAT that lies in the past, where it is equivalent to one of now.
///
/// Tried once: if another CPU was quicker, it wrote a later time.
#[inline(always)]
pub(crate) fn touch(client: Client, now: u64) {
    // SAFETY: the address of a field of a map value.
    let tat = unsafe { &raw mut (*client.slot).packets_tat };
    // SAFETY: as above.
    let found = unsafe { tat.read_volatile() };
    if found < now {
        // SAFETY: as above.
        unsafe { atomic::compare_exchange(tat, found, now) };
    }
}

/// One limit that a frame is checked against.
struct Ask<'a> {
    quota: &'a Quota,
    tat: *mut u64,
    reason: Reason,
    cost: u64,
}

impl<'a> Ask<'a> {
    #[inline(always)]
    fn new(quota: &'a Quota, tat: *mut u64, reason: Reason, units: u64) -> Self {
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
        let next = match quota.step(current, now, cost) {
            Step::Conforms(next) => next,
            // SAFETY: the caller's promise.
            Step::Clamped(_) => return unsafe { clamp(tat, current, quota.depth()) },
            Step::Exceeds => return false,
        };
        // SAFETY: the caller's promise.
        let found = unsafe { atomic::compare_exchange(tat, current, next) };
        if found == current {
            return true;
        }
        current = found;
    }
    false
}

/// Moves a TAT back to `depth` ahead of now; returns whether this CPU did.
///
/// Reads the clock again: a CPU that read it just before a tick would otherwise mistake another CPU's charge from just
/// after it for another quota's. Not inlined: it runs once per client and change of its limits.
///
/// # Safety
/// `tat` is an aligned pointer into a map value.
#[inline(never)]
unsafe fn clamp(tat: *mut u64, current: u64, depth: u64) -> bool {
    let Some(settings) = maps::settings() else { return false };
    let furthest = clock::now(settings).ns.wrapping_add(depth);
    // SAFETY: the caller's promise.
    current > furthest && unsafe { atomic::compare_exchange(tat, current, furthest) } == current
}
