//! OpenTelemetry: a request of OTLP/HTTP for logs, in its JSON encoding, which every receiver has to take and which needs
//! none of protobuf's generated code. Attributes have the names of the semantic conventions where there are some.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{PRODUCT, VERSION, owasp_page};
use crate::clock::Timestamp;
use crate::detect::{Number, Severity};
use crate::notify::news::{Facts, News};

/// The record as one log record.
pub(in crate::notify) fn otlp(host: &str, news: News<'_>) -> Value {
    let facts = news.facts();
    let (number, text) = severity(facts.severity);
    let event = if facts.incident.is_some() { "sensor.incident" } else { "sensor.alert" };
    let resource =
        [text_of("service.name", PRODUCT), text_of("service.version", VERSION), text_of("host.name", host)];
    let record = json!({
        "timeUnixNano": nanoseconds(facts.at),
        "observedTimeUnixNano": nanoseconds(facts.at),
        "severityNumber": number,
        "severityText": text,
        "eventName": event,
        "body": { "stringValue": format!("{}: {}", news.headline(), news.text()) },
        "attributes": attributes(&facts),
    });
    json!({
        "resourceLogs": [{
            "resource": { "attributes": resource },
            "scopeLogs": [{ "scope": { "name": PRODUCT, "version": VERSION }, "logRecords": [record] }],
        }],
    })
}

/// `fixed64`, which JSON has as text.
fn nanoseconds(at: Timestamp) -> String {
    at.unix_nanos().to_string()
}

/// The ranges of the log data model: INFO, WARN, ERROR, FATAL.
const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (9, "info"),
        Severity::Low => (10, "low"),
        Severity::Medium => (13, "medium"),
        Severity::High => (17, "high"),
        Severity::Critical => (21, "critical"),
    }
}

fn text_of(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// An `int64`, which JSON has as text, up to the largest.
fn count_of(key: &str, count: u64) -> Value {
    json!({ "key": key, "value": { "intValue": count.min(i64::MAX.unsigned_abs()).to_string() } })
}

fn ratio_of(key: &str, ratio: f64) -> Value {
    json!({ "key": key, "value": { "doubleValue": ratio } })
}

fn attributes(facts: &Facts<'_>) -> Vec<Value> {
    let mut found = vec![
        text_of("sensor.id", &facts.id.to_string()),
        text_of("security_rule.name", facts.detector.slug()),
        text_of("security_rule.category", facts.owasp),
        text_of("security_rule.ruleset_name", "OWASP API Security Top 10 2023"),
        text_of("sensor.severity", facts.severity.label()),
        ratio_of("sensor.confidence", facts.confidence),
        text_of("sensor.subject", &facts.subject()),
        text_of("sensor.summary", facts.summary),
        text_of("sensor.action", facts.action.label()),
        text_of("sensor.known", &facts.known.to_string()),
        text_of("sensor.start", &facts.start.to_string()),
        text_of("sensor.end", &facts.end.to_string()),
    ];
    found.extend(owasp_page(facts.owasp).map(|page| text_of("security_rule.reference", page)));
    found.extend(facts.until.map(|until| text_of("sensor.until", &until.to_string())));
    found.extend(facts.reason.map(|reason| text_of("sensor.reason_no_action", reason)));
    found.extend(facts.address().map(|address| text_of("client.address", &address.to_string())));
    if let Some(incident) = facts.incident {
        found.push(text_of("sensor.state", incident.state.label()));
    }
    found.extend(facts.counts().map(|(name, count)| count_of(&format!("sensor.{name}"), count)));
    for (name, number) in &facts.evidence.numbers {
        let key = format!("sensor.evidence.{name}");
        found.push(match number {
            Number::Count(count) => count_of(&key, *count),
            Number::Ratio(ratio) => ratio_of(&key, *ratio),
            Number::Text(text) => text_of(&key, text),
        });
    }
    // One exchange: attributes have no lists of objects.
    if let Some(sample) = facts.examples().next() {
        let texts = [
            ("http.request.method", &sample.method),
            ("http.route", &sample.route),
            ("url.path", &sample.path),
            ("user.hash", &sample.user),
            ("sensor.unit", &sample.unit),
        ];
        found.extend(texts.into_iter().filter_map(|(key, value)| Some(text_of(key, value.as_ref()?))));
        found.extend(sample.status.map(|status| count_of("http.response.status_code", status.into())));
    }
    found
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    partial_success: Option<Partial>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    /// As text in JSON's encoding of protobuf; as a number from receivers that write JSON in their own way.
    #[serde(default)]
    rejected_log_records: Value,
    #[serde(default)]
    error_message: String,
}

/// Why a receiver that answered with success has not taken the record, if that is what it says.
pub(in crate::notify) fn rejected(answer: &str) -> Option<String> {
    let partial = serde_json::from_str::<Answer>(answer).ok()?.partial_success?;
    let count = partial.rejected_log_records;
    let is_none = matches!(&count, Value::Null) || count == 0 || count == "0" || count == "";
    (!is_none).then_some(partial.error_message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_may_say_that_nothing_was_taken() {
        for (answer, expected) in [
            ("", None),
            ("{}", None),
            ("not json", None),
            (r#"{"partialSuccess":{}}"#, None),
            (r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow down"}}"#, None),
            (r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#, Some("too old")),
            (r#"{"partialSuccess":{"rejectedLogRecords":1}}"#, Some("")),
        ] {
            assert_eq!(rejected(answer).as_deref(), expected, "{answer}");
        }
    }
}
