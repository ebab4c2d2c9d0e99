#![expect(clippy::float_arithmetic, reason = "a statistical test")]
//! The test of the distributed form on the counts of several hosts.
//!
//! A cumulative sum is the best sum over all suffixes of the trials. Here, trials of all hosts are merged by slot, and the
//! suffixes are those that begin with a slot of the last ten minutes: fewer, so that the bound on false alarms holds as
//! before. A client counts once, however many hosts it meets.
//!
//! **One host alone convinces nobody, and hides nothing.** What is found must be found with half of the evidence and half of
//! the accounts if any one of the other hosts is left out. So a stolen host can halve a threshold, and no more: the
//! default of 25 nats is about twice of what one false alarm a week needs (see [`distributed`](crate::detect::distributed)).
//! And since a host could say that logins of strangers succeed, the one that speaks most against an attack may be left
//! out; that is one more chance for each host, and costs the logarithm of their number (the union bound).
//!
//! Nothing is found while logins fail for everybody: while the merged control group fails, or no host has a success any
//! more. For these, too, the host with most of them is left out.

use super::sketch::{Estimates, Union};
use super::tally::{OfRoute, Tally};
use super::{SLOT, SLOTS};
use crate::detect::credentials::{failing, odds_shift};
use crate::detect::distributed;
use crate::detect::window::Hypotheses;
use crate::duration::milliseconds;

/// What is usual on the host that judges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usual {
    /// The share of failures among trials.
    pub strangers: f64,
    /// The share of failures of the control group.
    pub control: f64,
    /// By how much more often that fails now on this host, as a logarithm of odds.
    pub shift: f64,
}

/// When something is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// In nats, as for one host.
    pub evidence: f64,
    /// Accounts within ten minutes.
    pub accounts: u32,
}

/// Merged counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The evidence, in nats.
    pub score: f64,
    /// The least of it if one of the other hosts is left out.
    pub least: f64,
    /// Accounts that strangers failed on within ten minutes.
    pub accounts: u32,
    /// The least of them if one of the other hosts is left out.
    pub least_accounts: u32,
    /// Clients whose trial failed.
    pub clients: u32,
    /// Attempts of strangers, and how many failed.
    pub attempts: u32,
    /// See above.
    pub failures: u32,
    /// Passwords tried in vain, on the route as a whole.
    pub passwords: u32,
    /// Hosts that saw failures.
    pub hosts: u32,
    /// Slots ago, the attack began.
    pub slots: u64,
}

/// What hosts saw of a route, by slots ago. The first host is this one.
pub(crate) struct Seen<'a> {
    pub(crate) hosts: usize,
    /// Slots ago, host, counts; in the order of slots.
    pub(crate) slots: Vec<(u64, usize, &'a OfRoute)>,
}

/// Hosts that must be heard before one of them is left out of what stops an accusation: with two, half of everything would
/// be.
const ENOUGH_HOSTS: usize = 3;
/// Usual gaps between successes that make a drought, as on one host, and successes that must be known.
const GAPS: f64 = 6.0;
const SUCCESSES: f64 = 10.0;
/// The least silence that is one: records come once a second, and sums may be two seconds old.
const SILENCE_MS: f64 = 3_000.0;
/// Clients of the control group that shift the usual share.
const CONTROL: u32 = 20;

/// Judges a route.
pub(crate) struct Judge<'a> {
    seen: &'a Seen<'a>,
    hypotheses: Hypotheses,
    thresholds: Thresholds,
    is_quiet: bool,
}

impl<'a> Judge<'a> {
    /// Of a route, at so many milliseconds since 1970.
    pub(crate) fn of(seen: &'a Seen<'a>, usual: Usual, thresholds: Thresholds, now_ms: u64) -> Self {
        let (tried, failed) = seen.control(SLOTS);
        let shift = if tried < CONTROL {
            0.0
        } else {
            odds_shift((failed, tried.saturating_sub(failed)), usual.control)
        };
        let hypotheses = distributed::plain(usual.strangers, usual.shift.max(shift));
        let (tried, failed) = seen.control(1);
        let is_quiet = failing(failed, tried) || seen.is_dry(now_ms);
        Self { seen, hypotheses, thresholds, is_quiet }
    }

    /// Of the route as a whole, if something is found; at lower thresholds if it was before.
    pub(crate) fn whole(&self, was_on: bool) -> Option<Sums> {
        let sums = self.judge(|route| Some(&route.whole), was_on, self.thresholds.accounts)?;
        let mut passwords = Union::of(0);
        self.seen.slots.iter().for_each(|(_, _, route)| passwords.add(0, &route.passwords));
        Some(Sums { passwords: rounded(passwords.estimates().all), ..sums })
    }

    /// The same of a group; it needs so many accounts.
    pub(crate) fn group(&self, id: u64, was_on: bool, accounts: u32) -> Option<Sums> {
        self.judge(|route| route.groups.get(&id), was_on, accounts)
    }

    fn judge(
        &self,
        of: impl Fn(&'a OfRoute) -> Option<&'a Tally>,
        was_on: bool,
        accounts: u32,
    ) -> Option<Sums> {
        if self.is_quiet {
            return None;
        }
        let scale = if was_on { 0.5 } else { 1.0 };
        let (evidence, accounts) = (self.thresholds.evidence * scale, f64::from(accounts) * scale);
        let is_found = |sums: &Sums, price: f64| {
            sums.score - price >= evidence
                && sums.least >= evidence / 2.0
                && f64::from(sums.accounts) >= accounts
                && f64::from(sums.least_accounts) >= accounts / 2.0
        };
        let (sums, against) = self.weigh(&of, None);
        if is_found(&sums, 0.0) {
            return Some(sums);
        }
        let (sums, _) = self.weigh(&of, Some(against?));
        #[expect(clippy::cast_precision_loss, reason = "hosts are few")]
        let price = (self.seen.hosts as f64).ln();
        is_found(&sums, price).then_some(sums)
    }

    /// The sums without a host, and which of the other hosts speaks most against what they show.
    fn weigh(
        &self,
        of: &impl Fn(&'a OfRoute) -> Option<&'a Tally>,
        without: Option<usize>,
    ) -> (Sums, Option<usize>) {
        let hosts = self.seen.hosts;
        let mut unions = [Union::of(hosts), Union::of(hosts), Union::of(hosts)];
        let mut sums = Sums::default();
        let mut best = vec![0.0_f64; hosts];
        let mut failing = vec![false; hosts];
        let mut slots = self.seen.slots.iter().filter(|(_, host, _)| Some(*host) != without).peekable();
        while let Some((ago, host, route)) = slots.next() {
            if let Some(tally) = of(route) {
                let sketches = [&tally.failed, &tally.passed, &tally.accounts];
                unions.iter_mut().zip(sketches).for_each(|(union, sketch)| union.add(*host, sketch));
                sums.attempts = sums.attempts.saturating_add(tally.attempts);
                sums.failures = sums.failures.saturating_add(tally.failures);
                if let Some(fails) = failing.get_mut(*host) {
                    *fails |= tally.failures > 0;
                }
            }
            if slots.peek().is_some_and(|(next, ..)| next == ago) {
                continue;
            }
            let [failed, passed, _] = &unions;
            let (failed, passed) = (failed.estimates(), passed.estimates());
            let score = self.score(failed.all, passed.all);
            if score > sums.score {
                (sums.score, sums.slots) = (score, *ago);
            }
            for ((best, failed), passed) in best.iter_mut().zip(failed.without).zip(passed.without) {
                *best = best.max(self.score(failed, passed));
            }
        }
        let [failed, _, accounts] = unions.map(|union| union.estimates());
        let others = move || (1..hosts).filter(move |host| Some(*host) != without);
        let at = |of: &[f64], host: usize| of.get(host).copied().unwrap_or(0.0);
        sums.least = others().map(|host| at(&best, host)).fold(sums.score, f64::min);
        sums.clients = rounded(failed.all);
        sums.accounts = rounded(accounts.all);
        let Estimates { all, without: accounts } = accounts;
        sums.least_accounts = rounded(others().map(|host| at(&accounts, host)).fold(all, f64::min));
        sums.hosts = u32::try_from(failing.iter().filter(|fails| **fails).count()).unwrap_or(u32::MAX);
        let against = others().max_by(|one, other| at(&best, *one).total_cmp(&at(&best, *other)));
        (sums, against)
    }

    /// The log likelihood ratio of so many failed and passed trials.
    fn score(&self, failed: f64, passed: f64) -> f64 {
        let score = failed * self.hypotheses.step(true) + passed * self.hypotheses.step(false);
        score.clamp(0.0, self.thresholds.evidence * 2.0)
    }
}

impl Seen<'_> {
    /// Attempts of the control group, and how many failed, in the current slot and some before. The other host with most of
    /// them is left out.
    fn control(&self, slots: u64) -> (u32, u32) {
        let mut of_hosts = vec![(0_u32, 0_u32); self.hosts];
        for (_, host, route) in self.slots.iter().filter(|(ago, ..)| *ago <= slots) {
            if let Some((tried, failed)) = of_hosts.get_mut(*host) {
                *tried = tried.saturating_add(route.control.0);
                *failed = failed.saturating_add(route.control.1.min(route.control.0));
            }
        }
        let loudest = loudest(of_hosts.iter().map(|(tried, _)| u64::from(*tried)));
        let others = of_hosts.into_iter().enumerate().filter(|(host, _)| Some(*host) != loudest);
        others.fold((0_u32, 0_u32), |(tried, failed), (_, (more, of_them))| {
            (tried.saturating_add(more), failed.saturating_add(of_them))
        })
    }

    /// Whether successes have stopped everywhere.
    fn is_dry(&self, now_ms: u64) -> bool {
        let mut of_hosts = vec![(0_u64, 0_u64); self.hosts];
        let mut oldest = 0;
        for (ago, host, route) in self.slots.iter().filter(|(_, _, route)| route.successes > 0) {
            oldest = oldest.max(*ago);
            if let Some((successes, last)) = of_hosts.get_mut(*host) {
                *successes = successes.saturating_add(u64::from(route.successes));
                *last = route.last_success.max(*last);
            }
        }
        let without = |of: fn(&(u64, u64)) -> u64| {
            let loudest = loudest(of_hosts.iter().map(of));
            let rest = of_hosts.iter().enumerate().filter(move |(host, _)| Some(*host) != loudest);
            rest.map(|(_, host)| of(host)).collect::<Vec<_>>()
        };
        let successes = without(|host| host.0).iter().fold(0, |sum: u64, more| sum.saturating_add(*more));
        let last = without(|host| host.1).into_iter().max().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "less than 2^52 of anything")]
        let (successes, silence, span) = (
            successes as f64,
            now_ms.saturating_sub(last) as f64,
            milliseconds(SLOT).saturating_mul(oldest.saturating_add(1)) as f64,
        );
        successes >= SUCCESSES && silence > (span / successes * GAPS).max(SILENCE_MS)
    }
}

/// Which of the other hosts says most, if enough of them say something.
fn loudest(said: impl Iterator<Item = u64>) -> Option<usize> {
    let said: Vec<u64> = said.collect();
    let speaking = said.iter().filter(|said| **said > 0).count();
    let others = said.iter().enumerate().skip(1).filter(|_| speaking >= ENOUGH_HOSTS);
    others.max_by_key(|(_, said)| **said).map(|(host, _)| host)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates; an estimate is close to a whole number"
)]
fn rounded(estimate: f64) -> u32 {
    estimate.round() as u32
}

#[cfg(test)]
mod tests;
