//! What has changed since a moment.

use std::borrow::Cow;

use super::fact::{Fact, Second};
use super::findings::Finding;
use super::inventory::Snapshot;
use super::report::{CREDENTIALS, Change};
use super::row::Row;
use crate::clock::Timestamp;

/// Changes that are told.
const MAX_CHANGES: usize = 1_000;

/// Changes since a moment, the latest first. What the inventory began with is no change.
pub(super) fn changes(
    rows: &[Cow<'_, Row>],
    findings: &[Finding],
    since: Timestamp,
    snapshot: &Snapshot,
) -> Vec<Change> {
    // To the second, as times are kept.
    let since = Second::of(since).timestamp();
    let mut changes = Vec::new();
    if snapshot.since < since {
        rows.iter().for_each(|row| of_row(row, since, &mut changes));
        of_findings(findings, since, &mut changes);
    }
    changes.sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.route.cmp(&other.route)));
    changes.truncate(MAX_CHANGES);
    changes
}

fn of_row(row: &Row, since: Timestamp, changes: &mut Vec<Change>) {
    let (first, last) = (row.first.timestamp(), row.last.timestamp());
    let mut say = |what: &str, at: Timestamp, says: String| {
        let (method, route) = (row.method.to_string(), row.route.to_string());
        changes.push(Change { what: what.to_owned(), at, method, route, says });
    };
    if first >= since {
        return say("new-route", first, format!("first seen; {} requests since", row.total));
    }
    if last < since {
        return say("gone", last, format!("last seen then; {} requests before", row.total));
    }
    for (fact, kind) in CREDENTIALS {
        let times = row.facts.of(fact);
        if times.count > 0 && times.first.timestamp() >= since {
            say("new-credentials", times.first.timestamp(), format!("{kind} credentials for the first time"));
        }
    }
    let told = [
        (Fact::AnonymousOk, "new-access", "answered without credentials for the first time"),
        (Fact::Clear, "new-transport", "reached in clear text for the first time"),
        (Fact::Tls13, "new-transport", "reached in TLS 1.3 for the first time"),
        (Fact::Deprecated, "deprecated", "answers call it deprecated"),
    ];
    for (fact, what, says) in told {
        let times = row.facts.of(fact);
        if times.count > 0 && times.first.timestamp() >= since {
            say(what, times.first.timestamp(), says.to_owned());
        }
    }
}

/// Findings at routes that were there before.
fn of_findings(findings: &[Finding], since: Timestamp, changes: &mut Vec<Change>) {
    for finding in findings {
        for place in finding
            .places
            .iter()
            .filter(|place| place.first_seen >= since && place.first_seen > Timestamp::default())
        {
            let is_told = changes.iter().any(|change| {
                change.at == place.first_seen && change.route == place.route && change.method == place.method
            });
            if !is_told && finding.class != "documented-unseen" {
                changes.push(Change {
                    what: "new-finding".to_owned(),
                    at: place.first_seen,
                    method: place.method.clone(),
                    route: place.route.clone(),
                    says: format!("{}: {}", finding.class, place.evidence),
                });
            }
        }
    }
}
