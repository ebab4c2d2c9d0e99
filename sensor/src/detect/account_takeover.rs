//! A success during an attack: an attacker who was guessing or stuffing got in.

use super::credentials::{Account, Attempt, Case, Recent, Seen};
use super::window::Moment;
use super::{Evidence, Offender, Severity, Subject, Threat};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

/// How far back from an attack's discovery its successes are searched: the longest of the short windows.
const BEFORE: Duration = Duration::from_secs(600);

/// A success of an offender, on an account that is not familiar to it.
pub(crate) fn case(account: Option<KeyedHash>, offender: Offender, offends: bool) -> Case {
    Case {
        threat: Threat::AccountTakeover,
        subject: account.map_or(Subject::Client(offender.client), Subject::Account),
        severity: Severity::Critical,
        offenders: if offends { vec![offender] } else { Vec::new() },
        by: Some(offender),
    }
}

/// Explains such a case. The confidence is our own choice: a client's own offence leaves less doubt than traits that
/// its attempt shares with others.
pub(crate) fn explain(attempt: &Attempt<'_>, offence: Option<Threat>, recent: &Recent) -> Account {
    let who = attempt.client;
    let is_part = |seen: &Seen| attempt.is_from(seen);
    let session = attempt.exchange.login.and_then(|login| login.session);
    let first = recent.first(attempt.now, BEFORE, is_part);
    Account { first, ..describe((attempt.account, session), who, offence, recent.samples(is_part)) }
}

/// The same for an earlier attempt.
pub(crate) fn explain_seen(seen: &Seen, offence: Option<Threat>) -> Account {
    let account = describe((seen.account, seen.session), seen.offender.client, offence, vec![seen.sample()]);
    Account { first: Some(seen.ts), ..account }
}

fn describe(
    (account, session): (Option<KeyedHash>, Option<KeyedHash>),
    who: ClientNet,
    offence: Option<Threat>,
    samples: Vec<super::Sample>,
) -> Account {
    let name = account.map_or_else(|| "an account".to_owned(), |account| account.to_string());
    let attack = offence.unwrap_or(Threat::CredentialStuffing).slug();
    let how = if offence.is_some() { "is part of" } else { "looks like part of" };
    let mut evidence = Evidence::default().with("attack", attack).with("client", who.to_string().as_str());
    let mut end = String::new();
    if let Some(session) = session {
        let session = session.to_string();
        evidence = evidence.with("session", session.as_str());
        end = format!("; end its session: {session}");
    }
    Account {
        confidence: if offence.is_some() { 0.95 } else { 0.8 },
        summary: format!("{who}, which {how} an attack ({attack}), logged in to {name}{end}"),
        evidence: evidence.showing(samples),
        attempts: 1,
        first: None,
        span: BEFORE,
    }
}

/// Successes of offenders after their first failure, from before they were recognised as offenders.
pub(crate) fn before<'a>(recent: &'a Recent, offenders: &[Offender], now: Moment) -> Vec<&'a Seen> {
    let mut failed: BTreeMap<ClientNet, Option<Moment>> =
        offenders.iter().map(|offender| (offender.client, None)).collect();
    let lately = || recent.iter().take_while(|seen| now.since(seen.now) <= BEFORE);
    // If a site is an offender, all its clients are.
    let clients = |seen: &Seen| [Some(seen.offender.client), seen.site].into_iter().flatten();
    for seen in lately().filter(|seen| seen.failed) {
        for client in clients(seen) {
            if let Some(first) = failed.get_mut(&client) {
                *first = Some(seen.now);
            }
        }
    }
    let after = |seen: &&Seen| {
        let first = clients(seen).filter_map(|client| failed.get(&client).copied().flatten()).min();
        !seen.failed && !seen.familiar && first.is_some_and(|first| seen.now >= first)
    };
    lately().filter(after).collect()
}

#[cfg(test)]
mod tests;
