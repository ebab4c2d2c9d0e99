//! What is usual for a series, and how unusual the next value is.
//!
//! One method, the same for rates, shares of errors and latencies: the score of a value is the chance that one as
//! far from what was expected would have come, under a predictive distribution that is learned as the series goes
//! on. It is streaming: a value is scored before it is learned from, and no value is kept.
//!
//! 1. *Forecast*: levels, times of the day and of the week, in the proportion in which they were right
//!    (`forecast.rs`).
//! 2. *Deviation* of the value, in three ways: from the time of the day, which finds what comes at the wrong hour or
//!    stays away; from the long level, which finds what is large; and the recent mean error of the forecast, which
//!    finds what is small and lasts.
//! 3. *Surprise* at each, in nats, by a Dirichlet process with a heavy-tailed base measure (`predictive.rs`). With
//!    little history, how large is unusual comes from the base measure and the median deviation; with much, from how
//!    often the like has been seen. That is what "works from the first hour and improves with history" means.
//! 4. *Mean* of the three: the logarithmic pool of their chances, so one of them alone has to be very sure.
//! 5. *Refractory period*: a condition that lasts is told once. A value counts only if it surprises more than what
//!    is left of the greatest surprise before it, which fades over days.
#![expect(clippy::float_arithmetic, reason = "forecasts and chances are real numbers")]

mod forecast;
mod predictive;
mod season;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use forecast::Forecast;
use predictive::{MOST_SURPRISE, Predictive};

/// Values before the first that is scored: half an hour of minutes.
const WARM_UP: u32 = 30;
/// How fast the recent mean error follows: it looks back 36 values.
const DRIFT: f64 = 1.0 / 36.0;
/// Of the least step between two values, which is taken for the precision of the measurement, the share below which
/// no deviation is typical. A count that is mostly 0 would else make a miracle of every 1.
const PRECISION: f64 = 0.5;
/// Seconds in which the refractory period fades by a factor e: four days.
const FADING: f64 = 345_600.0;
/// How fast the usual interval follows.
const INTERVAL: f64 = 0.05;
/// Larger values, of either sign, count as this one.
const MOST: f64 = 1e100;
/// Nats of surprise that halve the distance of a score to 1: those of one in a thousand.
const HALVING: f64 = 6.907_755_278_982_137;

/// The learned behaviour of one series. 13 KB, whatever is observed.
#[derive(Clone, Debug)]
pub struct Baseline {
    seen: u32,
    forecast: Forecast,
    deviations: [Predictive; 3],
    /// Recent mean error of the forecast.
    drift: f64,
    /// The time of the last value, in seconds since 1970, and the value.
    last: Option<(f64, f64)>,
    /// Usual seconds between values; 0 while unknown.
    interval: f64,
    /// The least step between two values; 0 while unknown.
    step: f64,
    /// What is left of the greatest surprise.
    refractory: f64,
}

/// What a baseline says about a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// From 0 to 1: half at a chance of one in a thousand, three quarters at one in a million; 0 while the series is
    /// not known well enough, and for what the refractory period covers.
    pub anomaly: f64,
    /// The same without the refractory period, in nats: minus the natural logarithm of the chance. From 0 to 100.
    pub surprise: f64,
    /// What was expected; the value itself where it is the first.
    pub expected: f64,
}

impl Score {
    /// Of a value that says nothing.
    const NONE: Self = Self { anomaly: 0.0, surprise: 0.0, expected: 0.0 };

    /// The scale of [`Score::anomaly`] for a surprise in nats.
    #[must_use]
    pub fn scale(surprise: f64) -> f64 {
        1.0 - (-surprise / HALVING).exp2()
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self::new()
    }
}

impl Baseline {
    /// Of a series that nothing is known of.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seen: 0,
            forecast: Forecast::new(),
            deviations: std::array::from_fn(|_index| Predictive::new()),
            drift: 0.0,
            last: None,
            interval: 0.0,
            step: 0.0,
            refractory: 0.0,
        }
    }

    /// Scores a value, then learns from it. Times may be irregular or jump. A value that is no finite number is
    /// passed over with a score of 0.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> Score {
        if !value.is_finite() {
            return Score::NONE;
        }
        let value = value.clamp(-MOST, MOST);
        let (second, fraction) = seconds_of(at);
        let elapsed = self.timed(fraction, value);
        let settled = self.seen >= WARM_UP;
        let score = match self.forecast.expect(second) {
            None => Score { expected: value, ..Score::NONE },
            Some(expected) => {
                self.drift += DRIFT * (value - expected.value - self.drift);
                let deviations = [value - expected.day, self.drift, value - expected.level].map(f64::abs);
                let surprise = if settled { self.surprise(deviations) } else { 0.0 };
                for (history, deviation) in self.deviations.iter_mut().zip(deviations) {
                    history.observe(deviation);
                }
                let anomaly = Score::scale(self.refract(surprise, elapsed));
                Score { anomaly, surprise, expected: expected.value }
            }
        };
        self.forecast.observe(second, value, self.interval, settled);
        self.seen = self.seen.saturating_add(1);
        score
    }

    /// Mean surprise at the deviations.
    fn surprise(&self, deviations: [f64; 3]) -> f64 {
        let resolution = self.step * PRECISION;
        let sum: f64 = self
            .deviations
            .iter()
            .zip(deviations)
            .map(|(history, deviation)| history.surprise(deviation, resolution))
            .sum();
        (sum / 3.0).min(MOST_SURPRISE)
    }

    /// The surprise, or 0 where what is left of an earlier one is greater.
    fn refract(&mut self, surprise: f64, elapsed: f64) -> f64 {
        self.refractory *= (-elapsed / FADING).exp();
        let counts = surprise > self.refractory;
        self.refractory = self.refractory.max(surprise);
        if counts { surprise } else { 0.0 }
    }

    /// Takes note of time and step; the seconds that passed, at least half of the usual interval, whatever the
    /// clock did.
    fn timed(&mut self, second: f64, value: f64) -> f64 {
        let Some((before, last)) = self.last.replace((second, value)) else { return 0.0 };
        let passed = second - before;
        if passed > 0.0 {
            self.interval = if self.interval > 0.0 {
                self.interval + INTERVAL * (passed.min(self.interval * 3.0) - self.interval)
            } else {
                passed
            };
        }
        let step = (value - last).abs();
        if step > 0.0 && (self.step <= 0.0 || step < self.step) {
            self.step = step;
        }
        passed.max(self.interval / 2.0)
    }
}

/// Whole seconds since 1970, and the same with their fraction.
fn seconds_of(at: Timestamp) -> (i64, f64) {
    let since = at.since(Timestamp::default());
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.as_secs_f64())
}
