//! Stolen pairs of name and password, tried from one client: many accounts, most of them in vain.
//!
//! An office or a mobile carrier behind one address has many accounts as well, but most of its logins succeed, and
//! soon its accounts are familiar there; only failures on accounts that are not count here. What is spread over many
//! clients is found by [`distributed`](super::distributed).

use std::time::Duration;

use documented::DocumentedFields;

use super::brute_force::confidence;
use super::config::{PERCENT, Preset, Sources};
use super::credentials::{Account, Attempt, Case, Client, Recent};
use super::window::{Counter, Moment, Span, Spread};
use super::{Evidence, Threat};
use crate::config::Section;

/// Thresholds.
///
/// Lists of stolen credentials succeed in 0.1% to 2% of attempts (OWASP, Credential Stuffing Prevention Cheat Sheet,
/// and what it cites), people in most: of their logins some 5% to 15% fail, which is our assumption. A share of 80%
/// lies far from both. The counts of accounts are our own choice.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Accounts that one client failed on within `window`.
    pub accounts: u32,
    /// The time in which those are counted.
    pub window: Duration,
    /// Accounts that one client failed on within `long_window`.
    pub long_accounts: u32,
    /// The time in which those are counted.
    pub long_window: Duration,
    /// The least share of failures among that client's attempts. No preset changes it.
    pub failure_ratio: u32,
}

impl Config {
    /// Defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            accounts: preset.scaled(10),
            window: Duration::from_secs(600),
            long_accounts: preset.scaled(20),
            long_window: Duration::from_secs(6 * 3_600),
            failure_ratio: 80,
        }
    }

    /// The same for sites.
    #[must_use]
    pub(super) fn of_sites(&self, sources: Sources) -> Self {
        let (accounts, long_accounts) = (sources.scaled(self.accounts), sources.scaled(self.long_accounts));
        Self { accounts, long_accounts, ..self.clone() }
    }

    /// Reads `[detect.credential-stuffing]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("accounts", 3..=1_000, &mut config.accounts);
        section.duration("window", Duration::from_secs(1), &mut config.window);
        section.integer("long_accounts", 3..=1_000, &mut config.long_accounts);
        section.duration("long_window", Duration::from_secs(1), &mut config.long_window);
        section.text("failure_ratio", &PERCENT, &mut config.failure_ratio);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::default())
    }
}

/// Of a client, on accounts that are not familiar there.
#[derive(Default)]
pub(crate) struct OfClient {
    short: Tries,
    long: Tries,
}

#[derive(Default)]
struct Tries {
    passed: Counter,
    failed: Counter,
    accounts: Spread<4>,
}

impl Tries {
    fn observe(&mut self, attempt: &Attempt<'_>, account: u64, span: Span) {
        if attempt.failed {
            self.failed.add(attempt.now, span);
            self.accounts.insert(account, attempt.now, span);
        } else {
            self.passed.add(attempt.now, span);
        }
    }

    /// Accounts, where they may be so many; else 0: no client fails on more accounts than times, and that is
    /// counted faster.
    fn accounts(&self, now: Moment, span: Span, threshold: u32) -> u32 {
        if self.failed.count(now, span) < threshold { 0 } else { self.accounts.count(now, span) }
    }

    /// Failures and attempts.
    fn counts(&self, now: Moment, span: Span) -> (u32, u32) {
        let failed = self.failed.count(now, span);
        (failed, failed.saturating_add(self.passed.count(now, span)))
    }

    fn has_ratio(&self, now: Moment, span: Span, percent: u32) -> bool {
        let (failed, all) = self.counts(now, span);
        u64::from(failed).saturating_mul(100) >= u64::from(all).saturating_mul(u64::from(percent))
    }
}

/// Failures of one kind that outnumber the rest, though not by the ratio, are somebody among many who share the
/// address: that takes so many times the accounts to be told, and leads to no block.
const AMONG_OTHERS: u32 = 3;
const MOST: u32 = 60;

/// The rule.
pub(crate) struct Rule {
    config: Config,
    window: Span,
    long: Span,
}

impl Rule {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), window: Span::of(config.window), long: Span::of(config.long_window) }
    }

    /// One attempt.
    pub(crate) fn observe(&self, attempt: &Attempt<'_>, client: &mut Client) {
        let Some(account) = attempt.account_hash().filter(|_| !attempt.outage) else { return };
        if attempt.failed && attempt.familiar {
            return;
        }
        client.stuffing.short.observe(attempt, account, self.window);
        client.stuffing.long.observe(attempt, account, self.long);
    }

    /// Whether nothing is the matter with a client so far.
    pub(crate) fn is_calm(&self, client: &Client, now: Moment) -> bool {
        let tries = &client.stuffing.short;
        tries.counts(now, self.window).0 < 3 || !tries.has_ratio(now, self.window, MOST)
    }

    /// Accounts that a client failed on.
    pub(crate) fn accounts(&self, client: &OfClient, now: Moment) -> u32 {
        client.long.accounts.count(now, self.long)
    }

    /// Whether a client is stuffing.
    pub(crate) fn judge(&self, attempt: &Attempt<'_>, client: &Client) -> Option<Case> {
        if attempt.outage || attempt.familiar {
            return None;
        }
        let (now, state, config) = (attempt.now, &client.stuffing, &self.config);
        let accounts = state.short.accounts(now, self.window, config.accounts);
        let long_accounts = state.long.accounts(now, self.long, config.long_accounts);
        let short =
            accounts >= config.accounts && state.short.has_ratio(now, self.window, config.failure_ratio);
        let long = long_accounts >= config.long_accounts
            && state.long.has_ratio(now, self.long, config.failure_ratio);
        let among = accounts >= config.accounts.saturating_mul(AMONG_OTHERS)
            && state.short.has_ratio(now, self.window, MOST);
        let block = (short || long) && attempt.outweighs_neighbours(accounts.max(long_accounts));
        (short || long || among).then(|| Case {
            threat: Threat::CredentialStuffing,
            subject: attempt.subject(),
            severity: attempt.severity(block),
            offenders: attempt.offender_if(block),
        })
    }

    pub(crate) fn explain(&self, attempt: &Attempt<'_>, client: &Client, recent: &Recent) -> Account {
        let (now, who, config) = (attempt.now, attempt.client, &self.config);
        let is_short = client.stuffing.short.accounts.count(now, self.window) >= config.accounts;
        let (tries, span, threshold, window) = if is_short {
            (&client.stuffing.short, self.window, config.accounts, config.window)
        } else {
            (&client.stuffing.long, self.long, config.long_accounts, config.long_window)
        };
        let (accounts, (failed, all)) = (tries.accounts.count(now, span), tries.counts(now, span));
        let evidence = Evidence::default()
            .with("accounts", u64::from(accounts))
            .with("accounts_threshold", u64::from(threshold))
            .with("failures", u64::from(failed))
            .with("attempts", u64::from(all))
            .with("failure_ratio", share(failed, all))
            .with("failure_ratio_threshold", share(config.failure_ratio, 100))
            .with("accounts_logged_in_before", u64::from(attempt.neighbours))
            .showing(recent.samples(|seen| attempt.is_from(seen) && seen.failed));
        Account {
            confidence: confidence(accounts, threshold),
            summary: format!("{who} tried {accounts} accounts; {failed} of {all} attempts failed"),
            evidence,
            span: window,
        }
    }
}

/// A share, of nothing 0.
#[expect(clippy::float_arithmetic, reason = "a ratio")]
pub(super) fn share(part: u32, all: u32) -> f64 {
    f64::from(part) / f64::from(all.max(1))
}

#[cfg(test)]
mod tests;
