//! Open Cybersecurity Schema Framework: the class Detection Finding, with the profile Security Control.
//!
//! Not the class Authentication, also of detectors of logins: it describes single logins, and an alert is about a pattern
//! in many. Its readers look for it among findings.

use serde_json::{Map, Value, json};

use super::{PRODUCT, VERSION, attack, owasp_page};
use crate::clock::Timestamp;
use crate::decide::{About, Action};
use crate::detect::{Number, Sample, Severity, Threat};
use crate::notify::news::{Facts, News};

/// The version of the schema.
const OCSF_VERSION: &str = "1.5.0";
const CLASS: u32 = 2_004;

/// The record as a finding.
pub(in crate::notify) fn ocsf(host: &str, news: News<'_>) -> Value {
    let facts = news.facts();
    let (activity, activity_name, status, status_name) = match news {
        News::Alert(_) => (1, "Create", 1, "New"),
        News::Open(..) => (2, "Update", 2, "In Progress"),
        News::Over(_) => (3, "Close", 4, "Resolved"),
    };
    let (severity, severity_name) = severity(facts.severity);
    let (confidence, confidence_name, score) = confidence(facts.confidence);
    let (action, action_name, disposition, disposition_name) = action(facts.action);
    let mut record = json!({
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": CLASS.saturating_mul(100).saturating_add(activity),
        "type_name": format!("Detection Finding: {activity_name}"),
        "time": milliseconds(facts.at),
        "start_time": milliseconds(facts.start),
        "end_time": milliseconds(facts.end),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "confidence_id": confidence,
        "confidence": confidence_name,
        "confidence_score": score,
        "action_id": action,
        "action": action_name,
        "disposition_id": disposition,
        "disposition": disposition_name,
        "is_alert": true,
        "message": format!("{}: {}", news.headline(), news.text()),
        "metadata": metadata(&facts),
        "device": { "type_id": 1, "type": "Server", "hostname": host },
        "finding_info": finding(&facts),
        "evidences": evidences(&facts),
        "observables": observables(&facts),
        "unmapped": unmapped(&facts),
    });
    if let (Some(incident), Some(record)) = (facts.incident, record.as_object_mut())
        && let Ok(count) = i32::try_from(incident.attempts)
        && count > 0
    {
        record.insert("count".to_owned(), count.into());
    }
    record
}

/// `timestamp_t`.
const fn milliseconds(at: Timestamp) -> u64 {
    at.unix_nanos() / 1_000_000
}

const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// Its word and its percentage. The schema gives no bounds: thirds.
#[expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage of what is clamped to the unit interval"
)]
fn confidence(confidence: f64) -> (u8, &'static str, u8) {
    let score = (confidence.clamp(0.0, 1.0) * 100.0).round() as u8;
    match score {
        0..=33 => (1, "Low", score),
        34..=66 => (2, "Medium", score),
        _ => (3, "High", score),
    }
}

/// The action and the disposition. A tighter limit denies a part of what comes, for which the schema has no word.
const fn action(action: Action) -> (u8, &'static str, u8, &'static str) {
    match action {
        Action::Block => (2, "Denied", 2, "Blocked"),
        Action::Limit => (99, "Limited", 99, "Limited"),
        Action::None | Action::WouldLimit | Action::WouldBlock => (3, "Observed", 15, "Detected"),
    }
}

fn metadata(facts: &Facts<'_>) -> Value {
    json!({
        "version": OCSF_VERSION,
        "profiles": ["host", "security_control"],
        "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION },
        "correlation_uid": facts.id.to_string(),
        "event_code": facts.detector.slug(),
        "labels": [facts.owasp],
    })
}

fn finding(facts: &Facts<'_>) -> Value {
    let analytic =
        json!({ "name": facts.detector.slug(), "type_id": 2, "type": "Behavioral", "category": facts.owasp });
    let mut finding = Map::from_iter([
        ("uid".to_owned(), facts.id.to_string().into()),
        ("title".to_owned(), format!("{}: {}", facts.detector.slug(), facts.subject()).into()),
        ("desc".to_owned(), facts.summary.into()),
        ("types".to_owned(), json!([facts.detector.slug()])),
        ("analytic".to_owned(), analytic),
        ("created_time".to_owned(), milliseconds(facts.known).into()),
        ("modified_time".to_owned(), milliseconds(facts.at).into()),
        ("first_seen_time".to_owned(), milliseconds(facts.start).into()),
        ("last_seen_time".to_owned(), milliseconds(facts.end).into()),
    ]);
    finding.extend(owasp_page(facts.owasp).map(|page| ("src_url".to_owned(), page.into())));
    finding.extend(attack(facts.detector).map(|attack| ("attacks".to_owned(), json!([attack]))));
    finding.into()
}

fn attack(threat: Threat) -> Option<Value> {
    let attack::Technique { tactic, technique, variant } = attack::of(threat)?;
    let named = |(uid, name): (&str, &str)| json!({ "uid": uid, "name": name });
    let mut attack =
        Map::from_iter([("tactic".to_owned(), named(tactic)), ("technique".to_owned(), named(technique))]);
    attack.extend(variant.map(|variant| ("sub_technique".to_owned(), named(variant))));
    Some(attack.into())
}

/// The numbers, with the client, and then each exchange.
fn evidences(facts: &Facts<'_>) -> Vec<Value> {
    let numbers: Map<String, Value> =
        facts.evidence.numbers.iter().map(|(name, number)| (name.clone(), of(number))).collect();
    let mut first = Map::from_iter([("data".to_owned(), numbers.into())]);
    first.extend(facts.address().map(|ip| ("src_endpoint".to_owned(), json!({ "ip": ip.to_string() }))));
    std::iter::once(first.into()).chain(facts.examples().map(example)).collect()
}

fn of(number: &Number) -> Value {
    match number {
        Number::Count(count) => (*count).into(),
        Number::Ratio(ratio) => (*ratio).into(),
        Number::Text(text) => text.as_str().into(),
    }
}

/// The route is the operation: a template is no path.
fn example(sample: &Sample) -> Value {
    let mut evidence = Map::from_iter([
        ("src_endpoint".to_owned(), json!({ "ip": sample.client.to_string() })),
        ("data".to_owned(), json!({ "ts": sample.ts.to_string() })),
    ]);
    let mut request = Map::new();
    request.extend(sample.method.as_ref().map(|method| ("http_method".to_owned(), method.as_str().into())));
    request.extend(sample.path.as_ref().map(|path| ("url".to_owned(), json!({ "path": path }))));
    if !request.is_empty() {
        evidence.insert("http_request".to_owned(), request.into());
    }
    if let Some(status) = sample.status {
        evidence.insert("http_response".to_owned(), json!({ "code": status }));
    }
    if let Some(user) = &sample.user {
        evidence.insert("user".to_owned(), json!({ "uid": user }));
    }
    if let Some(route) = &sample.route {
        let method = sample.method.as_deref().unwrap_or_default();
        let mut api = Map::from_iter([("operation".to_owned(), format!("{method} {route}").trim().into())]);
        api.extend(sample.unit.as_ref().map(|unit| ("service".to_owned(), json!({ "name": unit }))));
        evidence.insert("api".to_owned(), api.into());
    }
    evidence.into()
}

/// What readers search for.
fn observables(facts: &Facts<'_>) -> Vec<Value> {
    let mut found = Vec::new();
    if let Some(address) = facts.address() {
        let name = "evidences[0].src_endpoint.ip";
        found.push(json!({ "type_id": 2, "type": "IP Address", "name": name, "value": address.to_string() }));
    }
    found
}

/// What the schema has no field for, by the record's names.
fn unmapped(facts: &Facts<'_>) -> Value {
    let mut own = Map::from_iter([
        ("owasp".to_owned(), facts.owasp.into()),
        ("action".to_owned(), facts.action.label().into()),
    ]);
    let (name, about) = match facts.about {
        About::Client(client) => ("client", client.to_string()),
        About::Subject(subject) => ("subject", subject.clone()),
    };
    own.insert(name.to_owned(), about.into());
    own.extend(facts.until.map(|until| ("until".to_owned(), until.to_string().into())));
    own.extend(facts.reason.map(|reason| ("reason_no_action".to_owned(), reason.into())));
    own.extend(facts.counts().map(|(name, count)| (name.to_owned(), count.into())));
    own.into()
}
