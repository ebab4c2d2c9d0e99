//! Latencies in buckets whose width grows with the latency: few bytes, and quantiles accurate to a few per cent.
//!
//! This is the scheme of HdrHistogram (Gil Tene): each power of two is divided into equal parts, here eight. The middle
//! of a bucket differs from any value in it by at most a sixteenth.

use std::time::Duration;

/// Parts of each power of two, as a power of two.
const PARTS_LOG2: u32 = 3;
const PARTS: u64 = 1 << PARTS_LOG2;
/// Latencies from 2^27 microseconds (134 s) on go into the last bucket.
const OCTAVES: u32 = 27;
const LONGEST: u64 = (1 << OCTAVES) - 1;
const BUCKETS: usize = ((OCTAVES - PARTS_LOG2 + 1) as usize) << PARTS_LOG2;

/// Counts of latencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Latencies {
    buckets: [u32; BUCKETS],
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS] }
    }
}

impl Latencies {
    /// Counts one more.
    pub(super) fn note(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(place(us)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// Adds those of another.
    pub(super) fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket = bucket.saturating_add(more);
        }
    }

    /// The latency in microseconds that `per_mille` of a thousand do not exceed (nearest rank); none if
    /// nothing was counted.
    pub(super) fn quantile_us(&self, per_mille: u64) -> Option<u64> {
        let all = self.buckets.iter().fold(0_u64, |sum, count| sum.saturating_add(u64::from(*count)));
        let rank = all.saturating_mul(per_mille).div_ceil(1_000).max(1);
        let mut seen = 0_u64;
        let found = self.buckets.iter().position(|count| {
            seen = seen.saturating_add(u64::from(*count));
            seen >= rank
        });
        found.map(middle)
    }
}

/// The bucket of a latency.
fn place(us: u64) -> usize {
    let us = us.min(LONGEST);
    // Below the first power of two with a microsecond for each part, buckets are one microsecond wide.
    if us < PARTS {
        return usize::try_from(us).unwrap_or(usize::MAX);
    }
    let shift = us.max(1).ilog2().saturating_sub(PARTS_LOG2);
    let part = us.checked_shr(shift).unwrap_or(0).saturating_sub(PARTS);
    let first = u64::from(shift).saturating_add(1).saturating_mul(PARTS);
    usize::try_from(first.saturating_add(part)).unwrap_or(usize::MAX)
}

/// The middle of a bucket, in microseconds.
fn middle(place: usize) -> u64 {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    let (octave, part) = (place.checked_div(PARTS).unwrap_or(0), place.checked_rem(PARTS).unwrap_or(0));
    let Some(shift) = octave.checked_sub(1).and_then(|shift| u32::try_from(shift).ok()) else {
        return place;
    };
    let shifted = |number: u64| number.checked_shl(shift).unwrap_or(u64::MAX);
    shifted(part.saturating_add(PARTS)).saturating_add(shifted(1) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_holes() {
        let mut last = 0;
        for us in 0..200_000 {
            let place = place(us);
            assert!(place == last || place == last + 1, "{us}: {place} after {last}");
            last = place;
        }
        assert_eq!(place(u64::MAX), BUCKETS - 1);
        assert_eq!((place(0), place(7), place(8), place(15), place(16)), (0, 7, 8, 15, 16));
    }

    #[test]
    fn quantiles_of_few() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_us(500), None);
        for us in [5, 5, 5, 7] {
            latencies.note(Duration::from_micros(us));
        }
        assert_eq!([500, 750, 751, 990].map(|q| latencies.quantile_us(q)), [5, 5, 7, 7].map(Some));
    }

    proptest! {
        #[test]
        fn a_quantile_is_right_to_a_sixteenth(
            mut us in prop::collection::vec(0_u64..130_000_000, 1..200), per_mille in 0_u64..=1_000,
        ) {
            let mut latencies = Latencies::default();
            us.iter().for_each(|us| latencies.note(Duration::from_micros(*us)));
            us.sort_unstable();
            let count = u64::try_from(us.len()).unwrap();
            let rank = (count * per_mille).div_ceil(1_000).max(1);
            let exact = us[usize::try_from(rank).unwrap() - 1];
            let found = latencies.quantile_us(per_mille).unwrap();
            prop_assert!(found.abs_diff(exact) <= exact / 16, "{found} for {exact}");
        }

        #[test]
        fn two_together_are_as_one(one in prop::collection::vec(any::<u32>(), 0..50), other in prop::collection::vec(any::<u32>(), 0..50)) {
            let of = |us: &[u32]| {
                let mut latencies = Latencies::default();
                us.iter().for_each(|us| latencies.note(Duration::from_micros(u64::from(*us))));
                latencies
            };
            let mut sum = of(&one);
            sum.add(&of(&other));
            prop_assert_eq!(sum, of(&[one, other].concat()));
        }
    }
}
