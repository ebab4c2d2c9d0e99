//! The reference of alerts.

use documented::DocumentedFields as _;

use super::text::{HEADER, code, table};
use crate::daemon::{presets, reference};
use crate::decide::{Action, Alert, Incident, Participant};
use crate::detect::{Preset, Response, Severity, Threat};

const INTRODUCTION: &str = "\
# Alerts

An alert is one JSON object, the same in `sensor alerts --json`, in `events.db`, in the lines of `[alerts] output` and in
the body of a webhook's request. [Detection](../detection.md) tells how detectors decide.
";

/// Numbers in evidence by name. What ends in `_threshold` is told of by its own name without that.
pub(super) const EVIDENCE: &[(&str, &str)] = &[
    ("accounts", "accounts that attempts were made on"),
    (
        "accounts_logged_in_before",
        "accounts that logged in from the same address before, or meanwhile: with many, an office",
    ),
    ("accounts_tried_once", "those of the accounts that were tried once, as the lines of a list are"),
    ("anomaly_score", "how unlikely the value is, from 0 to 1: 0.5 is a chance of 1 in 1,000"),
    ("attack", "the attack that the success belongs to"),
    ("attempts", "attempts to log in"),
    ("baseline_failure_ratio", "the share of failures that is usual for strangers on this route"),
    ("bytes_per_second", "how fast the slow messages move together"),
    ("client", "who logged in"),
    ("clients", "clients that took part"),
    ("clients_by_share", "addresses that used the principal, with their shares of its requests"),
    (
        "clients_logged_in_with_shared",
        "clients with what the attack has in common that logged in all the same",
    ),
    ("conflicts", "exchanges in which two copies of the same bytes differ"),
    ("connections", "connections held open"),
    ("cross_site", "why nothing is done: pages of other sites can make browsers send this"),
    ("error_share", "the share of answers with 5xx"),
    ("error_share_expected", "what would be usual"),
    ("failure_ratio", "the share of failures among attempts"),
    ("failures", "failed attempts; of brute-force, those with different passwords"),
    ("interval_variation", "how irregular the pauses between attempts are: near 0 for a clock"),
    ("latency_p95_us", "the 95th percentile of latency, in microseconds"),
    ("latency_p95_us_expected", "what would be usual"),
    ("limit", "the limit of the configuration"),
    ("long_failures", "different passwords within the long window"),
    ("missing_paths", "different paths that do not exist"),
    ("missing_share", "their share among what the client asked for"),
    ("new_clients", "clients that were not told of before in this incident"),
    ("objects", "different objects under the route"),
    ("oldest_seconds", "the age of the oldest connection, in seconds"),
    ("over_limit", "requests over the limit"),
    ("packets_per_second", "packets shed in a second; by reason, as in `syn_per_second`, of the whole"),
    ("packets_shed", "packets shed since the flood began"),
    ("probe_weight", "the weight of known probes"),
    ("probes", "some of them, by name"),
    ("programs_or_principals", "about how many programs or principals asked: people behind one address"),
    ("refused", "requests that were refused"),
    ("refused_objects_threshold", "objects from which on refusals count"),
    ("refused_share", "the share of requests that were refused"),
    ("requests", "requests; of a spike, within the minute"),
    ("requests_expected", "what would be usual"),
    ("route", "the route's template"),
    ("score", "the evidence that was gathered, in nats"),
    ("session", "the keyed hash of the session or token that the login began: what has to be ended"),
    ("share_of_failures", "the share of this password among all failures"),
    ("shared", "what the attempts have in common"),
    ("slow_bodies", "connections with a slow body of a request"),
    ("slow_headers", "connections with a slow head of a request"),
    ("slow_reads", "connections that read an answer slowly"),
    ("small_steps", "steps to one of the next identifiers"),
    ("steps", "steps from one identifier to another"),
    ("suspicious_requests", "requests that were suspicious in some way"),
    ("times_usual_threshold", "how many times the usual is too much"),
    ("tool", "the tool that User-Agent names"),
    ("tool_requests", "requests that name it"),
    ("usual_objects", "how many objects are usual on the route"),
];

pub(super) fn markdown() -> String {
    let mut out = format!("{HEADER}{INTRODUCTION}");
    out.push_str("\n## Detectors\n\n");
    out.push_str(&detectors());
    out.push_str("\n## Severities\n\n");
    let severities = Severity::ALL.map(Severity::label);
    out.push_str(&documented(["severity", "meaning"], severities, |name| {
        Severity::get_field_docs(name).ok()
    }));
    out.push_str(&format!("\n{}\n", responses()));
    out.push_str("\n## Fields\n\n");
    let fields = Alert::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["field", "meaning"], fields, |name| Alert::get_field_docs(name).ok()));
    out.push_str(&incidents());
    out.push_str("\n`action` is one of these:\n\n");
    let actions = Action::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["action", "meaning"], actions, |name| Action::get_field_docs(name).ok()));
    out.push_str(
        "\n## Evidence\n\nA name with `_threshold` behind it is the threshold that the number passed.\n\n",
    );
    let rows = EVIDENCE.iter().map(|(name, meaning)| vec![code(name), (*meaning).to_owned()]);
    out.push_str(&table(&["number", "meaning"], rows));
    out.push_str("\n## Thresholds\n\nWith their defaults in each preset; the others stand in [configuration.md](configuration.md).\n\n");
    let thresholds = presets().into_iter().filter(|(key, _)| key.starts_with("detect."));
    let rows =
        thresholds.map(|(key, values)| std::iter::once(&key).chain(&values).map(|cell| code(cell)).collect());
    let head: Vec<&str> = std::iter::once("key").chain(Preset::ALL.map(|(name, _)| name)).collect();
    out.push_str(&table(&head, rows));
    out
}

/// The record of an incident, and of who takes part.
fn incidents() -> String {
    let mut out = String::from(
        "\n## Incidents\n\nAn incident is the record of an attack from its beginning to its end: `sensor incidents --json`, \
         and the body of a webhook's request once it is over.\n\n",
    );
    let fields = Incident::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["field", "meaning"], fields, |name| Incident::get_field_docs(name).ok()));
    out.push_str("\nEach of `offenders`:\n\n");
    let fields = Participant::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["field", "meaning"], fields, |name| Participant::get_field_docs(name).ok()));
    out
}

fn detectors() -> String {
    let response = Response::default();
    let response = Response::ALL.iter().find(|(_, known)| *known == response).map_or("", |(name, _)| name);
    let rows = Threat::ALL.into_iter().map(|threat| {
        let cells =
            [code(threat.slug()), threat.meaning().to_owned(), threat.owasp().to_owned(), code(response)];
        cells.to_vec()
    });
    table(&["detector", "what it finds", "OWASP API Security Top 10", "response by default"], rows)
}

/// What severities lead to by default.
fn responses() -> String {
    let default = |path: &str| {
        let tables = reference();
        let key = tables.iter().flat_map(|(_, keys)| keys).find(|key| key.knob.path() == path);
        key.and_then(|key| key.knob.default.clone()).unwrap_or_default().replace('"', "")
    };
    format!(
        "By default, `{}` with a confidence of {} blocks the client for {}, longer with each repetition; `{}` with {} gives \
         it tighter limits; all else is told only. `decide.*` in [configuration.md](configuration.md) changes that.",
        default("decide.block_from"),
        default("decide.block_confidence"),
        default("decide.block_for"),
        default("decide.limit_from"),
        default("decide.limit_confidence"),
    )
}

fn documented<'a>(
    head: [&str; 2],
    names: impl IntoIterator<Item = &'a str>,
    docs: impl Fn(&str) -> Option<&'static str>,
) -> String {
    let rows = names.into_iter().map(|name| {
        let names: Vec<String> = name.split(", ").map(code).collect();
        vec![names.join(", "), docs(name).unwrap_or_default().to_owned()]
    });
    table(&head, rows)
}
