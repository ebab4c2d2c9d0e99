//! `rate-spike`, `error-spike`, `latency-spike`: for the host and its busiest routes, each minute against what is usual
//! for each at that time ([`Baseline`]).
//!
//! Only increases are worth an alert, and only if they matter: a route with two requests a minute may fail twice. Other
//! detectors find out who is behind a spike; these name no offender.
#![expect(clippy::float_arithmetic, reason = "shares and expectations are real numbers")]

mod kept;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize as _;

use super::baseline::{Baseline, Score};
use super::{Config, Detector, Evidence, Growth, Preset, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::event::{Event, Exchange};
use kept::Learned;
use tally::Tally;

/// Length of a counting interval.
const MINUTE: Duration = Duration::from_secs(60);
/// Routes with baselines of their own, 15 KB each.
const MAX_ROUTES: usize = 64;
/// Routes counted in one minute; others' requests count only for the host.
const MAX_TALLIES: usize = 512;
/// Requests below which a minute says nothing about errors and latency: with 20, one slow response is the 95th
/// percentile, and one failure 5 %.
const MIN_REQUESTS: u32 = 20;
/// Requests a minute beyond the forecast that are worth an alert: one each second.
const MIN_EXCESS: f64 = 60.0;
/// Multiple of the expected requests, or latency, that is worth an alert.
const MIN_RATIO: f64 = 2.0;
/// Failures that are worth an alert, in one minute or in several consecutive unusual ones.
const MIN_ERRORS: u32 = 10;
/// Share of failures beyond the expected that is worth an alert.
const MIN_SHARE: f64 = 0.05;
/// Consecutive minutes with errors that make an outage: a deployment or restart may fail everything for one, and span
/// two.
const OUTAGE: u32 = 3;
/// Microseconds of latency beyond the forecast that are worth an alert: people begin to notice 100 ms (R. B. Miller,
/// "Response time in man-computer conversational transactions", 1968), and a page has several responses.
const MIN_LATENCY_US: f64 = 20_000.0;
/// Score from which it is an outage rather than something to look at, if answers fail or slow down as well: a campaign
/// that brings ten times the visitors is as improbable as a flood, and until the server suffers nothing tells the two
/// apart. A chance of one in 10 million:
/// With 65 subjects, 3 series of each and 10,080 minutes a week, that is less than one a week by chance.
const SEVERE: f64 = 0.8;
/// Missing minutes that count as empty; a longer silence is a pause of the sensor, not of the traffic.
const MAX_SILENCE: u64 = 60;
/// Smoothing of a route's usual number of requests: a look back over an hour.
const USUAL: f64 = 1.0 / 60.0;

/// Monitors the host and its busiest routes.
#[derive(Debug)]
pub struct Spikes {
    threshold: f64,
    /// The same for shares of errors, fifty times the chance: that they are many enough to matter is asked besides, and
    /// that no binomial process would do so; and a share that is mostly zero leaves little to compare with.
    error_threshold: f64,
    /// The current minute, in minutes since 1970.
    minute: Option<u64>,
    /// Whether its beginning was seen.
    whole: bool,
    host: Watch,
    host_tally: Tally,
    routes: BTreeMap<String, Watch>,
    tallies: BTreeMap<String, Tally>,
    evicted: u64,
}

/// What is usual for one subject.
#[derive(Debug, Default)]
struct Watch {
    rate: Baseline,
    errors: Baseline,
    latency: Baseline,
    /// Requests in a usual minute.
    usual: f64,
    /// Errors beyond what is expected, minute after minute.
    failing: Option<Failing>,
}

/// A condition that lasts is scored high only once.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// For how many minutes.
    minutes: u32,
    /// Errors since the condition was last reported, and the highest score among them.
    errors: u32,
    best: Score,
    /// The highest score of all.
    worst: Score,
}

/// Counts of one subject.
#[derive(Clone, Copy, Debug)]
enum Series {
    Requests,
    ErrorShare,
    LatencyP95,
}

/// A series that left its usual range.
#[derive(Clone, Copy, Debug)]
struct Spike {
    series: Series,
    value: f64,
    score: Score,
    /// Whether it hurts: requests are mere visitors as long as they are answered, and as fast as usual; errors of a
    /// minute or two may be a restart.
    harms: bool,
}

impl Spikes {
    /// Score from which there is an alert: a chance of one in fifty thousand by default, of one in half a million for
    /// the relaxed preset, and of one in five thousand for the strict one; fifty times that for
    /// errors.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let chance: f64 = match config.preset {
            Preset::Relaxed => 2e-6,
            Preset::Balanced => 2e-5,
            Preset::Strict => 2e-4,
        };
        Self {
            threshold: Score::threshold(chance),
            error_threshold: Score::threshold(chance * 50.0),
            minute: None,
            whole: false,
            host: Watch::default(),
            host_tally: Tally::default(),
            routes: BTreeMap::new(),
            tallies: BTreeMap::new(),
            evicted: 0,
        }
    }

    fn count(&mut self, exchange: &Exchange<'_>) {
        self.host_tally.count(exchange.outcome(), exchange.duration_us);
        let Some(route) = exchange.route else { return };
        if let Some(tally) = self.tallies.get_mut(route) {
            tally.count(exchange.outcome(), exchange.duration_us);
        } else if self.tallies.len() < MAX_TALLIES {
            let mut tally = Tally::default();
            tally.count(exchange.outcome(), exchange.duration_us);
            self.tallies.insert(route.to_owned(), tally);
        } else {
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    /// Ends the minutes before that of `now`.
    fn turn(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        let current = now.since(Timestamp::default()).as_secs().div_euclid(60);
        let Some(minute) = self.minute else {
            self.minute = Some(current);
            return;
        };
        let passed = current.saturating_sub(minute);
        if passed == 0 {
            // The clock was set back by more than the disorder of events: the counts belong to no minute.
            if minute.saturating_sub(current) > 1 {
                self.restart(current);
            }
            return;
        }
        if passed > MAX_SILENCE {
            self.close(minute, signals);
            self.restart(current);
            return;
        }
        for minute in minute..current {
            self.close(minute, signals);
        }
        self.minute = Some(current);
    }

    fn restart(&mut self, minute: u64) {
        self.minute = Some(minute);
        self.whole = false;
        self.host_tally = Tally::default();
        self.tallies.clear();
    }

    /// Evaluates a completed minute, and starts the next.
    fn close(&mut self, minute: u64, signals: &mut Vec<Signal>) {
        let host = std::mem::take(&mut self.host_tally);
        let tallies = std::mem::take(&mut self.tallies);
        if !std::mem::replace(&mut self.whole, true) {
            return;
        }
        let begin =
            Timestamp::default().plus(MINUTE.saturating_mul(u32::try_from(minute).unwrap_or(u32::MAX)));
        let (threshold, error_threshold) = (self.threshold, self.error_threshold);
        let threshold_of =
            move |series| if matches!(series, Series::ErrorShare) { error_threshold } else { threshold };
        let mut judge = |watch: &mut Watch, tally: &Tally, subject: &dyn Fn() -> Subject| {
            let found = watch.judge(begin, tally).into_iter().flatten();
            let alarming = found.filter(|spike| spike.score.anomaly >= threshold_of(spike.series));
            signals.extend(alarming.map(|spike| spike.signal(subject(), begin, threshold_of(spike.series))));
        };
        judge(&mut self.host, &host, &|| Subject::Host);
        let none = Tally::default();
        for (route, watch) in &mut self.routes {
            judge(watch, tallies.get(route).unwrap_or(&none), &|| Subject::Route(route.clone()));
        }
        for (route, tally) in tallies {
            if !self.routes.contains_key(&route) {
                self.admit(route, tally.requests());
            }
        }
    }

    /// Gives a route its own baselines, if there is room or one that is requested less than half as often.
    fn admit(&mut self, route: String, requests: u32) {
        if self.routes.len() >= MAX_ROUTES {
            let least = self.routes.iter().min_by(|(_, one), (_, other)| one.usual.total_cmp(&other.usual));
            let Some((quiet, watch)) = least else { return };
            if f64::from(requests) < watch.usual * 2.0 {
                return;
            }
            let quiet = quiet.clone();
            self.routes.remove(&quiet);
            self.evicted = self.evicted.saturating_add(1);
        }
        self.routes.insert(route, Watch { usual: f64::from(requests), ..Watch::default() });
    }
}

impl Watch {
    /// What was unusual in a minute, as far as it matters. Everything counted is learned.
    fn judge(&mut self, begin: Timestamp, tally: &Tally) -> [Option<Spike>; 3] {
        let requests = f64::from(tally.requests());
        self.usual += USUAL * (requests - self.usual);
        let rate = self.rate.observe_count(begin, tally.requests());
        let is_many = requests >= rate.expected * MIN_RATIO && requests - rate.expected >= MIN_EXCESS;
        let rate =
            is_many.then_some(Spike { series: Series::Requests, value: requests, score: rate, harms: false });
        if tally.requests() < MIN_REQUESTS {
            return [rate, None, None];
        }
        let share = f64::from(tally.errors()) / requests;
        let score = self.errors.observe_share(begin, tally.errors(), tally.requests());
        let errors = self
            .enough_errors(tally.errors(), share - score.expected >= MIN_SHARE, score)
            .map(|(score, lasts)| Spike { series: Series::ErrorShare, value: share, score, harms: lasts });
        let latency =
            tally.slow_us(MIN_REQUESTS).and_then(|slow| {
                let score = self.latency.observe(begin, slow);
                (slow >= score.expected * MIN_RATIO && slow - score.expected >= MIN_LATENCY_US)
                    .then_some(Spike { series: Series::LatencyP95, value: slow, score, harms: true })
            });
        let harms = errors.is_some() || latency.is_some();
        [rate.map(|rate| Spike { harms, ..rate }), errors, latency]
    }
}

impl Watch {
    /// The score of a condition whose errors have added up to as many as matter, and whether it lasts longer than a
    /// restart does.
    fn enough_errors(&mut self, errors: u32, is_beyond: bool, score: Score) -> Option<(Score, bool)> {
        if !is_beyond {
            self.failing = None;
            return None;
        }
        let none = Failing { minutes: 0, errors: 0, best: score, worst: score };
        let mut failing = self.failing.unwrap_or(none);
        failing.minutes = failing.minutes.saturating_add(1);
        failing.errors = failing.errors.saturating_add(errors);
        failing.best = greater(failing.best, score);
        failing.worst = greater(failing.worst, score);
        let lasts = failing.minutes >= OUTAGE;
        let told = match failing.minutes {
            // What was reported at its start is worse now.
            OUTAGE => failing.worst,
            _ => failing.best,
        };
        let is_enough = failing.errors >= MIN_ERRORS;
        if is_enough {
            (failing.errors, failing.best) = (0, Score { anomaly: 0.0, ..score });
        }
        self.failing = Some(failing);
        is_enough.then_some((told, lasts))
    }
}

fn greater(one: Score, other: Score) -> Score {
    if one.anomaly > other.anomaly { one } else { other }
}

impl Spike {
    fn signal(&self, subject: Subject, begin: Timestamp, threshold: f64) -> Signal {
        let end = begin.plus(MINUTE);
        let Score { anomaly, expected, .. } = self.score;
        let (threat, name, value, usual) = match self.series {
            Series::Requests => (
                Threat::RateSpike,
                "requests",
                format!("{:.0} requests", self.value),
                format!("{expected:.0}"),
            ),
            Series::ErrorShare => (
                Threat::ErrorSpike,
                "error_share",
                format!("{:.1} % errors", self.value * 100.0),
                format!("{:.1} %", expected * 100.0),
            ),
            Series::LatencyP95 => (
                Threat::LatencySpike,
                "latency_p95_us",
                format!("95th percentile latency of {:.0} ms", self.value / 1_000.0),
                format!("{:.0} ms", expected / 1_000.0),
            ),
        };
        Signal {
            at: end,
            threat,
            severity: if self.harms && anomaly >= SEVERE { Severity::High } else { Severity::Medium },
            confidence: anomaly,
            summary: format!("{value} in a minute on {subject}; usual: {usual}"),
            subject,
            offenders: Vec::new(),
            evidence: Evidence::default()
                .with(name, self.value)
                .with(&format!("{name}_expected"), expected)
                .with("anomaly_score", anomaly)
                .with("anomaly_score_threshold", threshold),
            window: (begin, end),
            decided: None,
            growth: Growth::default(),
        }
    }
}

impl Detector for Spikes {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        let Event::Exchange(exchange) = event else { return };
        self.turn(event.known(), signals);
        self.count(exchange);
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.turn(now, signals);
    }

    fn name(&self) -> &'static str {
        "spikes"
    }

    fn learned(&self) -> Option<serde_json::Value> {
        serde_json::to_value(Learned::of(&self.host, &self.routes)).ok()
    }

    fn restore(&mut self, learned: &serde_json::Value) -> Result<(), String> {
        let learned = Learned::deserialize(learned).map_err(|error| format!("spikes: {error}"))?;
        let watches = learned.watches()?;
        (self.host, self.routes) = (watches.host, watches.routes);
        watches.unread.map_or(Ok(()), Err)
    }

    fn usage(&self) -> Usage {
        Usage { entries: self.routes.len(), capacity: MAX_ROUTES, evicted: self.evicted }
    }
}
