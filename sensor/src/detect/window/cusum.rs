#![expect(clippy::float_arithmetic, reason = "a log likelihood ratio")]
//! Whether hits among trials have become more frequent: a cumulative sum of log likelihood ratios.
//!
//! E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954); it is Wald's sequential test, restarted whenever
//! it accepts the normal state. G. Lorden, "Procedures for reacting to a change in distribution" (1971): with a
//! threshold of h, the mean number of trials to a false alarm is at least e^h, and no test with that bound detects a
//! change sooner in the worst case.

use super::Moment;

/// Shares of hits to distinguish, each above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hypotheses {
    /// The highest normal share.
    pub(crate) normal: f64,
    /// The lowest share worth detecting; above `normal`.
    pub(crate) changed: f64,
}

impl Hypotheses {
    /// The log likelihood ratio of a trial.
    pub(crate) fn step(self, hit: bool) -> f64 {
        let Self { normal, changed } = self;
        let step = if hit { (changed / normal).ln() } else { ((1.0 - changed) / (1.0 - normal)).ln() };
        if step.is_finite() { step } else { 0.0 }
    }
}

/// The sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cusum {
    score: f64,
    since: Option<Moment>,
}

impl Cusum {
    /// One more trial. The sum is capped at `most`, so that it falls in time when the change is over.
    pub(crate) fn add(&mut self, hit: bool, hypotheses: Hypotheses, most: f64, now: Moment) {
        let score = self.score + hypotheses.step(hit);
        if score <= 0.0 {
            *self = Self::default();
        } else {
            self.score = score.min(most);
            self.since = self.since.or(Some(now));
        }
    }

    /// The evidence for the change, in nats.
    pub(crate) const fn score(&self) -> f64 {
        self.score
    }

    /// The estimated start of the change: when the sum left zero, the most likely moment.
    pub(crate) const fn since(&self) -> Option<Moment> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HYPOTHESES: Hypotheses = Hypotheses { normal: 0.25, changed: 0.6 };

    proptest! {
        /// The textbook's form: the largest sum over all suffixes of the trials.
        #[test]
        fn it_is_the_best_suffix(trials in prop::collection::vec(any::<bool>(), 1..200)) {
            let step = |hit: bool| if hit { (0.6_f64 / 0.25).ln() } else { (0.4_f64 / 0.75).ln() };
            let mut cusum = Cusum::default();
            for end in 0..trials.len() {
                cusum.add(trials[end], HYPOTHESES, f64::MAX, Moment::from_millis(end as u64));
                let best = (0..=end).map(|from| trials[from..=end].iter().map(|hit| step(*hit)).sum::<f64>());
                prop_assert!((cusum.score() - best.fold(0.0, f64::max)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_beginning_is_where_the_sum_left_zero() {
        let mut cusum = Cusum::default();
        for (second, hit) in [false, true, false, false, false, true, true, true].into_iter().enumerate() {
            cusum.add(hit, HYPOTHESES, 2.0, Moment::from_millis(second as u64));
        }
        assert_eq!(cusum.since(), Some(Moment::from_millis(5)));
        assert!((cusum.score() - 2.0).abs() < 1e-9, "bounded");
    }
}
