#![expect(clippy::float_arithmetic, reason = "an estimate from a logarithm")]
//! How many distinct things occurred within a window.
//!
//! Linear counting: K.-Y. Whang, B. T. Vander-Zanden, H. M. Taylor, "A linear-time probabilistic counting algorithm
//! for database applications", ACM TODS 15 (1990). With m bits of which V are zero, the estimate is m ln(m / V).
//!
//! Not a HyperLogLog: its strength is millions, and below 2.5 m it is linear counting (Flajolet et al., 2007, section
//! 4). The counts here, such as a client's accounts or an account's passwords, decide at tens and hundreds.

use std::hash::{BuildHasher, Hash};

use super::slots::Slots;
use super::{Moment, Span};

/// The hash of a thing for `Distinct`, the same in each process.
pub(crate) fn hash_of(thing: impl Hash) -> u64 {
    foldhash::quality::FixedState::with_seed(0x5eed).hash_one(thing)
}

/// A sliding count of distinct things, with 64 bits times `WORDS` in each of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distinct<const WORDS: usize>(Slots<[u64; WORDS]>);

impl<const WORDS: usize> Default for Distinct<WORDS> {
    fn default() -> Self {
        Self(Slots::default())
    }
}

impl<const WORDS: usize> Distinct<WORDS> {
    /// A thing occurred.
    pub(crate) fn insert(&mut self, hash: u64, now: Moment, span: Span) {
        self.0.change(now, span, |words| {
            if let Some(word) = words.get_mut(Self::place(hash)) {
                *word |= 1 << (hash % 64);
            }
        });
    }

    /// Whether it occurred, or something with the same bit.
    pub(crate) fn contains(&self, hash: u64, now: Moment, span: Span) -> bool {
        let mut parts = self.0.live(now, span).filter_map(|words| words.get(Self::place(hash)));
        parts.any(|word| word & (1 << (hash % 64)) != 0)
    }

    fn place(hash: u64) -> usize {
        usize::try_from((hash >> 6).checked_rem(WORDS as u64).unwrap_or(0)).unwrap_or(0)
    }

    /// The estimated number. Its error is a few percent up to some times the number of bits; once all bits are set, at
    /// about 64 `WORDS` ln(64 `WORDS`), it returns that, and grows no more.
    pub(crate) fn count(&self, now: Moment, span: Span) -> u32 {
        let mut all = [0; WORDS];
        for words in self.0.live(now, span) {
            all.iter_mut().zip(words).for_each(|(all, word)| *all |= word);
        }
        let zeros: u32 = all.iter().map(|word: &u64| word.count_zeros()).sum();
        let bits = f64::from(u32::try_from(WORDS).unwrap_or(u32::MAX)) * 64.0;
        whole(bits * (bits / f64::from(zeros.max(1))).ln())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates; rounding down accuses nobody"
)]
fn whole(estimate: f64) -> u32 {
    estimate as u32
}

/// The same for tables in which most entries see only one thing: nothing is allocated before the second.
#[derive(Clone, Debug, Default)]
pub(crate) enum Spread<const WORDS: usize> {
    /// Nothing yet.
    #[default]
    Nothing,
    /// One, when it last happened.
    One(u64, Moment),
    /// Several.
    Several(Box<Distinct<WORDS>>),
}

impl<const WORDS: usize> Spread<WORDS> {
    /// A thing happened.
    pub(crate) fn insert(&mut self, hash: u64, now: Moment, span: Span) {
        match self {
            Self::Several(distinct) => distinct.insert(hash, now, span),
            Self::One(one, at) if *one != hash => {
                let mut distinct = Box::<Distinct<WORDS>>::default();
                distinct.insert(*one, *at, span);
                distinct.insert(hash, now, span);
                *self = Self::Several(distinct);
            }
            Self::Nothing | Self::One(..) => *self = Self::One(hash, now),
        }
    }

    /// How many different ones.
    pub(crate) fn count(&self, now: Moment, span: Span) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::One(_, at) => u32::from(span.covers(*at, now)),
            Self::Several(distinct) => distinct.count(now, span),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against exact sets of the two windows that bound it; within 5 standard errors, as the paper has them:
        /// sqrt(m (e^t - t - 1)) with t = n / m.
        #[test]
        fn it_is_close_to_the_exact_count(
            seed in any::<u64>(),
            kinds in 1_u64..600,
            steps in prop::collection::vec(0_u64..40, 1..1_500),
        ) {
            let span_ms = 7_000;
            let span = Span::of(Duration::from_millis(span_ms));
            let (mut spread, mut events, mut now) = (Spread::<8>::default(), Vec::new(), 0);
            for (number, step) in (0_u64..).zip(&steps) {
                now += step;
                let thing = hash_of((seed, number * 7_919 % kinds));
                spread.insert(thing, Moment::from_millis(now), span);
                events.push((now, thing));
            }
            let exact = |width: u64| {
                let things = events.iter().filter(|(time, _)| now - time < width).map(|(_, thing)| thing);
                things.collect::<BTreeSet<_>>().len() as f64
            };
            let (least, most) = (exact(span_ms), exact(span_ms / 7 * 8));
            let error = |count: f64| {
                let load = count / 512.0;
                5.0 * (512.0 * (load.exp() - load - 1.0)).sqrt() + 1.0
            };
            let count = f64::from(spread.count(Moment::from_millis(now), span));
            prop_assert!(least - error(least) <= count && count <= most + error(most), "{least} {count} {most}");
        }
    }

    #[test]
    fn a_few_are_counted_exactly_and_forgotten_in_time() {
        let span = Span::of(Duration::from_secs(600));
        let mut spread = Spread::<8>::default();
        for thing in 0..10 {
            for second in 0..3 {
                spread.insert(hash_of(thing), Moment::from_millis(thing * 10_000 + second), span);
            }
        }
        assert_eq!(spread.count(Moment::from_millis(100_000), span), 10);
        assert_eq!(spread.count(Moment::from_millis(2_000_000), span), 0);
        let mut one = Spread::<8>::One(3, Moment::from_millis(0));
        assert_eq!(one.count(Moment::from_millis(2_000_000), span), 0);
        one.insert(4, Moment::from_millis(2_000_000), span);
        assert_eq!(one.count(Moment::from_millis(2_000_000), span), 1);
    }

    #[test]
    fn a_full_one_stands_still() {
        let span = Span::of(Duration::from_secs(1));
        let mut distinct = Distinct::<2>::default();
        (0..100_000_u64).for_each(|thing| distinct.insert(hash_of(thing), Moment::from_millis(0), span));
        assert_eq!(distinct.count(Moment::from_millis(0), span), 621);
    }
}
