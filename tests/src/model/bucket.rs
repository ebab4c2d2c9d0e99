//! Limits as leaky buckets, and quotas as they are documented to follow from rates.

use sensor_common::limit::Rate;

/// A limit, as the documentation of `Quota` derives it from a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// Time that a unit costs, in 2^-20 ns.
    unit: u128,
    /// Nanoseconds that fit into the bucket.
    pub(super) depth: u128,
}

const FRACTION: u128 = 1 << 20;

impl Quota {
    /// Of packets, connections, requests: a unit costs whole nanoseconds, rounded up.
    pub(super) fn of_units(rate: Rate, tick_ns: u64) -> Self {
        let nanoseconds = u128::from(rate.period().nanoseconds()).div_ceil(u128::from(rate.count()));
        Self::with_burst(nanoseconds * FRACTION, u128::from(rate.burst()), tick_ns)
    }

    /// Of bits: rounded up to 2^-20 ns, at least 60 bit/s, with room for a frame of 64 KiB.
    pub(super) fn of_bits(rate: Rate, tick_ns: u64) -> Self {
        let period = u128::from(rate.period().nanoseconds()) * FRACTION;
        let unit = period.div_ceil(u128::from(rate.count())).min(FRACTION << 24);
        Self::with_burst(unit, u128::from(rate.burst()).max(1 << 19), tick_ns)
    }

    /// A burst holds at least what arrives in a tick.
    fn with_burst(unit: u128, burst: u128, tick_ns: u64) -> Self {
        let per_tick = (u128::from(tick_ns) * FRACTION).div_ceil(unit);
        Self { unit, depth: (burst.max(per_tick) * unit).div_ceil(FRACTION).min(1 << 57) }
    }

    /// The same for so many clients together. One unit is what these units cost: each client's part of it.
    pub(super) fn shared_by(&self, clients: u32, units: u64) -> Self {
        Self { unit: self.cost(units).div_ceil(u128::from(clients)) * FRACTION, ..*self }
    }

    pub(super) fn cost(&self, units: u64) -> u128 {
        (self.unit * u128::from(units)).div_ceil(FRACTION)
    }
}

/// A bucket of time, which leaks a nanosecond each nanosecond.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    pub(super) level: u128,
    pub(super) at: u128,
}

impl Bucket {
    pub(super) fn leak(&mut self, now: u128) {
        self.level = self.level.saturating_sub(now - self.at);
        self.at = now;
    }

    /// Whether there is no room. A bucket that is fuller than it holds was filled under another limit.
    pub(super) fn is_over(&self, quota: &Quota, units: u64) -> bool {
        self.level + quota.cost(units) > quota.depth && self.level <= quota.depth
    }

    /// Fills it; what is beyond its rim runs off.
    pub(super) fn charge(&mut self, quota: &Quota, units: u64) {
        self.level = (self.level + quota.cost(units)).min(quota.depth);
    }
}

/// How many packets of one kind, sent at one time by a client that owes nothing, a limit admits.
///
/// `units` is what each costs: 1, or the bits of the frame.
#[must_use]
pub fn admitted_at_once(rate: Rate, is_bits: bool, units: u64, tick_ns: u64) -> u64 {
    let quota = if is_bits { Quota::of_bits(rate, tick_ns) } else { Quota::of_units(rate, tick_ns) };
    (quota.depth / quota.cost(units)) as u64
}
