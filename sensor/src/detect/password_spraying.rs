//! One password, tried on many accounts: each account sees too few failures to be locked.

use std::time::Duration;

use documented::DocumentedFields;

use super::brute_force::confidence;
use super::config::{PERCENT, Preset};
use super::credential_stuffing::share;
use super::credentials::{Account, Attempt, Case, Recent, Seen};
use super::threat::counted;
use super::window::{Counter, Majority, Moment, Span, Spread, hash_of};
use super::{Evidence, Severity, Subject, Threat};
use crate::config::Section;

/// Thresholds.
///
/// Nothing is published on how many people mistype the same password by chance. The commonest one is used by about
/// one in two hundred (the lists of leaked passwords agree on that order), so its share among failures is taken into
/// account; both numbers are our own choice.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Accounts on which one password failed within `window`.
    pub accounts: u32,
    /// The counting window.
    pub window: Duration,
    /// Minimum share of failures among attempts with that password. No preset changes it.
    pub failure_ratio: u32,
    /// Minimum share of all failures that use that password. No preset changes it.
    pub share: u32,
}

impl Config {
    /// Defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { accounts: preset.scaled(20), window: Duration::from_secs(3_600), failure_ratio: 90, share: 5 }
    }

    /// Reads `[detect.password-spraying]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("accounts", 3..=1_000, &mut config.accounts);
        section.duration("window", Duration::from_secs(1), &mut config.window);
        section.text("failure_ratio", &PERCENT, &mut config.failure_ratio);
        section.text("share", &PERCENT, &mut config.share);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::default())
    }
}

/// Of a password.
#[derive(Default)]
pub(crate) struct OfPassword {
    accounts: Spread<8>,
    clients: Spread<4>,
    failed: Counter,
    passed: Counter,
    program: Majority,
}

/// Accounts that a client must fail on to be an offender by that alone.
const OFFENDER_ACCOUNTS: u32 = 3;

/// The rule.
pub(crate) struct Rule {
    config: Config,
    window: Span,
    failures: Counter,
}

impl Rule {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), window: Span::of(config.window), failures: Counter::default() }
    }

    /// One attempt with a password.
    pub(crate) fn observe(&mut self, attempt: &Attempt<'_>, state: &mut OfPassword) {
        let Some(account) = attempt.account.filter(|_| !attempt.outage) else { return };
        let now = attempt.now;
        if !attempt.failed {
            state.passed.add(now, self.window);
        } else if !attempt.familiar {
            self.failures.add(now, self.window);
            state.failed.add(now, self.window);
            state.accounts.insert(hash_of(account), now, self.window);
            state.clients.insert(hash_of(attempt.client), now, self.window);
            state.program.vote(attempt.fingerprint);
        }
    }

    /// Whether a password is being sprayed; `accounts` returns how many the attempt's client failed on.
    pub(crate) fn judge(
        &self,
        attempt: &Attempt<'_>,
        state: &OfPassword,
        accounts: impl FnOnce() -> u32,
    ) -> Option<Case> {
        if attempt.outage || attempt.familiar || !self.is_spraying(state, attempt.now) {
            return None;
        }
        let accounts = accounts();
        let alone = accounts >= OFFENDER_ACCOUNTS && attempt.outweighs_neighbours(accounts);
        let alike = attempt.is_strange() && state.program.is(attempt.fingerprint);
        Some(Case {
            threat: Threat::PasswordSpraying,
            subject: Subject::Route(attempt.route.to_string()),
            severity: Severity::High,
            offenders: attempt.offender_if(alone || alike),
            by: attempt.participant(),
        })
    }

    fn is_spraying(&self, state: &OfPassword, now: Moment) -> bool {
        // There are no more accounts than failures, and failures are counted faster.
        if state.failed.count(now, self.window) < self.config.accounts
            || state.accounts.count(now, self.window) < self.config.accounts
        {
            return false;
        }
        let (failed, passed) = (state.failed.count(now, self.window), state.passed.count(now, self.window));
        let reaches = |part: u32, all: u32, percent: u32| {
            u64::from(part).saturating_mul(100) >= u64::from(all).saturating_mul(u64::from(percent))
        };
        reaches(failed, failed.saturating_add(passed), self.config.failure_ratio)
            && reaches(failed, self.failures.count(now, self.window), self.config.share)
    }

    /// Whether an earlier attempt was part of the attack.
    pub(crate) fn was_part(&self, attempt: &Attempt<'_>, state: &OfPassword, seen: &Seen) -> bool {
        let recent = attempt.now.since(seen.now) <= self.config.window;
        let same = seen.password == attempt.password && state.program.is(seen.fingerprint);
        recent && same && seen.failed && seen.strange
    }

    pub(crate) fn explain(&self, attempt: &Attempt<'_>, state: &OfPassword, recent: &Recent) -> Account {
        let now = attempt.now;
        let (accounts, clients) =
            (state.accounts.count(now, self.window), state.clients.count(now, self.window));
        let (failed, passed) = (state.failed.count(now, self.window), state.passed.count(now, self.window));
        let is_part = |seen: &Seen| seen.password == attempt.password && seen.failed;
        let evidence = Evidence::default()
            .with("accounts", u64::from(accounts))
            .with("accounts_threshold", u64::from(self.config.accounts))
            .with("failures", u64::from(failed))
            .with("failure_ratio", share(failed, failed.saturating_add(passed)))
            .with("failure_ratio_threshold", share(self.config.failure_ratio, 100))
            .with("share_of_failures", share(failed, self.failures.count(now, self.window)))
            .with("share_of_failures_threshold", share(self.config.share, 100))
            .with("clients", u64::from(clients))
            .showing(recent.samples(is_part));
        Account {
            confidence: confidence(accounts, self.config.accounts),
            summary: format!(
                "one password was tried on {accounts} accounts from {}",
                counted(clients, "client")
            ),
            evidence,
            attempts: failed,
            first: recent.first(now, self.config.window, is_part),
            span: self.config.window,
        }
    }
}

#[cfg(test)]
mod tests;
