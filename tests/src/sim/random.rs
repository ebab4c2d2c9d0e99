//! Random numbers that are the same for the same seed, on every machine and in every later version.

use std::f64::consts::TAU;
use std::time::Duration;

/// Vigna's `SplitMix64`. A generator of our own, of five lines, since those of crates may change with a version, and
/// a recorded seed must go on meaning the same traffic.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; different seeds give unrelated numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another generator whose numbers do not depend on how many this one gave.
    #[must_use]
    pub const fn fork(&self, label: u64) -> Self {
        Self(mix(self.0 ^ mix(label)))
    }

    /// 64 random bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Less than `bound`, which is not 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 * STEP
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Until the next event of a Poisson process with this mean gap.
    pub fn gap(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.unit()).ln())
    }

    /// Evenly between zero and `most`.
    pub fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.unit())
    }

    /// Log-normal with this median; `sigma` of its logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        median * (sigma * radius * (TAU * self.unit()).cos()).exp()
    }

    /// How often something of this probability does not happen in a row, at most `most` times.
    pub fn run(&mut self, probability: f64, most: u32) -> u32 {
        (0..most).take_while(|_| !self.chance(probability)).count() as u32
    }
}

/// The finaliser of `SplitMix64`: a hash of a number.
#[must_use]
pub const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = Random::new(1_234_567);
        // The reference implementation's first numbers for this seed.
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn means_are_as_asked() {
        let mut random = Random::new(3);
        let mean = |draw: &mut dyn FnMut() -> f64| (0..100_000).map(|_| draw()).sum::<f64>() / 100_000.0;
        assert!((mean(&mut || random.unit()) - 0.5).abs() < 0.01);
        assert!((mean(&mut || random.gap(Duration::from_secs(7)).as_secs_f64()) - 7.0).abs() < 0.2);
        assert!((mean(&mut || random.log_normal(1.0, 0.5)) - 0.125_f64.exp()).abs() < 0.02);
        assert!((mean(&mut || f64::from(random.chance(0.2))) - 0.2).abs() < 0.01);
        assert!((0..10_000).all(|_| random.below(10) < 10));
    }
}
