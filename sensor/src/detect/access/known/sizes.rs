//! How many principals have which count: a histogram that follows its members.

/// Two buckets for each power of two, up to 65,535: a quantile is at most 50% too high.
const BUCKETS: usize = 32;

/// Members by their counts. Those with zero are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes([u32; BUCKETS]);

impl Sizes {
    /// A member's count changes.
    pub(super) fn moved(&mut self, from: u32, to: u32) {
        let (from, to) = (bucket(from), bucket(to));
        if from == to {
            return;
        }
        if let Some(count) = from.and_then(|from| self.0.get_mut(from)) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = to.and_then(|to| self.0.get_mut(to)) {
            *count = count.saturating_add(1);
        }
    }

    /// The count that all but `above` members do not exceed, as the upper end of its bucket.
    pub(super) fn all_but(&self, above: u32) -> u32 {
        let mut left = above;
        for (index, count) in self.0.iter().enumerate().rev() {
            if *count > left {
                return bound(index);
            }
            left = left.saturating_sub(*count);
        }
        0
    }

    /// Members whose count may be as high as this one or higher.
    pub(super) fn reaching(&self, count: u32) -> u32 {
        let first = bucket(count).unwrap_or_default();
        self.0.iter().skip(first).fold(0, |sum, count| sum.saturating_add(*count))
    }
}

fn bucket(count: u32) -> Option<usize> {
    let power = count.checked_ilog2()?;
    let upper = u32::from(power > 0 && count & (1 << power.saturating_sub(1)) != 0);
    let bucket = power.saturating_mul(2).saturating_add(upper);
    Some(usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS.saturating_sub(1)))
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
        fn a_quantile_is_near_the_exact_one(counts in prop::collection::vec(0_u32..40_000, 1..200), above in 0_usize..20) {
            let mut sizes = Sizes::default();
            for count in &counts {
                // By way of another count, as members grow.
                sizes.moved(0, count / 2);
                sizes.moved(count / 2, *count);
            }
            let mut sorted = counts;
            sorted.sort_unstable_by(|one, other| other.cmp(one));
            let exact = sorted.get(above).copied().unwrap_or(0);
            let found = sizes.all_but(u32::try_from(above).unwrap());
            prop_assert!(found >= exact && found <= exact * 3 / 2 + 1, "{found} for {exact}");
        }
    }
}
