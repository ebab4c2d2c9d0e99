//! What all clients of one site may use together: a second, coarser limit.
//!
//! Who owns an IPv6 /48 has 65,536 networks that each count as a client. A packet that its client's limits admit is
//! therefore charged to its site, too, with a fraction of what it cost the client.
//!
//! Budgets are in an array ([`maps::SITES`]), each at one of two places that a keyed hash gives. Sites never share one: a
//! place has the name of its site, and another site may take it only while nothing is owed there, so neither pays for
//! the other. A site that finds both its places in use has no budget: its packets are under their clients' limits only,
//! and counted ([`Event::SiteUncounted`]).

use sensor_common::abi::{ClientKey, Event, Reason, Settings, SiteBudget};
use sensor_common::limit::Quota;
use sensor_common::table;

use crate::limit::{self, Load};
use crate::{atomic, count, maps};

/// Charges a packet to its client's site, if sites are limited.
///
/// The client has paid before, whether its site has room or not. The weight of a client in its site is thus never more
/// than its own limits: if a refused packet were free, one client at full speed could leave its neighbours nothing.
#[inline(always)]
pub(crate) fn charge<const LAYER3: bool>(
    client: ClientKey,
    scope: u16,
    settings: &Settings,
    load: &Load,
    now: u64,
) -> Reason {
    const OVER: u32 = Reason::SiteRate as u32;
    // Without link headers, the function asks: what is kept for it here would be eight bytes of stack more than Linux 6.1
    // has left for that program.
    if !LAYER3 && times(client, settings) == 0 {
        return Reason::None;
    }
    match charge_site(client.hi, client.lo, scope, load.packed(), now) {
        OVER => Reason::SiteRate,
        _ => Reason::None,
    }
}

/// How many times its limits a client's site has; 0 if sites of its family are not limited.
#[inline(always)]
fn times(client: ClientKey, settings: &Settings) -> u32 {
    let [v4, v6] = settings.sites;
    if client.is_v4() { v4 } else { v6 }
}

/// Returns a [`Reason`]'s number.
///
/// Exported: the verifier checks it once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn charge_site(hi: u64, lo: u64, scope: u16, load: u64, now: u64) -> u32 {
    let has_room = has_room(ClientKey { hi, lo }, scope, load, now).unwrap_or(true);
    let reason = if has_room { Reason::None } else { Reason::SiteRate };
    reason as u32
}

/// `None` if no limit concerns the packet, or no budget is to be had.
#[inline(always)]
fn has_room(client: ClientKey, scope: u16, load: u64, now: u64) -> Option<bool> {
    let settings = maps::settings()?;
    // SAFETY: array entries live as long as the program.
    let limits = maps::SCOPES.get_ptr(scope as u32).map(|limits| unsafe { &*limits })?;
    let times = times(client, settings);
    if times == 0 {
        return None;
    }
    let [packets, bits, connections, requests] = &limits.quotas;
    let costs = [
        packets.part(1, times),
        bits.part(load >> 2 << 3, times),
        connections.part(load >> 1 & 1, times),
        requests.part(load & 1, times),
    ];
    let [of_packets, of_bits, of_connections, of_requests] = costs;
    if of_packets | of_bits | of_connections | of_requests == 0 {
        return None;
    }
    let site = table::site(client, scope)?;
    let Some(budget) = find(site, settings.seed, now) else {
        count::event(Event::SiteUncounted);
        return None;
    };
    // SAFETY: the address of a field of a map value.
    let tats = unsafe { &raw mut (*budget).tats }.cast::<u64>();
    // SAFETY: as above; there are four.
    let [second, third, fourth] = unsafe { [tats.add(1), tats.add(2), tats.add(3)] };
    let packets = Part { quota: packets, tat: tats, cost: of_packets };
    let bits = Part { quota: bits, tat: second, cost: of_bits };
    let connections = Part { quota: connections, tat: third, cost: of_connections };
    let requests = Part { quota: requests, tat: fourth, cost: of_requests };
    if packets.exceeds(now) || bits.exceeds(now) || connections.exceeds(now) || requests.exceeds(now) {
        return Some(false);
    }
    Some(packets.charge(now) && bits.charge(now) && connections.charge(now) && requests.charge(now))
}

/// What a packet takes of one limit of its site; a cost of 0 if nothing.
struct Part<'a> {
    quota: &'a Quota,
    tat: *mut u64,
    cost: u64,
}

impl Part<'_> {
    #[inline(always)]
    fn exceeds(&self, now: u64) -> bool {
        // SAFETY: a field of a map value.
        self.cost != 0 && unsafe { limit::exceeds(self.tat, self.quota, self.cost, now) }
    }

    #[inline(always)]
    fn charge(&self, now: u64) -> bool {
        // SAFETY: as above.
        self.cost == 0 || unsafe { limit::advance(self.tat, self.quota, self.cost, now) }
    }
}

/// The budget of a site. If it has none, it takes a place at which nothing is owed.
///
/// While two CPUs do so at once, a packet may be charged to a budget that changes hands, or a site may get both places,
/// of which it then uses the first: a few packets are counted elsewhere than they should.
#[inline(always)]
fn find(site: u64, seed: [u64; 2], now: u64) -> Option<*mut SiteBudget> {
    let [first, second] = table::site_places(site, seed);
    let (first, second) = (maps::SITES.get_ptr_mut(first)?, maps::SITES.get_ptr_mut(second)?);
    if owner(first) == site {
        return Some(first);
    }
    if owner(second) == site {
        return Some(second);
    }
    if take(first, site, now) {
        return Some(first);
    }
    if take(second, site, now) { Some(second) } else { None }
}

#[inline(always)]
fn owner(budget: *mut SiteBudget) -> u64 {
    // SAFETY: a field of a map value; other CPUs change it concurrently, hence volatile.
    unsafe { (&raw const (*budget).site).read_volatile() }
}

#[inline(always)]
fn take(budget: *mut SiteBudget, site: u64, now: u64) -> bool {
    let before = owner(budget);
    // SAFETY: the address of a field of a map value.
    let tats = unsafe { &raw const (*budget).tats }.cast::<u64>();
    // SAFETY: as above; there are four.
    let left = |number| now.wrapping_sub(unsafe { tats.add(number).read_volatile() });
    // The sign bits of the differences combined, for the verifier's sake.
    if (left(0) | left(1) | left(2) | left(3)) >> 63 != 0 {
        return false;
    }
    // SAFETY: an aligned field of a map value.
    unsafe { atomic::compare_exchange(&raw mut (*budget).site, before, site) == before }
}
