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
//! more. For these, too, the host with most of them is left out. The usual share of failures is shifted with the control
//! group's over the same suffix: hosts together find within seconds what one finds in minutes, and must know a bad day as
//! soon.
//!
//! **A bad day is no attack**, even where few clients are known yet and there is no control group that says so. People
//! who fail try again and get in, on whichever host; bots do not. So a stranger who failed and then logged in counts as one
//! who logged in, unless fewer accounts than clients were logged in to: an attacker may have an account of his own, and use
//! it from everywhere. Failures of the last minute may yet be followed by a success. They count at once only if there are
//! more strangers than usual, beyond chance: on a bad day those who come are as many as ever.

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
/// Slots ago up to which those who failed may still try again: half a minute to a minute.
const YOUNG: u64 = 1;
/// Strangers that a slot may have, as a multiple of what is usual: mornings rise. Our own choice.
const RISE: f64 = 1.5;
/// Part of a slot by which those who came before are seen again, as they try again.
const AGAIN: f64 = 0.5;
/// Standard deviations of a count (Poisson) that are chance: 1 in 1,000.
const CHANCE: f64 = 3.0;

/// Judges a route.
pub(crate) struct Judge<'a> {
    seen: &'a Seen<'a>,
    /// By slots ago: for suffixes that begin there.
    hypotheses: Vec<Hypotheses>,
    /// The part of the current slot that is over.
    elapsed: f64,
    thresholds: Thresholds,
    is_quiet: bool,
}

impl<'a> Judge<'a> {
    /// Of a route, at so many milliseconds since 1970.
    pub(crate) fn of(seen: &'a Seen<'a>, usual: Usual, thresholds: Thresholds, now_ms: u64) -> Self {
        let shift = |ago| {
            let (tried, failed) = seen.control(ago);
            let is_enough = tried >= CONTROL;
            if is_enough { odds_shift((failed, tried.saturating_sub(failed)), usual.control) } else { 0.0 }
        };
        // What shifts a suffix shifts those that contain it.
        let mut most = usual.shift.max(shift(SLOTS));
        let hypotheses = (0..=SLOTS).map(|ago| {
            most = most.max(shift(ago));
            distributed::plain(usual.strangers, most)
        });
        let hypotheses = hypotheses.collect();
        let (tried, failed) = seen.control(1);
        let is_quiet = failing(failed, tried) || seen.is_dry(now_ms);
        let slot = milliseconds(SLOT);
        #[expect(clippy::cast_precision_loss, reason = "less than a slot")]
        let elapsed = now_ms.checked_rem(slot).unwrap_or(0) as f64 / slot as f64;
        Self { seen, hypotheses, elapsed, thresholds, is_quiet }
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

    /// Whether other hosts saw those who failed on this one log in, so that nothing is left of what it may have found alone.
    /// One of them is not enough to say so.
    pub(crate) fn is_explained(&self) -> bool {
        if self.seen.hosts < ENOUGH_HOSTS {
            return false;
        }
        let counts = self.counts(&|route| Some(&route.whole), None, true);
        let scores = (0..=self.seen.hosts).filter(|variant| *variant != 1);
        let most = scores.map(|variant| self.best(&counts, variant).0).fold(0.0, f64::max);
        most < self.thresholds.evidence / 2.0
    }

    /// The sums without a host, and which of the other hosts speaks most against what they show.
    fn weigh(
        &self,
        of: &impl Fn(&'a OfRoute) -> Option<&'a Tally>,
        without: Option<usize>,
    ) -> (Sums, Option<usize>) {
        let hosts = self.seen.hosts;
        let (mut clients, mut accounts) = (Union::of(hosts), Union::of(hosts));
        let mut sums = Sums::default();
        let mut failing = vec![false; hosts];
        for (_, host, route) in self.seen.slots.iter().filter(|(_, host, _)| Some(*host) != without) {
            let Some(tally) = of(route) else { continue };
            clients.add(*host, &tally.failed);
            accounts.add(*host, &tally.accounts);
            sums.attempts = sums.attempts.saturating_add(tally.attempts);
            sums.failures = sums.failures.saturating_add(tally.failures);
            if let Some(fails) = failing.get_mut(*host) {
                *fails |= tally.failures > 0;
            }
        }
        let counts = self.counts(of, without, false);
        (sums.score, sums.slots) = self.best(&counts, 0);
        let best: Vec<f64> = (0..hosts).map(|host| self.best(&counts, host.saturating_add(1)).0).collect();
        let others = move || (1..hosts).filter(move |host| Some(*host) != without);
        sums.least = others().map(|host| at(&best, host)).fold(sums.score, f64::min);
        sums.clients = rounded(clients.estimates().all);
        let Estimates { all, without: accounts } = accounts.estimates();
        sums.accounts = rounded(all);
        sums.least_accounts = rounded(others().map(|host| at(&accounts, host)).fold(all, f64::min));
        sums.hosts = u32::try_from(failing.iter().filter(|fails| **fails).count()).unwrap_or(u32::MAX);
        let against = others().max_by(|one, other| at(&best, *one).total_cmp(&at(&best, *other)));
        (sums, against)
    }

    /// The counts of each suffix, by slots ago; of those who failed on this host and of its strangers, if only they matter.
    fn counts(
        &self,
        of: &impl Fn(&'a OfRoute) -> Option<&'a Tally>,
        without: Option<usize>,
        is_own: bool,
    ) -> Vec<(u64, Counts)> {
        let hosts = self.seen.hosts;
        let [mut failed, mut inside, mut entered, mut both] = [(); 4].map(|()| Union::of(hosts));
        let [mut passed, mut strangers] = [(); 2].map(|()| Union::of(hosts));
        let mut counts = Vec::new();
        let mut slots = self.seen.slots.iter().filter(|(_, host, _)| Some(*host) != without).peekable();
        while let Some((ago, host, route)) = slots.next() {
            if let Some(tally) = of(route) {
                for got_in in [&tally.passed, &route.known] {
                    inside.add(*host, got_in);
                    both.add(*host, got_in);
                }
                entered.add(*host, &tally.entered);
                entered.add(*host, &route.known_accounts);
                if !is_own || *host == 0 {
                    failed.add(*host, &tally.failed);
                    both.add(*host, &tally.failed);
                    passed.add(*host, &tally.passed);
                    strangers.add(*host, &tally.failed);
                    strangers.add(*host, &tally.passed);
                }
            }
            if slots.peek().is_some_and(|(next, ..)| next == ago) {
                continue;
            }
            let [failed, inside, entered, both] = [&failed, &inside, &entered, &both].map(variants);
            let failing = both.into_iter().zip(inside).zip(entered).zip(failed);
            // Whatever else, no more fail than failed.
            let failing = failing.map(|(((both, inside), entered), failed)| {
                (both - inside.min(entered)).clamp(0.0, failed.max(0.0))
            });
            let (passed, strangers) = (variants(&passed), variants(&strangers));
            counts.push((*ago, Counts { failing: failing.collect(), passed, strangers }));
        }
        counts
    }

    /// The best score of all suffixes, and where that begins.
    fn best(&self, counts: &[(u64, Counts)], variant: usize) -> (f64, u64) {
        let young = counts.iter().rev().find(|(ago, _)| *ago <= YOUNG);
        let young = young.map_or((0.0, 0.0), |(_, counts)| counts.of(variant));
        let all = counts.last().map_or(0.0, |(_, counts)| at(&counts.strangers, variant));
        let oldest = self.seen.slots.last().map_or(0, |(ago, ..)| *ago);
        #[expect(clippy::cast_precision_loss, reason = "slots are few")]
        let usual = (all - young.1).max(0.0) / oldest.saturating_sub(YOUNG).max(1) as f64;
        let mut best = (0.0, 0);
        for (ago, counts) in counts {
            #[expect(clippy::cast_precision_loss, reason = "slots are few")]
            let slots = (*ago).min(YOUNG) as f64 + self.elapsed + AGAIN;
            let usual = usual * slots * RISE;
            let (failing, strangers) = if *ago <= YOUNG { counts.of(variant) } else { young };
            let is_more = strangers > usual + CHANCE * usual.sqrt();
            let may_get_in = if is_more { 0.0 } else { failing };
            let failing = (at(&counts.failing, variant) - may_get_in).max(0.0);
            let score = self.score(*ago, failing, at(&counts.passed, variant));
            if score > best.0 {
                best = (score, *ago);
            }
        }
        best
    }

    /// The log likelihood ratio of so many failed and passed trials.
    fn score(&self, ago: u64, failed: f64, passed: f64) -> f64 {
        let place = usize::try_from(ago).unwrap_or(usize::MAX);
        let Some(hypotheses) = self.hypotheses.get(place) else { return 0.0 };
        let score = failed * hypotheses.step(true) + passed * hypotheses.step(false);
        score.clamp(0.0, self.thresholds.evidence * 2.0)
    }
}

/// Counts of a suffix: of all hosts, and then without each of them.
struct Counts {
    /// Strangers that failed and did not get in anywhere.
    failing: Vec<f64>,
    /// Strangers that got in.
    passed: Vec<f64>,
    /// All of them.
    strangers: Vec<f64>,
}

impl Counts {
    fn of(&self, variant: usize) -> (f64, f64) {
        (at(&self.failing, variant), at(&self.strangers, variant))
    }
}

fn variants(union: &Union) -> Vec<f64> {
    let Estimates { all, without } = union.estimates();
    std::iter::once(all).chain(without).collect()
}

fn at(of: &[f64], place: usize) -> f64 {
    of.get(place).copied().unwrap_or(0.0)
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
