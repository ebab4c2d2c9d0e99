//! The simulated period: how long, how busy, and what legitimate clients do besides browsing.

use std::time::Duration;

use sensor::clock::Timestamp;

use super::random::{Random, mix};
use super::record::Behaviour;

/// Monday, 6 January 2025, 0:00 UTC.
pub const MONDAY: Timestamp = Timestamp::from_unix_nanos(1_736_121_600_000_000_000);
/// A minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// An hour.
pub const HOUR: Duration = Duration::from_secs(3_600);
/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);
/// A week.
pub const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A stretch of simulated time with legitimate clients.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Another seed is other traffic of the same kind.
    pub seed: u64,
    /// Its beginning.
    pub start: Timestamp,
    /// Its length.
    pub length: Duration,
    /// Mean of a week, over all users but those of the office.
    pub logins_per_minute: f64,
    /// Besides users at home.
    pub behaviours: Vec<Behaviour>,
}

/// From, until.
pub type Window = (Timestamp, Timestamp);

impl Plan {
    /// A site with 50 logins a minute and all that legitimate clients do.
    #[must_use]
    pub fn busy(seed: u64, start: Timestamp, length: Duration) -> Self {
        Self { seed, start, length, logins_per_minute: 50.0, behaviours: Behaviour::ALL.to_vec() }
    }

    /// The same with residents and one behaviour only.
    #[must_use]
    pub fn only(self, behaviour: Behaviour) -> Self {
        Self { behaviours: vec![behaviour], ..self }
    }

    /// Its end.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.start.plus(self.length)
    }

    /// Whether clients do this.
    #[must_use]
    pub fn has(&self, behaviour: Behaviour) -> bool {
        self.behaviours.contains(&behaviour)
    }

    /// When the hour of marketing, the loop with an expired key, or the failing minutes are: once a week, at working
    /// hours, or in the middle of a plan that is shorter than that.
    #[must_use]
    pub fn windows(&self, behaviour: Behaviour) -> Vec<Window> {
        let known = [
            (Behaviour::SchoolDay, MINUTE * 20, 0.35),
            (Behaviour::Marketing, HOUR, 0.4),
            (Behaviour::ExpiredKey, HOUR * 3, 0.25),
            (Behaviour::Deployment, MINUTE, 0.75),
        ];
        let found = known.into_iter().find(|(known, ..)| *known == behaviour && self.has(behaviour));
        let Some((_, lasts, share)) = found else { return Vec::new() };
        let window = |begin: Timestamp| (begin, begin.plus(lasts));
        if self.length < WEEK {
            return vec![window(self.start.plus(self.length.mul_f64(share)))];
        }
        let random = Random::new(self.seed).fork(mix(behaviour as u64));
        let weeks = (self.length.as_secs() / WEEK.as_secs()) as u32;
        let begin = |week: u32| {
            let mut random = random.fork(week.into());
            let day = random.below(5) as u32;
            self.start.plus(WEEK * week + DAY * day + HOUR * 10 + random.within(HOUR * 6))
        };
        (0..weeks).map(begin).map(window).collect()
    }
}

/// How busy people are, as a multiple of the mean: by hour of the day, by day of the week, and as it comes.
///
/// The day has its peak at 15:00 with 1.75 times, its trough at night with a fourth of the mean; weekends have three
/// fourths. On top lies a change of about 10% from one ten minutes to the next, so that counts vary more than
/// Poisson's: as those of real sites do.
#[must_use]
pub fn level(seed: u64, at: Timestamp) -> f64 {
    let seconds = at.since(MONDAY).as_secs_f64();
    let day = (seconds / DAY.as_secs_f64()) as u64 % 7;
    let hour = (seconds % DAY.as_secs_f64()) / 3_600.0;
    let daily = 1.0 + 0.75 * ((hour - 15.0) * std::f64::consts::TAU / 24.0).cos();
    let weekly = if day < 5 { 1.1 } else { 0.75 };
    let (slot, part) = ((seconds / 600.0) as u64, (seconds % 600.0) / 600.0);
    let noise = |slot: u64| Random::new(seed ^ mix(slot)).log_normal(1.0, 0.1);
    daily * weekly * (noise(slot) * (1.0 - part) + noise(slot + 1) * part)
}

/// Hours since midnight, and days since a Monday.
#[must_use]
pub fn civil(at: Timestamp) -> (f64, u64) {
    let seconds = at.since(MONDAY).as_secs();
    let day = DAY.as_secs();
    (Duration::from_secs(seconds % day).as_secs_f64() / 3_600.0, seconds / day % 7)
}
