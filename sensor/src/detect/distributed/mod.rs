#![expect(clippy::float_arithmetic, reason = "a statistical test")]
//! Credential stuffing spread over many addresses, each of which makes an attempt or two.
//!
//! No threshold per address can find that; a route's failures as a whole can. M. Javed and V. Paxson, "Detecting
//! stealthy, distributed SSH brute-forcing" (CCS 2013), find that legitimate users' failures are a stable process if
//! each user counts once, watch its mean with a cumulative sum, and then determine which sources have something in
//! common. So does this rule:
//!
//! * **Trials** are the first attempts within an hour of clients from which nobody ever logged in, on accounts never
//!   logged in to from their network. A user with a bad memory and a program in a loop count once.
//! * **The usual share** of failures among trials is the route's own, learned while nothing is suspicious, and shifted
//!   with the control group's: on a Monday on which everybody mistypes a new password, strangers may as well. While the
//!   control group fails, or nobody succeeds any more, nothing is concluded.
//! * **The test** is a cumulative sum of log likelihood ratios (`window/cusum.rs`), for the route and for each trait
//!   that attempts may share: the program's fingerprint, the network. A second, more sensitive one runs for routes with
//!   many strangers, and leads only to a warning.
//! * **Offenders** are strangers that failed and share the attack's traits, unless successful clients share them, too;
//!   then it takes failures on three accounts. Nobody who ever logged in is one.
//! * **In a fleet** the same test is made on what all hosts saw together (`shared/`); what it finds is like what is found
//!   here, and each host finds the offenders among its own clients. What one host finds about a route as a whole is a
//!   warning only while others saw the same people get in.

mod config;
mod drought;
mod watch;

use std::sync::Arc;

use super::credentials::{Account, Attempt, Case, Control, Recent, Seen, shifted};
use super::shared::{Sums, Told, Trait, Usual, Whose};
use super::window::{Hypotheses, Moment, hash_of};
use super::{Evidence, Severity, Subject, Threat};
use crate::identity::FleetHashes;

pub use config::Config;
use watch::lately;
pub(crate) use watch::{Learned, TRAIT_ACCOUNTS, Watch};

/// For a client: when it last counted.
#[derive(Default)]
pub(crate) struct OfClient {
    trial: Option<Moment>,
    passed: Option<Moment>,
}

/// Minimum interval between a client's trials; a little less than an hour, for programs that come once an hour.
const BETWEEN_TRIALS_MS: u64 = 50 * 60_000;
/// Trials that the usual share must rest on before an attack is reported as one; before, it is a warning.
const LEARNED: f64 = 200.0;
/// The same for the sensitive test.
const WELL_LEARNED: f64 = 1_000.0;
/// Successful clients that make a trait a legitimate one, and their share among all of these.
const COMMON: u32 = 5;
const COMMON_SHARE: u32 = 100;
/// Accounts that a client must fail on to be an offender whatever it shares: a person may mistype a name, and then use
/// another.
const ACCOUNTS_OF_ONE: u32 = 3;

/// The rule.
pub(crate) struct Rule {
    config: Config,
    evidence: f64,
}

/// The result of an attempt.
pub(crate) struct Outcome {
    pub(crate) case: Option<Case>,
    /// Whether a shared trait was recognised just now: earlier attempts may have it.
    pub(crate) look_back: bool,
    /// Whose attempt it was; while nothing is concluded, nobody is a stranger.
    pub(crate) whose: Whose,
}

impl Rule {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), evidence: f64::from(config.evidence) }
    }

    /// One attempt; `accounts` returns how many its client failed on.
    pub(crate) fn observe(
        &self,
        attempt: &Attempt<'_>,
        client: &mut OfClient,
        (watch, control): (&mut Watch, &Control),
        accounts: impl FnOnce() -> u32,
    ) -> Outcome {
        let mut outcome = Outcome { case: None, look_back: false, whose: Whose::Known };
        watch.drought.note(attempt.failed, hash_of(attempt.client.owner()), attempt.now);
        if attempt.outage || watch.drought.is_on(attempt.now) || attempt.account_hash().is_none() {
            return outcome;
        }
        let due = |last: Option<Moment>| {
            last.is_none_or(|last| attempt.now.millis().saturating_sub(last.millis()) >= BETWEEN_TRIALS_MS)
        };
        let is_trial = attempt.is_strange() && due(client.trial);
        if is_trial {
            client.trial = Some(attempt.now);
            outcome.look_back = self.test(attempt, watch, control);
        }
        outcome.whose = match (is_trial, attempt.is_strange()) {
            (true, _) => Whose::Trial,
            (false, true) => Whose::Again,
            (false, false) => Whose::Known,
        };
        if attempt.failed {
            outcome.case = self.judge(attempt, watch, accounts);
            outcome.look_back |= outcome.case.is_some() && watch.take_news();
        } else if due(client.passed) && !self.matches(attempt, watch) {
            client.passed = Some(attempt.now);
            watch.passed(attempt);
        }
        outcome
    }

    /// Adds a trial; returns whether it caused a trait to be recognised.
    fn test(&self, attempt: &Attempt<'_>, watch: &mut Watch, control: &Control) -> bool {
        let (most, now) = (self.evidence * 2.0, attempt.now);
        let (mean, shift) = (watch.usual.mean(), control.shift(now));
        let (usual, plain) = (usual_share(mean, shift), plain(mean, shift));
        let normal = (usual * 1.5 + 0.03).min(0.85);
        let sensitive = Hypotheses { normal, changed: (normal * 2.0).min(f64::midpoint(normal, 1.0)) };
        watch.overall.add(attempt.failed, plain, most, now);
        watch.sensitive.add(attempt.failed, sensitive, most, now);
        watch.tried.add(now, lately());
        if attempt.failed {
            watch.failed.add(now, lately());
        }
        let suspect = watch.overall.score().max(watch.sensitive.score());
        // During an attack a little is learned: what lasts for days is the new normal.
        let weight = match suspect {
            score if self.is_active(watch) || score >= self.evidence => 0.02,
            score if score > self.evidence / 2.0 => 0.2,
            _ => 1.0,
        };
        watch.usual.learn(attempt.failed, weight);
        watch.was_on = self.is_on(watch.was_on, watch.overall.score())
            && watch.accounts.count(now, lately()) >= self.config.accounts.div_ceil(2);
        watch.test_traits(attempt, plain, self.evidence)
    }

    /// An alarm begins at the threshold and ends at half of it.
    fn is_on(&self, was_on: bool, score: f64) -> bool {
        score >= if was_on { self.evidence / 2.0 } else { self.evidence }
    }

    fn is_active(&self, watch: &Watch) -> bool {
        watch.was_on || !watch.shared.is_empty() || watch.is_on_elsewhere()
    }

    fn judge(
        &self,
        attempt: &Attempt<'_>,
        watch: &mut Watch,
        accounts: impl FnOnce() -> u32,
    ) -> Option<Case> {
        if !attempt.is_strange() {
            return None;
        }
        watch.failed(attempt);
        let shares = watch.shares(Trait::of_attempt(attempt), attempt.now);
        let plain = watch.was_on || shares.is_some() || watch.fleet().is_some();
        let sensitive = watch.sensitive.score() >= self.evidence && watch.usual.trials() >= WELL_LEARNED;
        let here = || watch.accounts.count(attempt.now, lately()) >= self.config.accounts;
        let enough = || watch.fleet().is_some() || here();
        if !(plain || sensitive) || (shares.is_none() && !enough()) {
            return None;
        }
        let known = watch.usual.trials() >= LEARNED;
        // What this host finds about the route as a whole, or about a trait that successful clients have, too, is only a
        // warning if other hosts saw the same people get in.
        let in_fleet = watch.fleet_for(Trait::of_attempt(attempt)).is_some();
        let is_clear = shares == Some(true) || in_fleet || !watch.is_explained();
        let offends = plain && (shares == Some(true) || accounts() >= ACCOUNTS_OF_ONE);
        Some(Case {
            threat: Threat::CredentialStuffing,
            subject: Subject::Route(attempt.route.to_string()),
            severity: if plain && known && is_clear { Severity::High } else { Severity::Medium },
            offenders: attempt.offender_if(offends),
            by: attempt.participant(),
        })
    }

    /// Whether a stranger's attempt has a trait of an ongoing attack that legitimate clients lack.
    pub(crate) fn matches(&self, attempt: &Attempt<'_>, watch: &Watch) -> bool {
        attempt.is_strange() && watch.shares(Trait::of_attempt(attempt), attempt.now) == Some(true)
    }

    /// The same for an attempt from before the discovery.
    pub(crate) fn matched(&self, seen: &Seen, watch: &Watch, route: &Arc<str>, now: Moment) -> bool {
        let traits = Trait::of_seen(seen);
        seen.strange
            && seen.route == *route
            && watch.shares(traits, now) == Some(true)
            && watch.since(traits).is_some_and(|since| seen.now >= since)
    }

    /// What other hosts of a fleet need to know of an attempt; none if the fleet's hashes are not known.
    pub(crate) fn told(
        attempt: &Attempt<'_>,
        whose: Whose,
        watch: &Watch,
        control: &Control,
    ) -> Option<Told> {
        let mut hashes = attempt.fleet;
        if hashes == FleetHashes::default() && attempt.unread.is_none() {
            return None;
        }
        // Its account is unknown: each of a client's counts as one.
        if attempt.unread.is_some() {
            hashes = FleetHashes::default();
        }
        Some(Told {
            at: attempt.exchange.seen,
            route: Arc::clone(&attempt.route),
            client: attempt.client,
            hashes,
            traits: Trait::of_attempt(attempt),
            failed: attempt.failed,
            whose,
            is_control: attempt.is_control,
            usual: Usual {
                strangers: watch.usual.mean(),
                control: control.usual(),
                shift: control.shift(attempt.now),
            },
        })
    }

    pub(crate) fn explain(&self, attempt: &Attempt<'_>, watch: &Watch, recent: &Recent) -> Account {
        let now = attempt.now;
        let (failed, tried) = (watch.failed.count(now, lately()), watch.tried.count(now, lately()));
        let (accounts, clients) = (watch.accounts.count(now, lately()), watch.clients.count(now, lately()));
        let found = watch.strongest(Trait::of_attempt(attempt), now);
        let score = found.as_ref().map_or(0.0, |found| found.score).max(watch.overall.score());
        let score = score.max(watch.sensitive.score());
        let elsewhere = watch.fleet_for(Trait::of_attempt(attempt));
        let score = score.max(elsewhere.map_or(0.0, |sums| sums.score));
        let mut evidence = Evidence::default()
            .with("accounts", u64::from(accounts))
            .with("accounts_threshold", u64::from(self.config.accounts))
            .with("clients", u64::from(clients))
            .with("failures", u64::from(failed))
            .with("failure_ratio", super::credential_stuffing::share(failed, tried))
            .with("baseline_failure_ratio", watch.usual.mean())
            .with("score", score)
            .with("score_threshold", self.evidence);
        if let Some(sums) = elsewhere {
            evidence = with_fleet(evidence, &sums);
        }
        let mut common = String::from("no common program or network");
        if let Some(found) = &found {
            evidence = evidence
                .with("shared", found.name.as_str())
                .with("clients_logged_in_with_shared", u64::from(found.passed));
            if let Some(variation) = found.variation {
                evidence = evidence.with("interval_variation", variation);
            }
            common = format!("in common: {}", found.name);
        }
        let route = Arc::clone(&attempt.route);
        let shares = |seen: &Seen| watch.shares(Trait::of_seen(seen), now).is_some() || found.is_none();
        let is_part = |seen: &Seen| seen.failed && seen.strange && seen.route == route && shares(seen);
        evidence = evidence.showing(recent.samples(is_part));
        let hosts = elsewhere.filter(|sums| sums.hosts > 1).map_or_else(String::new, |sums| {
            format!(
                "; on {} hosts together for {} clients on {} accounts",
                sums.hosts, sums.clients, sums.accounts
            )
        });
        let since = found.as_ref().and_then(|found| found.since).or(watch.overall.since());
        let span = now.since(since.unwrap_or(now));
        Account {
            confidence: confidence(score),
            summary: format!(
                "logins at {route} fail for {clients} unknown clients on {accounts} accounts, once or twice each ({common}{hosts})"
            ),
            evidence,
            attempts: failed,
            first: recent.first(now, span, is_part),
            span,
        }
    }
}

/// The usual share of failures of strangers, shifted with the control group's.
fn usual_share(mean: f64, shift: f64) -> f64 {
    shifted(mean.clamp(0.01, 0.9), shift)
}

/// What the plain test distinguishes.
pub(crate) fn plain(mean: f64, shift: f64) -> Hypotheses {
    let usual = usual_share(mean, shift);
    // Margins: a share half as large again, or a tenth of all, is still normal; our own choice.
    let normal = (usual * 1.5).max(usual + 0.1).min(0.85);
    Hypotheses { normal, changed: f64::midpoint(normal, 1.0) }
}

/// What all hosts of a fleet saw.
fn with_fleet(evidence: Evidence, sums: &Sums) -> Evidence {
    evidence
        .with("fleet_hosts", u64::from(sums.hosts))
        .with("fleet_accounts", u64::from(sums.accounts))
        .with("fleet_clients", u64::from(sums.clients))
        .with("fleet_passwords", u64::from(sums.passwords))
        .with("fleet_attempts", u64::from(sums.attempts))
        .with("fleet_failures", u64::from(sums.failures))
        .with("fleet_score", sums.score)
        .with("fleet_score_without_one_host", sums.least)
}

/// Confidence for a score. By Wald's bound the chance that trials without an attack reach a score of s is at most e^-s
/// at each of them. People's failures are not independent, so the score is halved, as for a dispersion of 2 (P.
/// McCullagh, J. A. Nelder, "Generalized linear models", 1989, section 4.5); a week has some 100,000 trials.
fn confidence(score: f64) -> f64 {
    (1.0 - (100_000_f64.ln() - score / 2.0).exp()).clamp(0.5, 0.99)
}

#[cfg(test)]
pub(crate) mod tests;
