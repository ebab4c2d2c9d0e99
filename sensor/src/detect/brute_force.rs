//! Guessing the password of an account: many different passwords on one account, from anybody, or from one client on a
//! few accounts.
//!
//! Guesses count, that is, distinct pairs of account and password, not failures: a mail program with an old password or
//! a client with an expired key sends the same one for ever. If the password could not be read, a failure counts as a
//! guess, but leads only to an alert.

use std::time::Duration;

use documented::DocumentedFields;

use super::config::{Preset, Sources};
use super::credentials::{Account, Attempt, Case, Client, Recent, Seen};
use super::threat::counted;
use super::window::{Counter, Majority, Span, Spread, hash_of};
use super::{Evidence, Severity, Subject, Threat};
use crate::config::Section;

/// Thresholds.
///
/// A person who has forgotten a password tries about a dozen. OWASP's Authentication Cheat Sheet leaves the number
/// to the operator; fail2ban's default of 5 failures in 10 minutes hits such people. OWASP ASVS 4.0.3, 2.2.1, asks
/// for no more than 100 attempts an hour on an account, NIST SP 800-63B, 5.2.2, for no more than 100 consecutive
/// failures ever. The short window's counts are our own choice between these; the long one's is NIST's, in a day.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Distinct passwords tried by one client on one account within `window`.
    pub failures: u32,
    /// Distinct passwords tried on one account by any client within `window`.
    pub account_failures: u32,
    /// The counting window.
    pub window: Duration,
    /// Distinct passwords tried on one account within `long_window`.
    pub long_failures: u32,
    /// The counting window.
    pub long_window: Duration,
}

impl Config {
    /// Defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            failures: preset.scaled(20),
            account_failures: preset.scaled(30),
            window: Duration::from_secs(600),
            long_failures: preset.scaled(100),
            long_window: Duration::from_secs(86_400),
        }
    }

    /// The same for sites.
    #[must_use]
    pub(super) fn of_sites(&self, sources: Sources) -> Self {
        Self { failures: sources.scaled(self.failures), ..self.clone() }
    }

    /// Reads `[detect.brute-force]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("failures", 3..=1_000, &mut config.failures);
        section.integer("account_failures", 3..=1_000, &mut config.account_failures);
        section.duration("window", Duration::from_secs(1), &mut config.window);
        section.integer("long_failures", 3..=1_000, &mut config.long_failures);
        section.duration("long_window", Duration::from_secs(1), &mut config.long_window);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::default())
    }
}

/// Of a client.
#[derive(Default)]
pub(crate) struct OfClient {
    guesses: Spread<4>,
    accounts: Spread<4>,
    blind: Counter,
}

/// Of an account.
#[derive(Default)]
pub(crate) struct OfAccount {
    guesses: Spread<4>,
    long: Spread<4>,
    blind: Counter,
    clients: Spread<4>,
    program: Majority,
}

/// Each account that a client guesses at must have at least this many guesses: a client with many accounts and a guess
/// at each is stuffing, or an office.
const PER_ACCOUNT: u32 = 5;
/// From this many clients on, a single guess makes a stranger with the same program an offender.
const MANY_CLIENTS: u32 = 10;
/// With fewer clients, it takes this many.
const FEW_GUESSES: u32 = 3;

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

    /// One failure, for its client. A password without an account, as with appliances, shared links and second factors,
    /// is a guess at its route's single account.
    pub(crate) fn observe_client(&self, attempt: &Attempt<'_>, client: &mut Client) {
        let of_route = || attempt.password.map(|_| hash_of(&*attempt.route));
        let Some(account) = attempt.account.map(hash_of).or_else(of_route) else { return };
        let (now, state) = (attempt.now, &mut client.guessing);
        match attempt.password {
            Some(password) => state.guesses.insert(hash_of((account, password)), now, self.window),
            None => state.blind.add(now, self.window),
        }
        state.accounts.insert(account, now, self.window);
    }

    /// One failure, for its account. Those of known offenders are left out.
    pub(crate) fn observe_account(&self, attempt: &Attempt<'_>, target: &mut OfAccount) {
        let now = attempt.now;
        match attempt.password {
            Some(password) => {
                target.guesses.insert(hash_of(password), now, self.window);
                target.long.insert(hash_of(password), now, self.long);
            }
            None => target.blind.add(now, self.window),
        }
        target.clients.insert(hash_of(attempt.client), now, self.window);
        target.program.vote(attempt.fingerprint);
    }

    /// Whether a client is guessing.
    pub(crate) fn judge_client(&self, attempt: &Attempt<'_>, client: &Client) -> Option<Case> {
        let (now, state) = (attempt.now, &client.guessing);
        let read = state.guesses.count(now, self.window);
        let guesses = read.saturating_add(state.blind.count(now, self.window));
        if guesses < self.config.failures {
            return None;
        }
        let few_accounts = state.accounts.count(now, self.window).saturating_mul(PER_ACCOUNT) <= guesses;
        let block = read >= self.config.failures && attempt.outweighs_neighbours(read);
        few_accounts.then(|| Case {
            threat: Threat::BruteForce,
            subject: attempt.subject(),
            severity: attempt.severity(block),
            offenders: attempt.offender_if(block),
            by: attempt.participant(),
        })
    }

    pub(crate) fn explain_client(&self, attempt: &Attempt<'_>, client: &Client, recent: &Recent) -> Account {
        let (now, state, who) = (attempt.now, &client.guessing, attempt.client);
        let guesses =
            state.guesses.count(now, self.window).saturating_add(state.blind.count(now, self.window));
        let accounts = state.accounts.count(now, self.window);
        let is_part = |seen: &Seen| attempt.is_from(seen) && seen.failed;
        let evidence = Evidence::default()
            .with("failures", u64::from(guesses))
            .with("failures_threshold", u64::from(self.config.failures))
            .with("accounts", u64::from(accounts))
            .with("accounts_logged_in_before", u64::from(attempt.neighbours))
            .showing(recent.samples(is_part));
        Account {
            confidence: confidence(guesses, self.config.failures),
            summary: format!(
                "{who} tried {guesses} passwords on {} without success",
                counted(accounts, "account")
            ),
            evidence,
            attempts: guesses,
            first: recent.first(now, self.config.window, is_part),
            span: self.config.window,
        }
    }

    /// Whether an account is being guessed at.
    pub(crate) fn judge_account(
        &self,
        attempt: &Attempt<'_>,
        client: &Client,
        (target, is_common): (&OfAccount, bool),
    ) -> Option<Case> {
        let (account, now) = (attempt.account?, attempt.now);
        let read = target.guesses.count(now, self.window);
        let short = read.saturating_add(target.blind.count(now, self.window)) >= self.config.account_failures;
        let long = target.long.count(now, self.long) >= self.config.long_failures;
        if !short && !long {
            return None;
        }
        let sure = long || read >= self.config.account_failures;
        let offends = sure && self.offends(attempt, client, (target, is_common));
        Some(Case {
            threat: Threat::BruteForce,
            subject: Subject::Account(account),
            severity: if sure { Severity::High } else { Severity::Medium },
            offenders: attempt.offender_if(offends),
            by: attempt.participant(),
        })
    }

    /// The account's owner must not be hit: nobody offends from where it was logged in to before. Elsewhere it takes
    /// more than one guess, or a program that belongs to the attack and not to people who log in.
    fn offends(
        &self,
        attempt: &Attempt<'_>,
        client: &Client,
        (target, is_common): (&OfAccount, bool),
    ) -> bool {
        let guesses = client.guessing.guesses.count(attempt.now, self.window);
        let many = target.clients.count(attempt.now, self.window) >= MANY_CLIENTS;
        let alike = many && !attempt.known && !is_common && target.program.is(attempt.fingerprint);
        !attempt.familiar && attempt.outweighs_neighbours(guesses) && (guesses >= FEW_GUESSES || alike)
    }

    /// Whether an earlier attempt was part of the attack.
    pub(crate) fn was_part(
        &self,
        attempt: &Attempt<'_>,
        (target, is_common): (&OfAccount, bool),
        seen: &Seen,
    ) -> bool {
        let many = target.clients.count(attempt.now, self.window) >= MANY_CLIENTS;
        let recent = attempt.now.since(seen.now) <= self.config.window;
        let alike = seen.fingerprint == attempt.fingerprint && target.program.is(seen.fingerprint);
        let same = seen.account == attempt.account && alike;
        many && recent && same && !is_common && seen.failed && seen.strange
    }

    pub(crate) fn explain_account(
        &self,
        attempt: &Attempt<'_>,
        target: &OfAccount,
        recent: &Recent,
    ) -> Account {
        let now = attempt.now;
        let guesses =
            target.guesses.count(now, self.window).saturating_add(target.blind.count(now, self.window));
        let (long, clients) = (target.long.count(now, self.long), target.clients.count(now, self.window));
        let is_short = guesses >= self.config.account_failures;
        let span = if is_short { self.config.window } else { self.config.long_window };
        let is_part = |seen: &Seen| seen.account == attempt.account && seen.failed;
        let evidence = Evidence::default()
            .with("failures", u64::from(guesses))
            .with("failures_threshold", u64::from(self.config.account_failures))
            .with("long_failures", u64::from(long))
            .with("long_failures_threshold", u64::from(self.config.long_failures))
            .with("clients", u64::from(clients))
            .showing(recent.samples(is_part));
        let name = attempt.account.map(|account| account.to_string()).unwrap_or_default();
        Account {
            confidence: confidence(guesses, self.config.account_failures)
                .max(confidence(long, self.config.long_failures)),
            summary: format!(
                "{} passwords were tried on {name} from {}",
                guesses.max(long),
                counted(clients, "client")
            ),
            evidence,
            attempts: guesses.max(long),
            first: recent.first(now, span, is_part),
            span,
        }
    }
}

/// Confidence for a count above its threshold: 0.8 at the threshold, 0.9 at twice as many, and so on. Our own choice.
#[expect(clippy::float_arithmetic, reason = "a ratio")]
pub(super) fn confidence(count: u32, threshold: u32) -> f64 {
    if count < threshold {
        0.5
    } else {
        (1.0 - 0.2 * f64::from(threshold) / f64::from(count.max(1))).min(0.99)
    }
}

#[cfg(test)]
mod tests;
