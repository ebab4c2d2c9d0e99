#![expect(clippy::float_arithmetic, reason = "moving averages")]
//! State of a login route for detecting an attack spread over many clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::drought::Drought;
use super::{COMMON, COMMON_SHARE};
use crate::detect::credentials::{Attempt, Seen};
use crate::detect::shared::{Attack, SLOT, Sums, Trait};
use crate::detect::window::{
    Counter, Cusum, Distinct, Hypotheses, Moment, Ratio, Span, Spread, Table, hash_of,
};
use crate::duration::milliseconds;

/// Period that counts as the present.
pub(super) fn lately() -> Span {
    Span::of(Duration::from_secs(600))
}

/// Period over which successes show the traits of legitimate clients.
pub(super) fn day() -> Span {
    Span::of(Duration::from_secs(86_400))
}

/// Maximum traits tracked per route.
const TRAITS: usize = 1_024;
/// How long a trait is remembered.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// Maximum traits of an attack.
const SHARED: usize = 64;
/// Accounts that a trait must be seen failing on within a day, to be one of an attack.
pub(crate) const TRAIT_ACCOUNTS: u32 = 10;
/// A trait of an attack expires if nobody shows it for this long.
const OVER: Duration = Duration::from_secs(3_600);

impl Trait {
    pub(super) const fn of_attempt(attempt: &Attempt<'_>) -> [Self; 2] {
        [Self::Program(attempt.fingerprint), Self::Network(attempt.network)]
    }

    pub(super) const fn of_seen(seen: &Seen) -> [Self; 2] {
        [Self::Program(seen.fingerprint), Self::Network(seen.network)]
    }
}

/// Attempts that share a trait.
#[derive(Default)]
struct Group {
    cusum: Cusum,
    accounts: Spread<4>,
    passed: Counter,
    failed_last: Option<Moment>,
    gap: f64,
    gap_square: f64,
    gaps: u32,
}

/// A trait of an ongoing attack.
pub(super) struct Shared {
    what: Trait,
    last: Moment,
    since: Option<Moment>,
}

/// Data about a trait, for evidence.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) score: f64,
    pub(super) passed: u32,
    pub(super) since: Option<Moment>,
    /// The coefficient of variation of the time between failures: 1 if they come at random, near 0 if a program keeps
    /// time.
    pub(super) variation: Option<f64>,
}

/// What is learned about a route, for a file.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Learned(Ratio);

/// The state of a route.
pub(crate) struct Watch {
    pub(super) usual: Ratio,
    pub(super) overall: Cusum,
    pub(super) sensitive: Cusum,
    pub(super) was_on: bool,
    pub(super) tried: Counter,
    pub(super) failed: Counter,
    pub(super) accounts: Distinct<32>,
    pub(super) clients: Distinct<32>,
    pub(super) shared: Vec<Shared>,
    pub(super) drought: Drought,
    passed: Counter,
    groups: Table<Trait, Group>,
    /// What all hosts of a fleet together found, and whether it has a trait that was not found before.
    fleet: Option<Attack>,
    shared_in_fleet: Vec<Shared>,
    is_news: bool,
}

impl Watch {
    /// A route without history except perhaps its usual share of failures. Without that, 30% is assumed: more than
    /// usual, so that an unknown site is not reported as attacked.
    pub(crate) fn new(learned: Option<Learned>) -> Self {
        let usual = learned.map(|learned| learned.0).filter(|usual| usual.is_sound());
        Self {
            usual: usual.unwrap_or_else(|| Ratio::with_prior(0.3)),
            overall: Cusum::default(),
            sensitive: Cusum::default(),
            was_on: false,
            tried: Counter::default(),
            failed: Counter::default(),
            accounts: Distinct::default(),
            clients: Distinct::default(),
            shared: Vec::new(),
            drought: Drought::default(),
            passed: Counter::default(),
            groups: Table::new(TRAITS, REMEMBERED),
            fleet: None,
            shared_in_fleet: Vec::new(),
            is_news: false,
        }
    }

    pub(crate) const fn learned(&self) -> Learned {
        Learned(self.usual)
    }

    pub(crate) fn usage(&self) -> crate::detect::Usage {
        self.groups.usage()
    }

    /// A client logged in.
    pub(super) fn passed(&mut self, attempt: &Attempt<'_>) {
        self.passed.add(attempt.now, day());
        for what in Trait::of_attempt(attempt) {
            self.groups.entry(what, attempt.now, Group::default).passed.add(attempt.now, day());
        }
    }

    /// A stranger failed.
    pub(super) fn failed(&mut self, attempt: &Attempt<'_>) {
        let now = attempt.now;
        let account = attempt.account_hash().unwrap_or(0);
        self.accounts.insert(account, now, lately());
        self.clients.insert(hash_of(attempt.client), now, lately());
        for what in Trait::of_attempt(attempt) {
            self.groups.entry(what, now, Group::default).failed(account, now);
        }
    }

    /// Adds a trial to its groups; returns whether it made one of them a recognised attack.
    pub(super) fn test_traits(
        &mut self,
        attempt: &Attempt<'_>,
        hypotheses: Hypotheses,
        evidence: f64,
    ) -> bool {
        let now = attempt.now;
        self.shared.retain(|shared| now.since(shared.last) <= OVER);
        let mut recognised = false;
        for what in Trait::of_attempt(attempt) {
            let group = self.groups.entry(what, now, Group::default);
            group.cusum.add(attempt.failed, hypotheses, evidence * 2.0, now);
            let (score, since) = (group.cusum.score(), group.cusum.since());
            let known = self.shared.iter().position(|shared| shared.what == what);
            match known {
                Some(place) if score < evidence / 2.0 => {
                    self.shared.swap_remove(place);
                }
                Some(place) => {
                    self.shared.iter_mut().skip(place).take(1).for_each(|shared| shared.last = now)
                }
                None if score >= evidence
                    && group.accounts.count(now, day()) >= TRAIT_ACCOUNTS
                    && self.shared.len() < SHARED =>
                {
                    self.shared.push(Shared { what, last: now, since });
                    recognised = true;
                }
                None => {}
            }
        }
        recognised
    }

    /// Takes what the hosts of a fleet together found on the route; none if that is nothing.
    pub(crate) fn hear(&mut self, found: Option<&Attack>, now: Moment) {
        let traits = found.map(|found| found.traits.as_slice()).unwrap_or_default();
        let known = |what: Trait| self.shared_in_fleet.iter().any(|shared| shared.what == what);
        let is_news = traits.iter().any(|(what, _)| !known(*what));
        let shared = traits.iter().map(|(what, sums)| {
            let ago = milliseconds(SLOT).saturating_mul(sums.slots.saturating_add(1));
            let since = Moment::from_millis(now.millis().saturating_sub(ago));
            Shared { what: *what, last: now, since: Some(since) }
        });
        self.shared_in_fleet = shared.collect();
        self.is_news |= is_news;
        self.fleet = found.cloned();
    }

    /// Whether the fleet found a trait since the last call: earlier attempts may have it.
    pub(super) const fn take_news(&mut self) -> bool {
        std::mem::replace(&mut self.is_news, false)
    }

    /// What the fleet found about the route as a whole.
    pub(super) fn fleet(&self) -> Option<Sums> {
        self.fleet.as_ref()?.whole
    }

    /// The same about one of these traits, or else about the route.
    pub(super) fn fleet_for(&self, traits: [Trait; 2]) -> Option<Sums> {
        let found = self.fleet.as_ref()?;
        let of_traits = found.traits.iter().find(|(what, _)| traits.contains(what));
        of_traits.map(|(_, sums)| *sums).or(found.whole)
    }

    /// Whether the fleet found anything.
    pub(super) fn is_on_elsewhere(&self) -> bool {
        self.fleet.as_ref().is_some_and(|found| found.whole.is_some() || !found.traits.is_empty())
    }

    /// Whether strangers who failed here got in on other hosts.
    pub(super) fn is_explained(&self) -> bool {
        self.fleet.as_ref().is_some_and(|found| found.is_explained)
    }

    fn all_shared(&self) -> impl Iterator<Item = &Shared> {
        self.shared.iter().chain(&self.shared_in_fleet)
    }

    /// Whether one of these is a trait of the attack; if so, whether legitimate clients lack it.
    pub(super) fn shares(&self, traits: [Trait; 2], now: Moment) -> Option<bool> {
        let shared = traits.into_iter().filter(|what| self.all_shared().any(|shared| shared.what == *what));
        shared.map(|what| !self.is_common(what, now)).max()
    }

    /// Whether legitimate clients share a program.
    pub(crate) fn has_common_program(&self, fingerprint: u64, now: Moment) -> bool {
        self.is_common(Trait::Program(fingerprint), now)
    }

    fn is_common(&self, what: Trait, now: Moment) -> bool {
        let passed = self.groups.peek(&what, now).map_or(0, |group| group.passed.count(now, day()));
        passed >= COMMON && passed.saturating_mul(COMMON_SHARE) >= self.passed.count(now, day())
    }

    /// Start of the ongoing attack with one of these traits.
    pub(super) fn since(&self, traits: [Trait; 2]) -> Option<Moment> {
        let shared = self.all_shared().filter(|shared| traits.contains(&shared.what));
        shared.filter_map(|shared| shared.since).min()
    }

    /// The trait that the attack shares with an attempt, or else its clearest one.
    pub(super) fn strongest(&self, traits: [Trait; 2], now: Moment) -> Option<Found> {
        let of_attempt = self.all_shared().filter(|shared| traits.contains(&shared.what));
        let candidates = of_attempt.chain(self.all_shared()).filter_map(|shared| {
            let group = self.groups.peek(&shared.what, now)?;
            Some((shared, group))
        });
        let (shared, group) =
            candidates.take(2).max_by(|one, other| one.1.cusum.score().total_cmp(&other.1.cusum.score()))?;
        Some(Found {
            name: shared.what.to_string(),
            score: group.cusum.score(),
            passed: group.passed.count(now, day()),
            since: shared.since,
            variation: group.variation(),
        })
    }
}

/// Weight of the latest value in a moving average.
const NEW: f64 = 0.05;
/// Gaps needed for a statement about them.
const GAPS: u32 = 20;

impl Group {
    fn failed(&mut self, account: u64, now: Moment) {
        self.accounts.insert(account, now, day());
        if let Some(last) = self.failed_last.replace(now) {
            let gap = now.since(last).as_secs_f64();
            self.gaps = self.gaps.saturating_add(1);
            let new = NEW.max(1.0 / f64::from(self.gaps));
            self.gap += (gap - self.gap) * new;
            self.gap_square += (gap * gap - self.gap_square) * new;
        }
    }

    fn variation(&self) -> Option<f64> {
        let variance = (self.gap_square - self.gap * self.gap).max(0.0);
        (self.gaps >= GAPS && self.gap > 0.0).then(|| variance.sqrt() / self.gap)
    }
}
