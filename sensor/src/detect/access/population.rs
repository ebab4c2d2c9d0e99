//! How many objects a route's clients usually request.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::weather::Crowd;

/// The unit of counting.
const WINDOW: Duration = Duration::from_secs(3_600);

/// Clients of a route after which its usual numbers are known.
const KNOWN: u32 = 50;

/// Counts are halved at this many: what was usual a hundred thousand clients ago counts less.
const MANY: u32 = 100_000;

/// Counts by size: two buckets for each power of two, so that a quantile is at most 50% too high.
const BUCKETS: usize = 28;

/// The clients of one route.
#[derive(Clone, Debug)]
pub(super) struct Population {
    sizes: [u32; BUCKETS],
    total: u32,
    /// Clients of the hour; those that were refused an object are marked.
    clients: Crowd,
}

impl Population {
    pub(super) const fn new() -> Self {
        Self { sizes: [0; BUCKETS], total: 0, clients: Crowd::new(WINDOW.as_secs()) }
    }

    /// A client's hour is over, in which it requested this many objects.
    pub(super) fn learn(&mut self, objects: u32) {
        if self.total >= MANY {
            self.sizes.iter_mut().for_each(|count| *count /= 2);
            self.total = self.sizes.iter().fold(0, |sum, count| sum.saturating_add(*count));
        }
        if let Some(count) = self.sizes.get_mut(bucket(objects)) {
            *count = count.saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    /// The number of objects that 98 of 100 clients do not exceed; none until it is known. Of 50 clients, the second
    /// largest: one attacker does not set the measure.
    pub(super) fn usual(&self) -> Option<u32> {
        if self.total < KNOWN {
            return None;
        }
        let mut above = self.total / 50;
        for (index, count) in self.sizes.iter().enumerate().rev() {
            if *count > above {
                return Some(bound(index));
            }
            above = above.saturating_sub(*count);
        }
        None
    }

    /// A client, by its hash, starts an hour on the route, or is refused an object for the first time in it.
    pub(super) fn meets(&mut self, client: u64, refused: bool, now: Timestamp) {
        self.clients.note(client, refused, now);
    }

    /// Whether half of the clients are refused objects: that is how the route behaves.
    pub(super) fn refuses_most(&self) -> bool {
        self.clients.most_marked()
    }
}

fn bucket(objects: u32) -> usize {
    let objects = objects.max(1);
    let power = objects.ilog2();
    let upper = u32::from(power > 0 && objects & (1 << power.saturating_sub(1)) != 0);
    let bucket = power.saturating_mul(2).saturating_add(upper);
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS.saturating_sub(1))
}

/// The largest count in a bucket.
fn bound(bucket: usize) -> u32 {
    let power = u32::try_from(bucket / 2).unwrap_or(0);
    let base = 1_u32.checked_shl(power).unwrap_or(u32::MAX);
    let step = if bucket.is_multiple_of(2) { base / 2 } else { base };
    base.saturating_add(step).saturating_sub(1).max(base)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn buckets_hold_what_falls_into_them(objects in 1_u32..8_000) {
            let index = bucket(objects);
            prop_assert!(objects <= bound(index));
            prop_assert!(index == 0 || objects > bound(index - 1), "{index}");
        }

        #[test]
        fn the_usual_is_near_the_quantile(mut sizes in prop::collection::vec(1_u32..5_000, 50..400)) {
            let mut population = Population::new();
            sizes.iter().for_each(|size| population.learn(*size));
            sizes.sort_unstable();
            let quantile = sizes[sizes.len() - 1 - sizes.len() / 50];
            let usual = population.usual().unwrap();
            prop_assert!(usual >= quantile && usual <= quantile * 3 / 2 + 1, "{usual} for {quantile}");
        }
    }

    #[test]
    fn one_attacker_does_not_set_the_measure() {
        let mut population = Population::new();
        (0..60).for_each(|_| population.learn(4));
        assert_eq!(population.usual(), Some(5));
        population.learn(5_000);
        assert_eq!(population.usual(), Some(5));
    }
}
