#![expect(clippy::float_arithmetic, reason = "a decaying mean")]
//! A usual ratio: learned from trials, slowly forgotten.

use serde::{Deserialize, Serialize};

/// The share of hits among trials, as the mean of a Beta distribution whose counts fade: before any trials it is the
/// prior, and old trials lose weight with each new one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    hits: f64,
    trials: f64,
}

/// Weight of the prior, in trials.
const PRIOR: f64 = 20.0;
/// Effective memory, in trials.
const MEMORY: f64 = 5_000.0;

impl Ratio {
    /// What it is before anything is known.
    pub(crate) fn with_prior(mean: f64) -> Self {
        Self { hits: mean * PRIOR, trials: PRIOR }
    }

    /// One more trial, of a weight of at most 1.
    pub(crate) fn learn(&mut self, hit: bool, weight: f64) {
        let keep = 1.0 - weight / MEMORY;
        self.hits = self.hits * keep + if hit { weight } else { 0.0 };
        self.trials = self.trials * keep + weight;
    }

    /// The ratio, from 0 to 1.
    pub(crate) fn mean(self) -> f64 {
        (self.hits / self.trials).clamp(0.0, 1.0)
    }

    /// Trials that it rests on, without the prior.
    pub(crate) fn trials(self) -> f64 {
        self.trials - PRIOR
    }

    /// Whether it is valid: files may contain anything.
    pub(crate) fn is_sound(self) -> bool {
        self.trials >= PRIOR * 0.9
            && self.trials <= MEMORY + PRIOR
            && self.hits >= 0.0
            && self.hits <= self.trials
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_comes_to_the_share_of_hits(percent in 0_u32..=100, count in 20_000_u32..30_000) {
            let mut ratio = Ratio::with_prior(0.3);
            for trial in 0..count {
                ratio.learn(trial * 37 % 100 < percent, 1.0);
            }
            prop_assert!((ratio.mean() - f64::from(percent) / 100.0).abs() < 0.02, "{}", ratio.mean());
            prop_assert!(ratio.is_sound());
        }
    }

    #[test]
    fn nothing_known_is_the_prior_and_nonsense_is_told() {
        let prior = Ratio::with_prior(0.3);
        assert!((prior.mean() - 0.3).abs() < 1e-9 && prior.is_sound());
        for (hits, trials) in [(f64::NAN, 50.0), (60.0, 50.0), (-1.0, 50.0), (1.0, 0.0), (1.0, f64::INFINITY)]
        {
            assert!(!Ratio { hits, trials }.is_sound());
        }
    }
}
