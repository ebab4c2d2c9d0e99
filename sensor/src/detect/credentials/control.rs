#![expect(clippy::float_arithmetic, reason = "odds and their logarithms")]
//! The control group of a login route: attempts on accounts from where they were logged in to before. No attack makes
//! these fail, so a cause of their failures concerns everybody: a deployment, a database, a Monday after passwords
//! expired.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::detect::window::{Distinct, Moment, Ratio, Span};

/// Clients whose latest attempts show whether the route works.
const LATEST: usize = 12;
/// The number of these that must have failed. With a failure share of 15% this happens once in 200,000 attempts, and
/// its only consequence is that nobody is accused for a moment.
const FAILED: usize = 9;
/// How long an attempt counts as current.
const FRESH: Duration = Duration::from_secs(600);
/// A client's attempts count once in this time, so that nobody can fake an outage by failing on accounts of his own,
/// unless he has more clients and accounts than everybody else who logs in meanwhile.
const ONCE: Duration = Duration::from_secs(60);
/// Period over which the group's failures are compared with its usual ones.
const COMPARED: Duration = Duration::from_secs(1_800);
/// A group of fewer clients gives no share of failures.
const ENOUGH: u32 = 20;

/// The group.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    latest: VecDeque<(Moment, bool)>,
    asked: Distinct<8>,
    passed: Distinct<16>,
    failed: Distinct<16>,
    usual: Ratio,
}

/// What is learned about the group, for a file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Learned(Ratio);

impl Control {
    /// A group without history.
    pub(super) fn new(learned: Option<Learned>) -> Self {
        let usual = learned.map(|learned| learned.0).filter(|usual| usual.is_sound());
        Self {
            latest: VecDeque::new(),
            asked: Distinct::default(),
            passed: Distinct::default(),
            failed: Distinct::default(),
            usual: usual.unwrap_or_else(|| Ratio::with_prior(0.1)),
        }
    }

    pub(super) const fn learned(&self) -> Learned {
        Learned(self.usual)
    }

    /// The usual share of failures.
    pub(crate) fn usual(&self) -> f64 {
        self.usual.mean()
    }

    /// An attempt of the group. Returns whether it counts.
    pub(super) fn observe(&mut self, client: u64, failed: bool, now: Moment) -> bool {
        let (once, compared) = (Span::of(ONCE), Span::of(COMPARED));
        if self.asked.contains(client, now, once) {
            return false;
        }
        self.asked.insert(client, now, once);
        if self.latest.len() >= LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back((now, failed));
        if failed {
            self.failed.insert(client, now, compared);
        } else {
            self.passed.insert(client, now, compared);
        }
        if !self.is_failing(now) {
            self.usual.learn(failed, 1.0);
        }
        true
    }

    /// Whether logins fail for everybody.
    pub(super) fn is_failing(&self, now: Moment) -> bool {
        self.latest.iter().filter(|(at, failed)| *failed && now.since(*at) < FRESH).count() >= FAILED
    }

    /// By how much more often the group fails now than usual, as a logarithm of odds; 0 if it does not.
    pub(crate) fn shift(&self, now: Moment) -> f64 {
        let compared = Span::of(COMPARED);
        let (passed, failed) = (self.passed.count(now, compared), self.failed.count(now, compared));
        if passed.saturating_add(failed) < ENOUGH {
            return 0.0;
        }
        odds_shift((failed, passed), self.usual.mean())
    }
}

/// By how much higher the odds of a failure are than usual, as a logarithm; 0 if they are not.
pub(crate) fn odds_shift((failed, passed): (u32, u32), usual: f64) -> f64 {
    let odds = (f64::from(failed) + 0.5) / (f64::from(passed) + 0.5);
    let usual = usual.clamp(0.01, 0.99);
    (odds.ln() - (usual / (1.0 - usual)).ln()).max(0.0)
}

/// Whether a control group of several hosts fails: as large a share as on one host, of at least as many attempts.
pub(crate) fn failing(failed: u32, tried: u32) -> bool {
    let (latest, most) = (u32::try_from(LATEST).unwrap_or(12), u32::try_from(FAILED).unwrap_or(9));
    tried >= latest && failed.saturating_mul(latest) >= tried.saturating_mul(most)
}

/// A share whose odds are shifted.
pub(crate) fn shifted(share: f64, shift: f64) -> f64 {
    let odds = share / (1.0 - share) * shift.exp();
    if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::window::hash_of;

    fn second(second: u64) -> Moment {
        Moment::from_millis(second * 1_000)
    }

    fn note(control: &mut Control, client: u64, failed: bool, at: Moment) {
        let _counts = control.observe(client, failed, at);
    }

    #[test]
    fn an_outage_is_known_within_a_dozen_clients_and_over_as_soon() {
        let mut control = Control::new(None);
        (0..100).for_each(|client| note(&mut control, hash_of(client), client % 10 == 0, second(client)));
        assert!(!control.is_failing(second(100)));
        (100..112).for_each(|client| note(&mut control, hash_of(client), true, second(client)));
        assert!(control.is_failing(second(112)));
        (112..120).for_each(|client| note(&mut control, hash_of(client), false, second(client)));
        assert!(!control.is_failing(second(120)));
    }

    #[test]
    fn one_client_cannot_make_up_an_outage() {
        let mut control = Control::new(None);
        (0..1_000).for_each(|_| note(&mut control, hash_of(1), true, second(5)));
        assert!(!control.is_failing(second(5)));
    }

    #[test]
    fn more_failures_than_usual_shift_the_odds() {
        let mut control = Control::new(None);
        (0..2_000)
            .for_each(|client| note(&mut control, hash_of(client), client % 10 == 0, second(client * 3)));
        assert!(control.shift(second(6_000)) < 0.3, "{}", control.shift(second(6_000)));
        (2_000..2_600)
            .for_each(|client| note(&mut control, hash_of(client), client % 3 == 0, second(client * 3)));
        let shift = control.shift(second(7_800));
        assert!((0.8..1.6).contains(&shift), "{shift}");
        assert!((shifted(0.2, 1.1) - 0.43).abs() < 0.01);
    }
}
