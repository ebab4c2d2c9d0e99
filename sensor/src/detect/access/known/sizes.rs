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

/// Members that are far from what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Few enough to judge each for itself.
    Few,
    /// A group that stands apart: almost nobody is between it and the others.
    Apart,
    /// Many, and many more on the way there: not they changed, but what everybody sees.
    Wide,
}

/// One in this many members may be far from what is usual without changing it.
const OUTLIERS: u32 = 100;
/// What one in this many reaches bounds what is usual: a hundred accomplices among a thousand do not raise it.
const BROAD: u32 = 20;
/// The count of one in a hundred is at most this multiple of that of one in twenty. Of exponentially distributed counts
/// it is 1.5, of a log-normal distribution with a deviation of 1.5 it is 2.8.
const SPREAD: u32 = 3;
/// A count that is not worth a multiple.
const LITTLE: u32 = 4;
/// Who is at a quarter of a limit is on the way to it. Behind a group that stands apart are fewer than this multiple.
const BEHIND: u32 = 3;
/// A group of one in this many is no group, but everybody.
const EVERYBODY: u32 = 10;

/// Members that may be far from what is usual, of those who are active.
pub(super) fn outliers(active: u32) -> u32 {
    (active / OUTLIERS).max(2)
}

impl Sizes {
    /// What is usual among the active: the count that 99 of 100 do not exceed, unless it is far beyond that of 95.
    pub(super) fn usual(&self, active: u32) -> u32 {
        let broad = self.all_but((active / BROAD).max(LITTLE));
        self.all_but(outliers(active)).min(broad.max(LITTLE).saturating_mul(SPREAD))
    }

    /// Who else is at a limit, without those `excused`.
    pub(super) fn crowd(&self, limit: u32, active: u32, excused: u32) -> Crowd {
        let there = self.reaching(limit).saturating_sub(excused);
        if there <= outliers(active).saturating_add(1) {
            return Crowd::Few;
        }
        let near = self.reaching(limit / 4).saturating_sub(excused);
        let is_wide = there.saturating_mul(EVERYBODY) >= active || near >= there.saturating_mul(BEHIND);
        if is_wide { Crowd::Wide } else { Crowd::Apart }
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

    #[test]
    fn a_group_stands_apart_and_a_change_does_not() {
        let of = |counts: &[(u32, u32)]| {
            let mut sizes = Sizes::default();
            for (members, count) in counts {
                (0..*members).for_each(|_| sizes.moved(0, *count));
            }
            sizes
        };
        // A thousand users who meet a few strangers, and twelve who meet many.
        let group = of(&[(300, 1), (200, 3), (30, 6), (12, 200)]);
        assert_eq!((group.usual(1_000), group.crowd(40, 1_000, 0)), (12, Crowd::Apart));
        assert_eq!(group.crowd(40, 1_000, 10), Crowd::Few);
        // An application that shows others' objects: the busiest are only the first.
        let change = of(&[(500, 5), (300, 20), (80, 45), (12, 200)]);
        assert_eq!(change.crowd(150, 1_000, 0), Crowd::Wide);
        // Everybody alike.
        assert_eq!(of(&[(900, 60)]).crowd(40, 1_000, 0), Crowd::Wide);
        assert_eq!(of(&[(300, 1), (5, 200)]).crowd(40, 1_000, 0), Crowd::Few);
    }

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
