//! Elastic Common Schema. The fields used are in versions 8 and 9; what has no field there is under `sensor`, as the schema
//! asks for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{PRODUCT, VERSION, attack, owasp_page};
use crate::decide::{About, Action};
use crate::detect::{Severity, Threat};
use crate::notify::news::{Facts, News};

/// Of the list of fields that the tests compare with.
const ECS_VERSION: &str = "9.4.0";

/// The record as an event.
pub(in crate::notify) fn ecs(host: &str, news: News<'_>) -> Value {
    let facts = news.facts();
    let slug = facts.detector.slug();
    let dataset = if facts.incident.is_some() { "sensor.incident" } else { "sensor.alert" };
    let event = json!({
        "kind": "alert",
        "category": categories(facts.detector),
        "type": [if facts.action == Action::Block { "denied" } else { "info" }],
        "action": slug,
        "id": facts.id.to_string(),
        "created": facts.known.to_string(),
        "start": facts.start.to_string(),
        "end": facts.end.to_string(),
        "severity": severity(facts.severity),
        "reason": facts.summary,
        "module": PRODUCT,
        "provider": PRODUCT,
        "dataset": dataset,
    });
    let mut rule = Map::from_iter([
        ("id".to_owned(), facts.owasp.into()),
        ("name".to_owned(), slug.into()),
        ("ruleset".to_owned(), "OWASP API Security Top 10".into()),
        ("version".to_owned(), facts.owasp.rsplit(':').next().into()),
    ]);
    rule.extend(owasp_page(facts.owasp).map(|page| ("reference".to_owned(), page.into())));
    let mut record = Map::from_iter([
        ("@timestamp".to_owned(), facts.at.to_string().into()),
        ("ecs".to_owned(), json!({ "version": ECS_VERSION })),
        ("message".to_owned(), format!("{}: {}", news.headline(), news.text()).into()),
        ("event".to_owned(), event),
        ("rule".to_owned(), rule.into()),
        ("host".to_owned(), json!({ "hostname": host, "name": host })),
        (
            "observer".to_owned(),
            json!({ "hostname": host, "type": "ids", "vendor": PRODUCT, "product": PRODUCT, "version": VERSION }),
        ),
        ("sensor".to_owned(), own(&facts)),
    ]);
    record.extend(source(&facts).map(|source| ("source".to_owned(), source)));
    record.extend(threat(facts.detector).map(|threat| ("threat".to_owned(), threat)));
    add_example(&mut record, &facts);
    record.into()
}

/// Allowed values of `event.category`.
fn categories(threat: Threat) -> Vec<&'static str> {
    let mut found = vec!["intrusion_detection", if threat == Threat::Flood { "network" } else { "web" }];
    if is_about_logins(threat) {
        found.push("authentication");
    }
    found
}

const fn is_about_logins(threat: Threat) -> bool {
    matches!(
        threat,
        Threat::BruteForce | Threat::PasswordSpraying | Threat::CredentialStuffing | Threat::AccountTakeover
    )
}

/// The scores that Elastic Security gives these words.
const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// `address` is what the record names; `ip` takes only addresses.
fn source(facts: &Facts<'_>) -> Option<Value> {
    let About::Client(client) = facts.about else { return None };
    let mut source = Map::from_iter([("address".to_owned(), client.to_string().into())]);
    source.extend(facts.address().map(|address| ("ip".to_owned(), address.to_string().into())));
    Some(source.into())
}

fn threat(threat: Threat) -> Option<Value> {
    let attack::Technique { tactic, technique, variant } = attack::of(threat)?;
    let mut described = json!({ "id": [technique.0], "name": [technique.1] });
    if let (Some((id, name)), Some(described)) = (variant, described.as_object_mut()) {
        described.insert("subtechnique".to_owned(), json!({ "id": [id], "name": [name] }));
    }
    Some(json!({
        "framework": "MITRE ATT&CK",
        "tactic": { "id": [tactic.0], "name": [tactic.1] },
        "technique": described,
    }))
}

/// One exchange in the schema's own fields; all of them are in `sensor.evidence`. A template is no path.
fn add_example(record: &mut Map<String, Value>, facts: &Facts<'_>) {
    let mut addresses: BTreeSet<String> = facts.examples().map(|sample| sample.client.to_string()).collect();
    addresses.extend(facts.address().map(|address| address.to_string()));
    if !addresses.is_empty() {
        record.insert("related".to_owned(), json!({ "ip": addresses }));
    }
    let Some(sample) = facts.examples().next() else { return };
    let mut http = Map::new();
    http.extend(sample.method.as_ref().map(|method| ("request".to_owned(), json!({ "method": method }))));
    http.extend(sample.status.map(|status| ("response".to_owned(), json!({ "status_code": status }))));
    if !http.is_empty() {
        record.insert("http".to_owned(), http.into());
    }
    record.extend(sample.path.as_ref().map(|path| ("url".to_owned(), json!({ "path": path }))));
    record.extend(sample.user.as_ref().map(|user| ("user".to_owned(), json!({ "hash": user }))));
    record.extend(sample.unit.as_ref().map(|unit| ("service".to_owned(), json!({ "name": unit }))));
}

/// What the schema has no field for, by the record's names.
fn own(facts: &Facts<'_>) -> Value {
    let mut own = Map::from_iter([
        ("owasp".to_owned(), facts.owasp.into()),
        ("confidence".to_owned(), facts.confidence.into()),
        ("subject".to_owned(), facts.subject().into()),
        ("action".to_owned(), facts.action.label().into()),
        ("evidence".to_owned(), json!(facts.evidence)),
    ]);
    own.extend(facts.until.map(|until| ("until".to_owned(), until.to_string().into())));
    own.extend(facts.reason.map(|reason| ("reason_no_action".to_owned(), reason.into())));
    if let Some(incident) = facts.incident {
        own.insert("state".to_owned(), incident.state.label().into());
    }
    own.extend(facts.counts().map(|(name, count)| (name.to_owned(), count.into())));
    own.into()
}
