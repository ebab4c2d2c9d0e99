//! What the next value should be.

use super::season::Season;

/// How fast the short level follows: a weight of 0.3 looks back some three values.
const SHORT: f64 = 0.3;
/// How fast the long level follows once it has seen enough: it looks back 200 values.
const LONG: f64 = 0.005;
/// How fast the errors of forecasts are forgotten: after 200 values.
const ERROR: f64 = 0.005;
/// How sharply the better of two forecasts is preferred.
const PREFERENCE: i32 = 4;
/// What a season learns from a value is at most this many usual errors away from what it expected.
const OUTLIER: f64 = 3.0;
/// Seconds of half an hour, the grain of a day.
const HALF_HOUR: i64 = 1_800;
/// Seconds of an hour, the grain of a week.
const HOUR: i64 = 3_600;
/// How much of the difference a day teaches, and a week.
const DAY_RATE: f64 = 0.1;
const WEEK_RATE: f64 = 0.5;

const EXPERTS: usize = 5;

/// Five simple forecasts and their average, in which the one that has erred less counts more (prediction with expert
/// advice; N. Cesa-Bianchi and G. Lugosi, "Prediction, Learning, and Games", 2006, chapter 2).
#[derive(Clone, Debug)]
pub(super) struct Forecast {
    seen: f64,
    last: f64,
    short: f64,
    long: f64,
    day: Season<48>,
    week: Season<168>,
    /// Usual absolute error of each.
    errors: [f64; EXPERTS],
    /// Usual absolute error of the average.
    error: f64,
}

/// What is expected now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expectation {
    /// By all forecasts together.
    pub(super) value: f64,
    /// By the time of the day alone.
    pub(super) day: f64,
    /// By the long level alone.
    pub(super) level: f64,
    experts: [f64; EXPERTS],
}

impl Forecast {
    pub(super) const fn new() -> Self {
        Self {
            seen: 0.0,
            last: 0.0,
            short: 0.0,
            long: 0.0,
            day: Season::new(HALF_HOUR, DAY_RATE),
            week: Season::new(HOUR, WEEK_RATE),
            errors: [0.0; EXPERTS],
            error: 0.0,
        }
    }

    /// What should come at this second; none before there was a value.
    pub(super) fn expect(&self, second: i64) -> Option<Expectation> {
        if self.seen <= 0.0 {
            return None;
        }
        let day = self.day.expect(second).unwrap_or(self.short);
        let week = self.week.expect(second).unwrap_or(day);
        let experts = [self.short, self.long, day, week, self.last];
        let least = self.errors.iter().copied().fold(f64::MAX, f64::min).max(f64::MIN_POSITIVE);
        let mut weights = 0.0;
        let mut sum = 0.0;
        for (expert, error) in experts.iter().zip(self.errors) {
            let weight = (least / error.max(f64::MIN_POSITIVE)).powi(PREFERENCE);
            weights += weight;
            sum += weight * expert;
        }
        // The best of them weighs 1.
        Some(Expectation { value: sum / weights, day, level: self.long, experts })
    }

    /// Learns a value; `interval` is the usual time between values, in seconds.
    pub(super) fn observe(&mut self, second: i64, value: f64, interval: f64, settled: bool) {
        let Some(expected) = self.expect(second) else {
            (self.last, self.short, self.long) = (value, value, value);
            self.learn_season(second, value, interval);
            self.seen = 1.0;
            return;
        };
        let new = 1.0 / (self.seen + 1.0);
        for (error, expert) in self.errors.iter_mut().zip(expected.experts) {
            *error += ERROR.max(new) * ((value - expert).abs() - *error);
        }
        self.error += new.max(ERROR) * ((value - expected.value).abs() - self.error);
        let near = |center: f64| {
            let far = OUTLIER * self.error;
            if settled { center + (value - center).clamp(-far, far) } else { value }
        };
        let (short, season) = (near(self.short), near(expected.day));
        self.short += SHORT * (short - self.short);
        self.long += LONG.max(new) * (value - self.long);
        self.last = value;
        self.learn_season(second, season, interval);
        self.seen += 1.0;
    }

    fn learn_season(&mut self, second: i64, value: f64, interval: f64) {
        self.day.observe(second, value, interval);
        self.week.observe(second, value, interval);
    }
}
