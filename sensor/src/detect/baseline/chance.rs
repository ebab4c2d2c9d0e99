//! How unusual a count is by itself, compared with independent events at the usual rate or share.
//!
//! Both tests are predictive: the rate is known only from earlier counts, so the chance is averaged over its posterior
//! distribution. Jeffreys' prior (A. Gelman and others, "Bayesian Data Analysis", 3rd edition, 2013, section 2.8) turns
//! "none so far" into a rate of half an event in all that time, not zero.

/// Weight of the prior: half an event.
const JEFFREYS: f64 = 0.5;

/// Nats of surprise at `count` events or more when `usual` are expected, as known from `times` as much time: the
/// negative binomial predictive of a Poisson process. At least 0; 0 for the expected count or fewer.
pub(super) fn of_count(count: f64, usual: f64, times: f64) -> f64 {
    let shape = usual.max(0.0) * times + JEFFREYS;
    // Each term of the tail is at most this fraction of the previous one.
    let falls = ((count + shape) / (count + 1.0)).max(1.0) / (times + 1.0);
    let first = libm::lgamma(count + shape) - libm::lgamma(shape) - libm::lgamma(count + 1.0)
        + shape * (times / (times + 1.0)).ln()
        - count * times.ln_1p();
    tail(first, falls)
}

/// Nats of surprise at `hits` or more among `trials` when a share of `share` is usual, as known from `times` as many
/// trials: the beta-binomial predictive of independent trials. At least 0; 0 for the expected share or less.
pub(super) fn of_share(hits: f64, trials: f64, share: f64, times: f64) -> f64 {
    let (share, known) = (share.clamp(0.0, 1.0), trials * times);
    let (for_hits, for_misses) = (share * known + JEFFREYS, (1.0 - share) * known + JEFFREYS);
    let misses = (trials - hits).max(0.0);
    let falls = if misses < 1.0 {
        0.0
    } else {
        misses / (misses - 1.0 + for_misses) * ((hits + for_hits) / (hits + 1.0)).max(1.0)
    };
    let ways = libm::lgamma(trials + 1.0) - libm::lgamma(hits + 1.0) - libm::lgamma(misses + 1.0);
    let first = ways + ln_beta(hits + for_hits, misses + for_misses) - ln_beta(for_hits, for_misses);
    tail(first, falls)
}

/// A lower bound of minus the logarithm of a tail, from the logarithm of its first term and a bound of the factor
/// between terms. The tail is never underestimated, so the surprise is never overestimated.
fn tail(first: f64, falls: f64) -> f64 {
    if !(0.0..1.0).contains(&falls) {
        return 0.0;
    }
    ((1.0 - falls).ln() - first).max(0.0)
}

fn ln_beta(one: f64, other: f64) -> f64 {
    libm::lgamma(one) + libm::lgamma(other) - libm::lgamma(one + other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sum of the tail, term by term.
    fn summed(from: u32, chance: impl Fn(u32) -> f64, last: u32) -> f64 {
        let sum: f64 = (from..=last).map(chance).sum();
        -sum.ln()
    }

    #[test]
    fn it_is_the_tail_of_a_known_process() {
        // With enough history, they converge to a Poisson and a binomial process.
        let poisson = |k: u32| (f64::from(k) * 3_f64.ln() - 3.0 - libm::lgamma(f64::from(k) + 1.0)).exp();
        for count in [8, 12, 30] {
            let (exact, found) = (summed(count, poisson, 200), of_count(f64::from(count), 3.0, 1e7));
            assert!((0.0..0.1).contains(&(exact - found)), "{count}: {found}, not {exact}");
        }
        let binomial = |k: u32| {
            let (k, n) = (f64::from(k), 40.0);
            let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
            (ways + k * 0.1_f64.ln() + (n - k) * 0.9_f64.ln()).exp()
        };
        for hits in [12, 20, 40] {
            let (exact, found) = (summed(hits, binomial, 40), of_share(f64::from(hits), 40.0, 0.1, 1e6));
            assert!((0.0..0.1).contains(&(exact - found)), "{hits}: {found}, not {exact}");
        }
    }

    #[test]
    fn none_so_far_makes_one_no_miracle_and_many_one() {
        assert!(of_count(1.0, 0.0, 30.0) < 5.0);
        assert!(of_count(30.0, 0.0, 30.0) > 50.0);
        assert!(of_share(1.0, 25.0, 0.0, 30.0) < 5.0);
        assert!(of_share(25.0, 25.0, 0.0, 30.0) > 50.0);
    }

    #[test]
    fn what_is_expected_or_less_surprises_nobody() {
        for (count, usual) in [(0.0, 0.0), (0.0, 5.0), (5.0, 5.0), (900.0, 1_000.0)] {
            assert!(of_count(count, usual, 30.0) < 1.0, "{count} of {usual}");
        }
        for (hits, share) in [(0.0, 0.0), (0.0, 0.5), (50.0, 0.5), (100.0, 1.0)] {
            assert!(of_share(hits, 100.0, share, 30.0) < 1.0, "{hits} at {share}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_number_and_rises_with_the_count(
            usual in 0.0..1e6_f64,
            count in 0_u32..2_000_000,
            share in 0.0..=1.0_f64,
            trials in 1_u32..2_000_000,
        ) {
            let (one, more) = (of_count(f64::from(count), usual, 30.0), of_count(f64::from(count) * 1.5 + 1.0, usual, 30.0));
            prop_assert!(one >= 0.0 && more.is_finite() && more >= one - 1e-6, "{one} {more}");
            let of = f64::from(trials);
            let hits = f64::from(count.min(trials));
            let (one, all) = (of_share(hits, of, share, 30.0), of_share(of, of, share, 30.0));
            prop_assert!(one >= 0.0 && one.is_finite() && all.is_finite() && all >= one - 1e-6, "{one} {all}");
        }
    }
}
