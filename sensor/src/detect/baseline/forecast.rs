//! Forecasts the next value.

use super::season::Season;

/// Smoothing factor of the short level: 0.3 looks back some three values.
const SHORT: f64 = 0.3;
/// Smoothing factor of the long level once it has seen enough: it looks back 200 values. Also that of forecast errors.
const LONG: f64 = 0.005;
/// How strongly the better of two forecasts is preferred: by the inverse square of its usual error.
const PREFERENCE: i32 = 2;
/// A season learns at most this many usual errors of deviation from a value, and its usual error at most this multiple
/// of itself.
const OUTLIER: f64 = 3.0;
const LARGEST_ERROR: f64 = 10.0;
/// Seconds of half an hour, the resolution of a day.
const HALF_HOUR: i64 = 1_800;
/// Seconds of an hour, the resolution of a week.
const HOUR: i64 = 3_600;
/// The share of a difference that a day learns, and a week: last week's value is expected again.
const DAY_RATE: f64 = 0.1;
const WEEK_RATE: f64 = 1.0;
/// Seconds in which an unobserved season loses weight by a factor of e: four weeks.
const SEASONS: f64 = 2_419_200.0;

const EXPERTS: usize = 5;

/// Five simple forecasts and their average, weighted by how little each has erred (prediction with expert advice; N.
/// Cesa-Bianchi and G. Lugosi, "Prediction, Learning, and Games", 2006, chapter 2).
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    /// Values learned from.
    pub(super) seen: f64,
    /// The first value, which seasons are relative to.
    pub(super) origin: f64,
    pub(super) last: f64,
    pub(super) short: f64,
    pub(super) long: f64,
    pub(super) day: Season<48>,
    pub(super) week: Season<168>,
    /// Usual absolute error of each, excluding outliers of the seasons.
    pub(super) errors: [f64; EXPERTS],
    /// The usual error that defines outliers of the day, and of the week.
    pub(super) usual: (f64, f64),
}

/// What is expected now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    /// The combined forecast.
    pub(super) value: f64,
    experts: [f64; EXPERTS],
}

impl Forecast {
    pub(super) const fn new() -> Self {
        Self {
            seen: 0.0,
            origin: 0.0,
            last: 0.0,
            short: 0.0,
            long: 0.0,
            day: Season::new(HALF_HOUR, DAY_RATE),
            week: Season::new(HOUR, WEEK_RATE),
            errors: [0.0; EXPERTS],
            usual: (0.0, 0.0),
        }
    }

    /// The forecast for this second; none before the first value.
    pub(super) fn expect(&self, second: i64) -> Option<Expectation> {
        if self.seen <= 0.0 {
            return None;
        }
        let at_this_time = |season: Option<f64>| season.map_or(self.short, |mean| self.origin + mean);
        let (day, week) = (at_this_time(self.day.expect(second)), at_this_time(self.week.expect(second)));
        let experts = [self.short, self.long, day, week, self.last];
        let least = self.errors.iter().copied().fold(f64::MAX, f64::min).max(f64::MIN_POSITIVE);
        let mut weights = 0.0;
        let mut sum = 0.0;
        for (expert, error) in experts.iter().zip(self.errors) {
            let weight = (least / error.max(f64::MIN_POSITIVE)).powi(PREFERENCE);
            weights += weight;
            // Relative to one of them, so that there is no rounding error if all agree.
            sum += weight * (expert - self.last);
        }
        // The best of them has weight 1.
        Some(Expectation { value: self.last + sum / weights, experts })
    }

    /// Learns a value; `interval` is the usual time between values, in seconds.
    pub(super) fn observe(&mut self, second: i64, value: f64, interval: f64, settled: bool) {
        let Some(expected) = self.expect(second) else {
            (self.origin, self.last, self.short, self.long) = (value, value, value, value);
            self.learn_seasons(second, (value, value), interval);
            self.seen = 1.0;
            return;
        };
        let new = 1.0 / (self.seen + 1.0);
        let rate = LONG.max(new);
        for (error, expert) in self.errors.iter_mut().zip(expected.experts) {
            *error += rate * ((value - expert).abs() - *error);
        }
        let [.., day, week, _last] = expected.experts;
        let for_day = near(value, day, &mut self.usual.0, rate, settled);
        let for_week = near(value, week, &mut self.usual.1, rate, settled);
        self.learn_seasons(second, (for_day, for_week), interval);
        self.short += SHORT.max(new) * (value - self.short);
        self.long += rate * (value - self.long);
        self.last = value;
        self.seen += 1.0;
    }

    /// After a pause of this many seconds: short-term levels are reset to what is usual at this time.
    pub(super) fn resume(&mut self, second: i64, elapsed: f64) {
        let keep = (-elapsed / SEASONS).exp();
        self.day.age(keep);
        self.week.age(keep);
        let usual = self.day.expect(second).or(self.week.expect(second));
        let level = usual.map_or(self.long, |mean| self.origin + mean);
        (self.short, self.last) = (level, level);
    }

    fn learn_seasons(&mut self, second: i64, (day, week): (f64, f64), interval: f64) {
        self.day.observe(second, day - self.origin, interval);
        self.week.observe(second, week - self.origin, interval);
    }
}

/// The value, or, for an outlier by the usual error, one closer to the expected value; the usual error learns, too.
fn near(value: f64, expected: f64, usual: &mut f64, rate: f64, settled: bool) -> f64 {
    let (off, before) = (value - expected, *usual);
    let knows = settled && before > 0.0;
    let error = if knows { off.abs().min(LARGEST_ERROR * before) } else { off.abs() };
    *usual += rate * (error - before);
    let most = OUTLIER * before;
    if knows { expected + off.clamp(-most, most) } else { value }
}
