//! What is usual for a series, and how unusual the next value is.
//!
//! One method for rates, error shares, latencies and arbitrary series: the score of a value is the chance of one at
//! least as far from the forecast, under a predictive distribution learned from the series. It is streaming: a value is
//! scored before it is learned, and no value is kept.
//!
//! 1. *Forecast*: levels, time of day and time of week, weighted by how accurate each has been (`forecast.rs`).
//! 2. *Two views* of the forecast's error: the error itself, which finds sudden changes, and its recent mean, which finds
//!    small, lasting ones. The greater surprise counts: an incident need not be both.
//! 3. *Surprise* at each, in nats, by a Dirichlet process with a heavy-tailed base measure (`predictive.rs`). With little
//!    history, the base measure decides what is unusual; with much, the observed frequencies do. So it works from the
//!    first hour and improves with history.
//! 4. *Counts* are also tested against their own likelihood (`chance.rs`), and the lesser surprise counts: variation that
//!    a Poisson process has by itself is not unusual, however calm the history was.
//! 5. *Rare per time, not per value*: incidents occur a number of times a week, whether values arrive by the minute or by
//!    the hour, so the chance is computed per minute.
//! 6. *Refractory period*: a lasting condition is reported once. A value counts only if it surprises more than what
//!    remains of the greatest surprise before it, which fades over hours.
//!
//! A surprising value is learned with less weight; otherwise a series full of incidents would learn them as usual.
//! Beyond that point a score is a rank rather than a chance, and up to [`INFLATION`] nats too high.
#![expect(clippy::float_arithmetic, reason = "forecasts and chances are real numbers")]

mod chance;
mod forecast;
mod kept;
mod predictive;
mod season;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use forecast::Forecast;
use predictive::{MOST_SURPRISE, Predictive};

/// Values before the first one scored: half an hour of minutes.
const WARM_UP: f64 = 30.0;
/// Smoothing of the recent mean error: it looks back 36 values.
const DRIFT: f64 = 1.0 / 36.0;
/// Share of the smallest step between two values, taken as the measurement's precision, below which no deviation is
/// typical.
const PRECISION: f64 = 0.5;
/// Nats from which a value is learned only with weight [`LESSON`].
const SURPRISING: f64 = 7.0;
/// Weight with which surprising values are learned.
const LESSON: f64 = 0.25;
/// Nats by which scores of surprising values may be too high, since history has only a quarter of such values. A
/// threshold for a chance is raised by this much.
const INFLATION: f64 = 2.0 * std::f64::consts::LN_2;
/// Seconds in which the refractory period fades by a factor of e: six hours.
const FADING: f64 = 21_600.0;
/// Consecutive missing values from which the series counts as paused or unobserved.
const PAUSE: f64 = 60.0;
/// Smoothing of the usual interval.
const INTERVAL: f64 = 0.05;
/// Seconds that a chance refers to.
const MINUTE: f64 = 60.0;
/// Values over which an equally weighted mean varies as much as the recent mean error: (2 - a) / a for a weight of a.
const MEAN_OF: f64 = 71.0;
/// Maximum values that the usual count is known from: those that the long level looks back over.
const KNOWN: f64 = 200.0;
/// Values are clamped to this, with either sign.
const MOST: f64 = 1e30;
/// Nats of surprise that give a score of 0.5: a chance of one in a thousand.
const HALVING: f64 = 6.907_755_278_982_137;

/// The learned behaviour of one series. Less than 5 KB, whatever is observed.
#[derive(Clone, Debug)]
pub struct Baseline {
    forecast: Forecast,
    /// History of the two views.
    deviations: [Predictive; 2],
    /// Recent mean error of the forecast.
    drift: f64,
    /// The time of the last value, in seconds since 1970, and the value.
    last: Option<(f64, f64)>,
    /// Usual seconds between values; 0 while unknown.
    interval: f64,
    /// The smallest step between two values; 0 while unknown.
    step: f64,
    /// What remains of the greatest surprise.
    refractory: f64,
}

/// The result for a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// From 0 to 1: half at a chance of one in a thousand, three quarters at one in a million; 0 while the series is
    /// not known well enough, and for what the refractory period covers.
    pub anomaly: f64,
    /// The same without the refractory period and per value instead of per minute, in nats: minus the natural logarithm
    /// of the chance. From 0 to 100.
    pub surprise: f64,
    /// The forecast; the value itself if it is the first.
    pub expected: f64,
}

impl Score {
    /// For a value without information.
    const NONE: Self = Self { anomaly: 0.0, surprise: 0.0, expected: 0.0 };

    /// The scale of [`Score::anomaly`] for a surprise in nats.
    #[must_use]
    pub fn scale(surprise: f64) -> f64 {
        1.0 - (-surprise / HALVING).exp2()
    }

    /// The score from which values are rarer than once in `1 / chance` minutes; `chance` is at most one in a thousand.
    #[must_use]
    pub fn threshold(chance: f64) -> f64 {
        Self::scale(INFLATION - chance.ln())
    }
}

/// The kind of value, as far as it determines random variation.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A measured quantity.
    Quantity,
    /// A number of events.
    Count,
    /// Hits among trials; the value is their share.
    Share { trials: f64 },
}

impl Kind {
    /// Half of the smallest possible difference; 0 if unknown.
    fn resolution(self) -> f64 {
        match self {
            Self::Quantity => 0.0,
            Self::Count => PRECISION,
            Self::Share { trials } => PRECISION / trials,
        }
    }

    /// Maximum nats of surprise at a mean over this many `values` that exceeds the forecast, which is `known` from this
    /// many.
    fn most(self, mean: f64, expected: f64, (values, known): (f64, f64)) -> f64 {
        if mean <= expected {
            return f64::INFINITY;
        }
        let times = known / values;
        match self {
            Self::Quantity => f64::INFINITY,
            Self::Count => chance::of_count(mean * values, expected * values, times),
            Self::Share { trials } => {
                chance::of_share(mean.min(1.0) * trials * values, trials * values, expected, times)
            }
        }
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self::new()
    }
}

impl Baseline {
    /// For a series without history.
    #[must_use]
    pub fn new() -> Self {
        Self {
            forecast: Forecast::new(),
            deviations: std::array::from_fn(|_index| Predictive::new()),
            drift: 0.0,
            last: None,
            interval: 0.0,
            step: 0.0,
            refractory: 0.0,
        }
    }

    /// Scores a value, then learns from it. Times may be irregular or jump. A value that is not a finite number is
    /// skipped with a score of 0.
    pub fn observe(&mut self, at: Timestamp, value: f64) -> Score {
        self.judge(at, value, Kind::Quantity)
    }

    /// The same for a number of events.
    pub fn observe_count(&mut self, at: Timestamp, count: u32) -> Score {
        self.judge(at, f64::from(count), Kind::Count)
    }

    /// The same for the share of `hits` in `trials`; skipped if there are no trials.
    pub fn observe_share(&mut self, at: Timestamp, hits: u32, trials: u32) -> Score {
        let trials = f64::from(trials);
        self.judge(at, f64::from(hits) / trials, Kind::Share { trials })
    }

    /// As bytes, for a file; at most 4.5 KB, usually 2 KB.
    #[must_use]
    pub fn kept(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        kept::write(self, &mut bytes);
        bytes
    }

    /// Restores what [`Self::kept`] wrote; none for anything else.
    #[must_use]
    pub fn from_kept(bytes: &[u8]) -> Option<Self> {
        kept::read(bytes)
    }

    fn judge(&mut self, at: Timestamp, value: f64, kind: Kind) -> Score {
        if !value.is_finite() {
            return Score::NONE;
        }
        let value = value.clamp(-MOST, MOST);
        let (second, fraction) = seconds_of(at);
        let elapsed = self.timed(fraction);
        self.paused(second, elapsed);
        let precision = self.stepped(value);
        let settled = self.settled();
        let score = match self.forecast.expect(second) {
            None => Score { expected: value, ..Score::NONE },
            Some(expected) => {
                let error = value - expected.value;
                self.drift += DRIFT * (error - self.drift);
                let surprise = self.surprise(error, expected.value, (kind, precision));
                Score { anomaly: self.anomaly(surprise, elapsed), surprise, expected: expected.value }
            }
        };
        self.forecast.observe(second, value, self.interval, settled);
        self.last = Some((fraction, value));
        score
    }

    /// The greater of the surprises at the two views of an error, both of which are learned.
    fn surprise(&mut self, error: f64, expected: f64, (kind, precision): (Kind, f64)) -> f64 {
        let settled = self.settled();
        let resolution = kind.resolution().max(precision);
        let known = self.forecast.seen.min(KNOWN);
        let mut greatest = 0.0_f64;
        for (history, (deviation, values)) in
            self.deviations.iter_mut().zip([(error, 1.0), (self.drift, MEAN_OF)])
        {
            // A mean has a finer resolution in proportion to its smaller variation.
            let resolution = resolution / values.sqrt();
            let rare = if settled { history.surprise(deviation.abs(), resolution) } else { 0.0 };
            history.observe(deviation.abs(), if rare < SURPRISING { 1.0 } else { LESSON });
            let most = || kind.most(expected + deviation, expected, (values, known));
            greatest = greatest.max(if rare > greatest { rare.min(most()) } else { 0.0 });
        }
        greatest
    }

    /// Whether the series is known well enough for scores.
    fn settled(&self) -> bool {
        self.forecast.seen >= WARM_UP
    }

    /// The score of a surprise: 0 if what remains of an earlier one is greater.
    fn anomaly(&mut self, surprise: f64, elapsed: f64) -> f64 {
        self.refractory *= (-elapsed / FADING).exp();
        let counts = surprise > self.refractory;
        self.refractory = self.refractory.max(surprise);
        let minutes = if self.interval > 0.0 { self.interval / MINUTE } else { 1.0 };
        if counts { Score::scale((surprise + minutes.ln()).clamp(0.0, MOST_SURPRISE)) } else { 0.0 }
    }

    /// After a pause, short-term levels are reset to what is usual at this time, and history is aged.
    fn paused(&mut self, second: i64, elapsed: f64) {
        let missed = elapsed / self.interval;
        if missed > PAUSE {
            self.forecast.resume(second, elapsed);
            self.deviations.iter_mut().for_each(|history| history.age(missed));
        }
    }

    /// Records the time; returns the seconds that passed, at least half of the usual interval, whatever the clock did.
    fn timed(&mut self, second: f64) -> f64 {
        let Some((before, _)) = self.last else { return 0.0 };
        let passed = second - before;
        if passed > 0.0 {
            self.interval = if self.interval > 0.0 {
                self.interval + INTERVAL * (passed.min(self.interval * 3.0) - self.interval)
            } else {
                passed
            };
        }
        passed.max(self.interval / 2.0)
    }

    /// Records the step to a value; returns half of the smallest one so far, or 0 for the first.
    fn stepped(&mut self, value: f64) -> f64 {
        let is_first = self.step <= 0.0;
        let step = self.last.map_or(0.0, |(_, last)| (value - last).abs());
        if step > 0.0 && (self.step <= 0.0 || step < self.step) {
            self.step = step;
        }
        if is_first { 0.0 } else { self.step * PRECISION }
    }
}

/// Whole seconds since 1970, and the same with their fraction.
fn seconds_of(at: Timestamp) -> (i64, f64) {
    let since = at.since(Timestamp::default());
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.as_secs_f64())
}
