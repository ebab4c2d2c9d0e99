//! Stolen pairs of name and password, tried from one client: many accounts, most of them in vain.
//! An office or a mobile carrier behind one address has many accounts as well, but most of its logins succeed, and its
//! accounts soon are familiar there; only failures on unfamiliar accounts count here. Accounts do not count if their
//! one pair is repeated, by a program with an old password, or if they are finally logged in to, by a person who
//! mistyped. A block needs accounts that are tried once, as those of a list are (`tried`).
//! [`distributed`](super::distributed) finds attacks spread over many clients.

use std::time::Duration;

use documented::DocumentedFields;

use super::brute_force::confidence;
use super::config::{PERCENT, Preset, Sources};
use super::credentials::{Account, Attempt, Case, Client, Recent, Seen};
use super::window::{Counter, Moment, Span, Spread, hash_of};
use super::{Evidence, Threat};
use crate::config::Section;
use crate::identity::KeyedHash;
use tried::{Counts, Tried};

mod tried;

/// Thresholds.
///
/// Lists of stolen credentials succeed in 0.1% to 2% of attempts (OWASP, Credential Stuffing Prevention Cheat Sheet,
/// and what it cites), people in most: of their logins some 5% to 15% fail, which is our assumption. A share of 80%
/// lies far from both. The counts of accounts are our own choice.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Accounts on which one client failed within `window`. A block requires twice as many that were tried once, half
    /// of them left alone for a minute since; or four times as many at once; or ten times as many in any pattern.
    pub accounts: u32,
    /// The counting window.
    pub window: Duration,
    /// Accounts on which one client failed within `long_window`; a block requires as many that were tried once, half of
    /// them left alone for a minute since.
    pub long_accounts: u32,
    /// The counting window.
    pub long_window: Duration,
    /// Minimum share of failures among that client's attempts. No preset changes it.
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

/// For a client, on accounts that are not familiar there.
#[derive(Default)]
pub(crate) struct OfClient {
    short: Tries,
    long: Tries,
    tried: Tried,
    /// Accounts that were logged in to.
    passed: Spread<2>,
}

#[derive(Default)]
struct Tries {
    passed: Counter,
    failed: Counter,
    /// Failures that mean nothing: repeated pairs, and those of people who got in.
    excused: Counter,
    accounts: Spread<4>,
}

impl Tries {
    /// Failures that count, and attempts.
    fn counts(&self, now: Moment, span: Span) -> (u32, u32) {
        let failed = self.failed.count(now, span).saturating_sub(self.excused.count(now, span));
        (failed, failed.saturating_add(self.passed.count(now, span)))
    }

    fn has_ratio(&self, now: Moment, span: Span, percent: u32) -> bool {
        let (failed, all) = self.counts(now, span);
        u64::from(failed).saturating_mul(100) >= u64::from(all).saturating_mul(u64::from(percent))
    }
}

impl OfClient {
    /// Whether a success belongs to somebody who repeated an old password before.
    pub(crate) fn is_owners(&self, account: KeyedHash) -> bool {
        self.tried.is_owners(hash_of(account))
    }

    /// Accounts, if there may be enough; else none: no client fails on more accounts than times, and failures are
    /// counted faster.
    fn accounts(&self, tries: &Tries, now: Moment, span: Span, threshold: u32) -> Counts {
        if tries.counts(now, span).0 < threshold {
            return Counts::default();
        }
        let mut counts = self.tried.count(now, span);
        // Those that are not remembered individually.
        let more = tries.accounts.count(now, span).saturating_sub(counts.known);
        if self.tried.is_full() {
            counts.open = counts.open.saturating_add(more);
            counts.once = counts.once.saturating_add(more);
        }
        counts
    }
}

/// Failures of one kind that outnumber the rest, though not by the ratio, come from one of many who share the address:
/// reporting them takes this multiple of the accounts, and leads to no block.
const AMONG_OTHERS: u32 = 3;
const MOST: u32 = 60;

/// Multiples of the alert's accounts that a block takes: if each was tried once and as many as for an alert were left
/// alone since; if they come at once, more than a class of pupils; and in any pattern.
const LISTED: u32 = 2;
const AT_ONCE: u32 = 4;
const ANYHOW: u32 = 10;

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
        let (now, state) = (attempt.now, &mut client.stuffing);
        let windows = [(&mut state.short, self.window), (&mut state.long, self.long)];
        if !attempt.failed {
            let excused = state.tried.passed(account);
            state.passed.insert(account, now, self.long);
            for (tries, span) in windows {
                tries.passed.add(now, span);
                (0..excused).for_each(|_| tries.excused.add(now, span));
            }
            return;
        }
        let repeats = state.tried.failed(account, attempt.password.map(hash_of), now, self.long);
        for (tries, span) in windows {
            tries.failed.add(now, span);
            tries.accounts.insert(account, now, span);
            if repeats {
                tries.excused.add(now, span);
            }
        }
    }

    /// Whether a client has shown nothing suspicious.
    pub(crate) fn is_calm(&self, client: &Client, now: Moment) -> bool {
        let tries = &client.stuffing.short;
        tries.counts(now, self.window).0 < 3 || !tries.has_ratio(now, self.window, MOST)
    }

    /// Accounts that a client failed on.
    pub(crate) fn accounts(&self, client: &OfClient, now: Moment) -> u32 {
        client.long.accounts.count(now, self.long)
    }

    /// Those of them that are not explained by a program that repeats itself, or by a person who finally got in.
    pub(crate) fn open_accounts(&self, client: &OfClient, now: Moment) -> u32 {
        client.accounts(&client.long, now, self.long, 1).open
    }

    /// Whether a client is stuffing.
    pub(crate) fn judge(&self, attempt: &Attempt<'_>, client: &Client) -> Option<Case> {
        if attempt.outage || attempt.familiar {
            return None;
        }
        let (now, state, config) = (attempt.now, &client.stuffing, &self.config);
        let (few, many) = (config.accounts, config.long_accounts);
        let lately = state.accounts(&state.short, now, self.window, few);
        let all = state.accounts(&state.long, now, self.long, many);
        let short = lately.open >= few && state.short.has_ratio(now, self.window, config.failure_ratio);
        let long = all.open >= many && state.long.has_ratio(now, self.long, config.failure_ratio);
        let among =
            lately.open >= few.saturating_mul(AMONG_OTHERS) && state.short.has_ratio(now, self.window, MOST);
        let is_list = (lately.once >= few.saturating_mul(LISTED) && lately.settled >= few)
            || lately.once >= few.saturating_mul(AT_ONCE)
            || lately.open >= few.saturating_mul(ANYHOW);
        let clear = (short && is_list) || (long && all.once >= many && all.settled >= many / 2);
        let accounts = lately.open.max(all.open);
        // People who log in here, before or amid the failures, would be hit.
        let amid = state.passed.count(now, self.long);
        let outweighs = accounts >= amid.saturating_mul(10) && attempt.outweighs_neighbours(accounts);
        let block = clear && outweighs;
        (short || long || among).then(|| Case {
            threat: Threat::CredentialStuffing,
            subject: attempt.subject(),
            severity: attempt.severity(block),
            offenders: attempt.offender_if(block),
            by: attempt.participant(),
        })
    }

    pub(crate) fn explain(&self, attempt: &Attempt<'_>, client: &Client, recent: &Recent) -> Account {
        let (now, who, config) = (attempt.now, attempt.client, &self.config);
        let state = &client.stuffing;
        let is_short =
            state.accounts(&state.short, now, self.window, config.accounts).open >= config.accounts;
        let (tries, span, threshold, window) = if is_short {
            (&state.short, self.window, config.accounts, config.window)
        } else {
            (&state.long, self.long, config.long_accounts, config.long_window)
        };
        let (counts, (failed, all)) = (state.accounts(tries, now, span, 0), tries.counts(now, span));
        let (accounts, amid) = (counts.open, state.passed.count(now, self.long));
        let is_part = |seen: &Seen| attempt.is_from(seen) && seen.failed && !seen.familiar;
        let evidence = Evidence::default()
            .with("accounts", u64::from(accounts))
            .with("accounts_threshold", u64::from(threshold))
            .with("accounts_tried_once", u64::from(counts.once))
            .with("failures", u64::from(failed))
            .with("attempts", u64::from(all))
            .with("failure_ratio", share(failed, all))
            .with("failure_ratio_threshold", share(config.failure_ratio, 100))
            .with("accounts_logged_in_before", u64::from(attempt.neighbours.max(amid)))
            .showing(recent.samples(is_part));
        Account {
            confidence: confidence(accounts, threshold),
            summary: format!("{who} tried {accounts} accounts; {failed} of {all} attempts failed"),
            evidence,
            attempts: failed,
            first: recent.first(now, window, is_part),
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
