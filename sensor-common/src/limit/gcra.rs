//! The generic cell rate algorithm, virtual scheduling form (ITU-T I.371, annex A).
//!
//! One theoretical arrival time (TAT) is the whole state of a limit. A unit of traffic costs one increment of
//! time; it conforms if the TAT after it lies no further ahead of now than the quota's depth.

use bytemuck::{Pod, Zeroable};

use super::rate::Rate;

/// A limit as the kernel holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Quota {
    /// Time that one unit costs, in 2^-20 ns; 0 if there is no limit.
    increment: u64,
    /// How far the TAT may run ahead of now, in nanoseconds: the cost of a full burst.
    depth: u64,
}

/// Fraction bits of [`Quota::increment`]: a limit of 100 Gbit/s is then exact to one in ten thousand.
const FRACTION: u32 = 20;

/// Maximum units that one step may cost: the bits of a 64 KiB frame.
pub const MAX_UNITS: u64 = 1 << 19;

/// Result of one step.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The traffic conforms; the new TAT.
    Conforms(u64),
    /// The traffic conforms, and the TAT lay further ahead than this quota's depth, because it was charged under
    /// another quota. The new TAT, one full depth ahead of now.
    Clamped(u64),
    /// The traffic exceeds the limit; the TAT does not change.
    Exceeds,
}

impl Quota {
    /// No limit.
    pub const OFF: Self = Self { increment: 0, depth: 0 };

    /// The quota of a rate that counts single things: packets, connections, requests.
    ///
    /// A unit costs whole nanoseconds, rounded up, so that the admitted rate never exceeds the configured one and a
    /// burst is exact.
    #[must_use]
    pub fn of_units(rate: Rate, tick_ns: u64) -> Self {
        let unit = u128::from(rate.period().nanoseconds()).div_ceil(u128::from(rate.count().max(1)));
        Self::with(unit << FRACTION, rate.burst(), tick_ns, 1 << 42)
    }

    /// The quota of a rate that counts bits. A burst has room for at least the largest frame, and rates below 60 bit/s
    /// count as 60: less than a frame a day.
    #[must_use]
    pub fn of_bits(rate: Rate, tick_ns: u64) -> Self {
        let period = u128::from(rate.period().nanoseconds()) << FRACTION;
        let bit = period.div_ceil(u128::from(rate.count().max(1)));
        Self::with(bit, rate.burst().max(MAX_UNITS), tick_ns, 1 << 24)
    }

    /// A quota whose burst is at least what arrives in one tick at the rate.
    ///
    /// The data plane's clock advances in steps of `tick_ns`, so a burst that is used up within one step would throttle
    /// traffic that keeps to its rate. Such a burst is raised; [`Quota::burst`] returns the value in force.
    fn with(increment: u128, burst: u64, tick_ns: u64, longest_ns: u64) -> Self {
        let increment = increment.clamp(1, u128::from(longest_ns) << FRACTION);
        let per_tick = (u128::from(tick_ns) << FRACTION).div_ceil(increment);
        let burst = u128::from(burst).max(per_tick);
        let depth = burst.saturating_mul(increment).div_ceil(1 << FRACTION);
        Self { increment: saturate(increment, u64::MAX), depth: saturate(depth, MAX_DEPTH) }
    }

    /// Whether there is no limit.
    #[inline(always)]
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.increment == 0
    }

    /// The cost of `units`, in nanoseconds, rounded up. `units` is at most [`MAX_UNITS`].
    #[inline(always)]
    #[must_use]
    pub const fn cost(&self, units: u64) -> u64 {
        self.increment.wrapping_mul(units).wrapping_add((1 << FRACTION) - 1) >> FRACTION
    }

    /// What of [`Quota::cost`] falls to each of `clients` that share a quota, rounded up to a nanosecond: together they
    /// get what that many quotas of the same rate and burst admit, or up to a nanosecond a unit less. 0 if there is no
    /// limit, no unit or no client.
    #[inline(always)]
    #[must_use]
    pub const fn part(&self, units: u64, clients: u32) -> u64 {
        let (cost, clients) = (self.cost(units), clients as u64);
        // Divisions are slow, and most frames open no connection and make no request.
        if cost == 0 {
            return 0;
        }
        // Not `div_ceil`: the BPF target would divide twice.
        match cost.wrapping_add(clients.wrapping_sub(1)).checked_div(clients) {
            Some(part) => part,
            None => 0,
        }
    }

    /// One step: may traffic that costs `cost` nanoseconds pass at `now`?
    ///
    /// A TAT beyond the depth was charged under another quota, with a longer burst or a slower rate. Its debt is
    /// reduced to this quota's depth, so nobody waits for a limit that is gone.
    #[inline(always)]
    pub const fn step(&self, tat: u64, now: u64, cost: u64) -> Step {
        let start = if tat > now { tat } else { now };
        let next = start.wrapping_add(cost);
        if next.wrapping_sub(now) <= self.depth {
            Step::Conforms(next)
        } else if start.wrapping_sub(now) > self.depth {
            Step::Clamped(now.wrapping_add(self.depth))
        } else {
            Step::Exceeds
        }
    }

    /// Maximum distance of this quota's TAT from now, in nanoseconds.
    #[inline(always)]
    #[must_use]
    pub const fn depth(&self) -> u64 {
        self.depth
    }

    /// The burst in force, in units; 0 if there is no limit.
    #[must_use]
    pub fn burst(&self) -> u64 {
        let depth = u128::from(self.depth) << FRACTION;
        depth.checked_div(u128::from(self.increment)).map_or(0, |units| saturate(units, u64::MAX))
    }

    /// The sustained rate in force, in units per second; 0 if there is no limit.
    #[must_use]
    pub fn per_second(&self) -> u64 {
        (1_000_000_000_u128 << FRACTION)
            .checked_div(u128::from(self.increment))
            .map_or(0, |units| saturate(units, u64::MAX))
    }
}

/// Four years: sums with the clock stay far below 64 bits.
const MAX_DEPTH: u64 = 1 << 57;

fn saturate(value: u128, bound: u64) -> u64 {
    u64::try_from(value).unwrap_or(bound).min(bound)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 4_000_000;

    /// The definition: a bucket of `depth` nanoseconds that drains one nanosecond per nanosecond.
    fn leaky_bucket(quota: &Quota, arrivals: &[(u64, u64)]) -> Vec<bool> {
        let (mut level, mut last) = (0_u128, 0_u64);
        arrivals
            .iter()
            .map(|&(now, units)| {
                level = level.saturating_sub(u128::from(now - last));
                last = now;
                let cost = (u128::from(quota.increment) * u128::from(units)).div_ceil(1 << FRACTION);
                let conforms = level + cost <= u128::from(quota.depth);
                if conforms {
                    level += cost;
                }
                conforms
            })
            .collect()
    }

    fn gcra(quota: &Quota, arrivals: &[(u64, u64)]) -> Vec<bool> {
        let mut tat = 0;
        arrivals
            .iter()
            .map(|&(now, units)| match quota.step(tat, now, quota.cost(units)) {
                Step::Clamped(_) => panic!("charged under this quota alone"),
                Step::Conforms(next) => {
                    tat = next;
                    true
                }
                Step::Exceeds => false,
            })
            .collect()
    }

    extern crate std;
    use std::format;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn equals_the_leaky_bucket(
            text in "[1-9][0-9]{0,5}[kM]?/(s|min|h):[1-9][0-9]{0,3}",
            gaps in prop::collection::vec((0_u64..50_000_000, 1_u64..MAX_UNITS), 1..200),
        ) {
            let rate: Rate = text.parse().unwrap();
            for bits in [false, true] {
                let quota = if bits { Quota::of_bits(rate, TICK) } else { Quota::of_units(rate, TICK) };
                let mut now = 1_000_000_000_000;
                let arrivals: Vec<(u64, u64)> = gaps
                    .iter()
                    .map(|&(gap, units)| {
                        now += gap;
                        (now, if bits { units } else { 1 })
                    })
                    .collect();
                prop_assert_eq!(gcra(&quota, &arrivals), leaky_bucket(&quota, &arrivals));
            }
        }

        #[test]
        fn never_admits_more_than_burst_and_rate(
            count in 1_u64..5_000_000,
            burst in 1_u64..100_000,
            gaps in prop::collection::vec(0_u64..20_000_000, 1..500),
        ) {
            let rate = Rate::new(count, crate::limit::Period::Second, Some(burst)).unwrap();
            let quota = Quota::of_units(rate, TICK);
            let mut now = 5_000_000_000;
            let start = now;
            let arrivals: Vec<(u64, u64)> = gaps.iter().map(|gap| { now += gap; (now, 1) }).collect();
            let admitted = gcra(&quota, &arrivals).into_iter().filter(|admitted| *admitted).count() as u128;
            let elapsed = u128::from(now - start);
            let bound = u128::from(quota.burst()) + elapsed * u128::from(count) / 1_000_000_000 + 1;
            prop_assert!(admitted <= bound, "{admitted} > {bound}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever was owed under a quota, and however often quotas have changed since.
        #[test]
        fn nobody_waits_longer_than_the_depth_of_the_quota_in_force(
            before in prop::collection::vec(("[1-9][0-9]{0,5}/(s|min|h):[1-9][0-9]{0,3}", 0_u64..10_000), 1..4),
            after in "[1-9][0-9]{0,5}[kM]?/(s|min|h):[1-9][0-9]{0,3}",
            units in 1_u64..MAX_UNITS,
            silence in 0_u64..100_000_000_000,
            is_bits: bool,
        ) {
            let quota = |text: &str| {
                let rate: Rate = text.parse().unwrap();
                if is_bits { Quota::of_bits(rate, TICK) } else { Quota::of_units(rate, TICK) }
            };
            let units = if is_bits { units } else { 1 };
            let (mut tat, mut now) = (0, 1 << 50);
            for (text, packets) in &before {
                let quota = quota(text);
                for _ in 0..*packets {
                    match quota.step(tat, now, quota.cost(units)) {
                        Step::Conforms(next) | Step::Clamped(next) => tat = next,
                        Step::Exceeds => break,
                    }
                }
            }
            now += silence;
            let quota = quota(&after);
            let changed = now;
            // With the first packet, or else after the time that the new quota itself requires.
            let next = match quota.step(tat, now, quota.cost(units)) {
                Step::Conforms(next) | Step::Clamped(next) => next,
                Step::Exceeds => {
                    now = tat + quota.cost(units) - quota.depth;
                    match quota.step(tat, now, quota.cost(units)) {
                        Step::Conforms(next) => next,
                        other @ (Step::Clamped(_) | Step::Exceeds) => {
                            return Err(TestCaseError::fail(format!("{other:?}")));
                        }
                    }
                }
            };
            prop_assert!(now - changed <= quota.depth);
            prop_assert!(next <= now + quota.depth, "no debt beyond the depth is written");
        }
    }

    #[test]
    fn a_debt_of_another_quota_shrinks_to_the_depth() {
        let strict = Quota::of_units("60/min:60".parse().unwrap(), TICK);
        let loose = Quota::of_units("200/s:1000".parse().unwrap(), TICK);
        let now = 1 << 50;
        let owed = now + strict.depth;
        assert_eq!(strict.step(owed, now, strict.cost(1)), Step::Exceeds);
        assert_eq!(loose.step(owed, now, loose.cost(1)), Step::Clamped(now + loose.depth));
        // The packet used up the burst; the next one waits for the rate, and for nothing else.
        let tat = now + loose.depth;
        assert_eq!(loose.step(tat, now, loose.cost(1)), Step::Exceeds);
        assert_eq!(loose.step(tat, now + loose.cost(1), loose.cost(1)), Step::Conforms(tat + loose.cost(1)));
    }

    #[test]
    fn a_whole_burst_conforms_at_once_and_no_more() {
        for text in ["100/min:20", "3/s:7", "50k/s:4000", "999999/s:123456", "1/h:1"] {
            let rate: Rate = text.parse().unwrap();
            let quota = Quota::of_units(rate, TICK);
            let arrivals: Vec<(u64, u64)> = (0..rate.burst() + 1).map(|_| (TICK, 1)).collect();
            let verdicts = gcra(&quota, &arrivals);
            assert_eq!(verdicts.iter().filter(|v| **v).count() as u64, rate.burst(), "{text}");
            assert_eq!(quota.burst(), rate.burst(), "{text}");
        }
    }

    #[test]
    fn clients_that_share_a_quota_get_as_much_as_that_many_have() {
        let quota = Quota::of_units("60/min:10".parse().unwrap(), TICK);
        // A third of a second takes a whole number of nanoseconds, rounded up: the last of 30 has no room.
        for (clients, expected) in [(1, 10), (3, 29), (4, 40), (256, 2_560)] {
            assert_eq!(quota.depth / quota.part(1, clients), expected, "{clients}");
        }
        let bits = Quota::of_bits("1G/s".parse().unwrap(), TICK);
        assert_eq!((bits.part(12_000, 1), bits.part(12_000, 256)), (12_000, 47));
        assert_eq!((Quota::OFF.part(1, 256), quota.part(0, 256), quota.part(1, 0)), (0, 0, 0));
    }

    #[test]
    fn a_burst_below_one_tick_is_raised_to_it() {
        let quota = Quota::of_units("50k/s:1".parse().unwrap(), TICK);
        assert_eq!(quota.burst(), 200);
    }

    #[test]
    fn bits_make_room_for_the_largest_frame() {
        let quota = Quota::of_bits("1M/s:1".parse().unwrap(), TICK);
        assert_eq!(quota.step(0, TICK, quota.cost(MAX_UNITS)), Step::Conforms(TICK + quota.cost(MAX_UNITS)));
    }

    #[test]
    fn slowest_rate_stays_within_64_bits() {
        let quota = Quota::of_units("1/h:35040".parse().unwrap(), TICK);
        assert_eq!(quota.cost(1), 3_600_000_000_000);
        assert_eq!(quota.burst(), 35_040);
        assert!("1/h:35041".parse::<Rate>().is_err());
    }
}
