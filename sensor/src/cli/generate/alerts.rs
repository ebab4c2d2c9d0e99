//! The reference of alerts.

use documented::DocumentedFields as _;

use super::text::{HEADER, code, table};
use crate::daemon::{presets, reference};
use crate::decide::{Action, Alert, Incident, Participant};
use crate::detect::{Preset, Response, Severity, Threat};

const INTRODUCTION: &str = "\
# Alerts

An alert is one JSON object, the same in `sensor alerts --json`, `events.db`, the lines of `[alerts] output` and the
webhook's request body. [Detection](../detection.md) explains how detectors decide.
";

/// Numbers in evidence by name. Names ending in `_threshold` are described under the name without it.
pub(super) const EVIDENCE: &[(&str, &str)] = &[
    ("accepted", "forged tokens that the server accepted"),
    ("account", "the first account, as a keyed hash"),
    ("accounts", "accounts tried"),
    (
        "accounts_logged_in_before",
        "accounts that logged in from the same address, before or meanwhile: many suggest an office",
    ),
    ("accounts_tried_once", "accounts tried once each, as from a list"),
    ("anomaly_score", "how unlikely the value is, from 0 to 1: 0.5 means a chance of 1 in 1,000"),
    ("attack", "the attack that the login belongs to"),
    ("attempts", "login attempts"),
    ("baseline_failure_ratio", "strangers' usual share of failures on this route"),
    ("broken_requests", "requests that break the OpenAPI document"),
    ("bytes_per_second", "combined rate of the slow messages"),
    ("class", "what was found, such as `in-url` or `stack-trace`"),
    ("client", "who logged in"),
    ("clients", "clients involved"),
    ("clients_by_share", "addresses that used the principal, and their shares of its requests"),
    ("clients_logged_in_with_shared", "clients with the attack's common traits that logged in"),
    ("conflicts", "exchanges in which two copies of the same bytes differ"),
    ("connections", "connections held open"),
    ("count", "how often the client did it"),
    ("countries", "the two countries that the token was used from"),
    ("cross_site", "why no action is taken: other sites' pages can make browsers send this"),
    ("days", "days on which the principal did it"),
    ("documents", "GraphQL documents over a limit"),
    ("effects", "effects seen in the response, such as `reflected` or `delayed`"),
    ("error_share", "share of 5xx responses"),
    ("error_share_expected", "expected value"),
    ("failed_share", "share of attempts that the application refused"),
    ("failure_ratio", "the share of failures among attempts"),
    ("failures", "failed attempts; for brute-force, those with distinct passwords"),
    ("faults", "different rules and fields of the OpenAPI document that they break"),
    ("field", "the name of the field"),
    ("fleet_accounts", "accounts that strangers failed on, on all hosts of the fleet within ten minutes"),
    ("fleet_attempts", "strangers' attempts on all hosts"),
    ("fleet_clients", "clients whose first attempt failed, on all hosts; one that meets several counts once"),
    ("fleet_failures", "strangers' failed attempts on all hosts"),
    ("fleet_hosts", "hosts that saw failures"),
    ("fleet_passwords", "passwords tried in vain on all hosts, for a route as a whole"),
    ("fleet_score", "the score of what all hosts saw together"),
    ("fleet_score_without_one_host", "the least score if one of the other hosts is left out"),
    ("flow", "the business flow, such as `sign-up` or `payment`"),
    ("forged", "requests with forged tokens"),
    ("function", "method and route"),
    ("in_company", "what the principal shares with others that do the same"),
    ("interval_variation", "how irregular the intervals between attempts are: near 0 for a timer"),
    ("latency_p95_us", "the 95th percentile of latency, in microseconds"),
    ("latency_p95_us_expected", "expected value"),
    ("limit", "the configured limit"),
    ("long_failures", "distinct passwords within the long window"),
    ("mates", "how many others do the same and share that"),
    ("measure", "which limit was exceeded"),
    ("method", "method of the request"),
    ("missing_paths", "distinct missing paths"),
    ("missing_share", "their share of the client's requests"),
    ("new_clients", "clients not reported before in this incident"),
    ("new_fields", "such fields that the client sent and the route had not accepted before"),
    ("objects", "distinct objects under the route"),
    ("oldest_seconds", "the age of the oldest connection, in seconds"),
    ("over_limit", "requests beyond the limit"),
    ("packets_per_second", "packets dropped per second; in total by reason, as in `syn_per_second`"),
    ("packets_shed", "packets dropped since the flood began"),
    ("parameters", "parameters with injection attempts"),
    ("principals", "principals seen on the site"),
    ("probe_weight", "the weight of known probes"),
    ("probes", "some of the probes, by name"),
    ("programs_or_principals", "approximate number of programs or principals: people behind one address"),
    ("records", "other people's records: card, account and national numbers; e-mail addresses count a tenth"),
    ("refused", "refused requests"),
    ("refused_before", "whether the route had refused the field before"),
    ("refused_functions", "functions that the principal tried and was refused"),
    ("refused_objects_threshold", "number of objects from which refusals count"),
    ("refused_of_others", "requests for other principals' objects that were refused"),
    ("refused_share", "share of refused requests"),
    ("refused_without_credentials", "requests without credentials that the route refused before"),
    ("repeated_parameters", "requests with the same parameter twice, one naming another principal's object"),
    ("requests", "requests; for a spike, within the minute"),
    ("requests_expected", "expected value"),
    ("role", "that the principal uses functions that few others use"),
    ("route", "the route's template"),
    ("rule", "the rule that found it"),
    ("rules", "the rules that found it"),
    ("score", "accumulated evidence, in nats"),
    ("seen", "how often it was seen on this route"),
    ("sequence", "that the identifiers follow one another"),
    ("served_with_credentials", "requests with credentials that the route answered"),
    ("served_without_credentials", "requests without credentials that the route answered"),
    ("session", "keyed hash of the session or token that the login started: end it"),
    ("share_of_failures", "this password's share of all failures"),
    ("shared", "the attempts' common traits"),
    ("slow_bodies", "connections with a slow request body"),
    ("slow_headers", "connections with a slow request head"),
    ("slow_reads", "connections that read a response slowly"),
    ("small_steps", "steps to a nearby next identifier"),
    ("steps", "steps from one identifier to another"),
    ("strangers", "objects that only other principals had read"),
    ("streams", "HTTP/2 streams that the client opened in the window"),
    ("suspicious_requests", "suspicious requests of any kind"),
    ("threshold", "the count from which it is reported"),
    ("times_usual_threshold", "multiple of the usual number that is too many"),
    ("tool", "the tool named in User-Agent"),
    ("tool_requests", "requests that name it"),
    (
        "turns",
        "times that the token moved back to an earlier network and program; two between countries count as one",
    ),
    (
        "turns_between_countries",
        "times that it moved back to an earlier network in another country with the same program",
    ),
    ("users", "principals that use the function"),
    ("usual", "the usual number"),
    ("usual_objects", "usual number of objects on the route"),
    ("value", "the measure's value"),
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
        "\n## Evidence\n\nA name ending in `_threshold` is the threshold for the number of that name.\n\n",
    );
    let rows = EVIDENCE.iter().map(|(name, meaning)| vec![code(name), (*meaning).to_owned()]);
    out.push_str(&table(&["number", "meaning"], rows));
    out.push_str(
        "\n## Thresholds\n\nDefaults per preset; the others are in [configuration.md](configuration.md).\n\n",
    );
    let thresholds = presets().into_iter().filter(|(key, _)| key.starts_with("detect."));
    let rows =
        thresholds.map(|(key, values)| std::iter::once(&key).chain(&values).map(|cell| code(cell)).collect());
    let head: Vec<&str> = std::iter::once("key").chain(Preset::ALL.map(|(name, _)| name)).collect();
    out.push_str(&table(&head, rows));
    out
}

/// The record of an incident, and of its participants.
fn incidents() -> String {
    let mut out = String::from(
        "\n## Incidents\n\nAn incident is the record of an attack from start to end: `sensor incidents --json`, and \
         the webhook's request body once it is over.\n\n",
    );
    let fields = Incident::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["field", "meaning"], fields, |name| Incident::get_field_docs(name).ok()));
    out.push_str("\nEach of `offenders`:\n\n");
    let fields = Participant::FIELD_NAMES.iter().copied();
    out.push_str(&documented(["field", "meaning"], fields, |name| Participant::get_field_docs(name).ok()));
    out
}

fn detectors() -> String {
    let rows = Threat::ALL.into_iter().map(|threat| {
        let response = Response::of(threat);
        let response =
            Response::ALL.iter().find(|(_, known)| *known == response).map_or("", |(name, _)| name);
        let cells =
            [code(threat.slug()), threat.meaning().to_owned(), threat.owasp().to_owned(), code(response)];
        cells.to_vec()
    });
    table(&["detector", "what it finds", "OWASP API Security Top 10", "response by default"], rows)
}

/// The default actions by severity.
fn responses() -> String {
    let default = |path: &str| {
        let tables = reference();
        let key = tables.iter().flat_map(|(_, keys)| keys).find(|key| key.knob.path() == path);
        key.and_then(|key| key.knob.default.clone()).unwrap_or_default().replace('"', "")
    };
    format!(
        "By default, `{}` with a confidence of {} blocks the client for {}, longer with each repetition; `{}` with {} \
         sets tighter limits; anything less is only reported. `decide.*` in [configuration.md](configuration.md) changes this.",
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
