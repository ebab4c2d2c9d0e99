//! The request body: the record itself, or its translation for a receiver.

use std::time::Duration;

use serde_json::{Value, json};

use crate::detect::Severity;
use crate::notify::config::WebhookFormat;
use crate::notify::formats;
use crate::notify::news::News;
use crate::printable::to_json;

/// How long Alertmanager considers an incident open without news: the daemon may have ended. It is repeated well before
/// that, as long as the incident is open.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The body of the request.
///
/// # Errors
/// If the record has no JSON form, which does not happen.
pub(in crate::notify) fn body(
    format: &WebhookFormat,
    host: &str,
    news: News<'_>,
) -> Result<String, serde_json::Error> {
    let value = match format {
        WebhookFormat::Json => return news.record(),
        WebhookFormat::Slack => {
            json!({ "text": escaped(&format!("{} on {host}\n{}", news.headline(), news.text())) })
        }
        WebhookFormat::Teams => teams(host, news),
        WebhookFormat::PagerDuty { routing_key } => pager_duty(routing_key, host, news)?,
        WebhookFormat::Alertmanager => alertmanager(host, news),
        WebhookFormat::Ecs => formats::ecs(host, news),
        WebhookFormat::Ocsf => formats::ocsf(host, news),
        WebhookFormat::Otlp => formats::otlp(host, news),
    };
    to_json(&value)
}

/// Text of a Slack message: these three characters start markup there, such as a mention of everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A message with an adaptive card, as the Workflows app of Teams takes it.
fn teams(host: &str, news: News<'_>) -> Value {
    let block = |text: String, weight: &str| json!({ "type": "TextBlock", "text": text, "wrap": true, "weight": weight });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    block(format!("{} on {host}", news.headline()), "bolder"),
                    block(news.text(), "default"),
                    block(format!("sensor explain {}", news.id()), "lighter"),
                ],
            },
        }],
    })
}

/// An event of the Events API, version 2. Each of our incidents is one of theirs.
fn pager_duty(routing_key: &str, host: &str, news: News<'_>) -> Result<Value, serde_json::Error> {
    let severity = match news.severity() {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "info",
    };
    let (action, at) = match news {
        News::Alert(alert) => ("trigger", alert.ts),
        News::Open(incident, _) => ("trigger", incident.known),
        News::Over(incident) => ("resolve", incident.told),
    };
    let details: Value = serde_json::from_str(&news.record()?)?;
    // Longer summaries are refused.
    let summary: String = format!("{}: {}", news.headline(), news.text()).chars().take(1_024).collect();
    Ok(json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": news.id(),
        "payload": {
            "summary": summary,
            "source": host,
            "severity": severity,
            "timestamp": at.to_string(),
            "component": "sensor",
            "class": news.detector(),
            "custom_details": details,
        },
    }))
}

/// Alerts of Alertmanager's API, version 2 (`POST /api/v2/alerts`).
fn alertmanager(host: &str, news: News<'_>) -> Value {
    let (begins, ends) = match news {
        News::Alert(alert) => (alert.ts, alert.ts.plus(LONGEST)),
        News::Open(incident, at) => (incident.known, at.plus(LONGEST)),
        News::Over(incident) => (incident.known, incident.told),
    };
    // Labels identify the incident: they must not change while it is open, so the severity is not among them.
    json!([{
        "labels": {
            "alertname": "SensorIncident",
            "detector": news.detector(),
            "incident": news.id(),
            "instance": host,
            "subject": news.about(),
        },
        "annotations": {
            "severity": news.severity().label(),
            "summary": news.headline(),
            "description": news.text(),
        },
        "startsAt": begins.to_string(),
        "endsAt": ends.to_string(),
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Alert, Incident};
    use crate::decide::{DecideConfig, Decider, Ids, Surroundings, signal};
    use crate::detect::Response;

    struct Monitor;

    impl Surroundings for Monitor {
        fn enforces(&self) -> bool {
            false
        }

        fn protection(&self, _prefix: &ipnet::IpNet) -> Option<String> {
            None
        }

        fn clients(&self) -> u64 {
            9
        }
    }

    /// An alert, and its incident once it is over.
    fn story() -> (Alert, Incident) {
        let mut decider = Decider::new(DecideConfig::default(), Ids::default());
        let signal = signal("192.0.2.7", 1_700_000_000);
        let alert = decider.decide(&signal, Response::Enforce, &Monitor).alert.unwrap();
        let over = decider.advance(signal.at.plus(Duration::from_secs(600)), || 9).remove(0).incident;
        (alert, over)
    }

    fn bodies(format: &WebhookFormat) -> [Value; 2] {
        let (alert, incident) = story();
        [News::Alert(&alert), News::Over(&incident)]
            .map(|news| serde_json::from_str(&body(format, "web1", news).unwrap()).unwrap())
    }

    /// Text from a client mentions nobody, and contains no links.
    #[test]
    fn slack_gets_no_markup() {
        let (mut alert, _) = story();
        alert.summary = "<!channel> asked for <https://evil.example|this> & more".to_owned();
        let text = body(&WebhookFormat::Slack, "web1", News::Alert(&alert)).unwrap();
        let text: Value = serde_json::from_str(&text).unwrap();
        let text = text["text"].as_str().unwrap();
        assert!(
            text.contains("&lt;!channel&gt; asked for &lt;https://evil.example|this&gt; &amp; more"),
            "{text}"
        );
        assert!(!text.contains(['<', '>']), "{text}");
    }

    /// An incident of more than a day does not resolve itself: each repetition moves its end.
    #[test]
    fn an_incident_that_goes_on_ends_later() {
        let (_, incident) = story();
        let later = incident.known.plus(Duration::from_secs(20 * 3_600));
        let told = body(&WebhookFormat::Alertmanager, "web1", News::Open(&incident, later)).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told[0]["labels"], bodies(&WebhookFormat::Alertmanager)[0][0]["labels"]);
        assert_eq!(told[0]["startsAt"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(told[0]["endsAt"], "2023-11-16T18:13:20.000000Z");
    }

    #[test]
    fn json_is_the_record() {
        let (alert, incident) = story();
        let [begins, over] = bodies(&WebhookFormat::Json);
        assert_eq!(begins, serde_json::to_value(&alert).unwrap());
        assert_eq!(over, serde_json::to_value(&incident).unwrap());
        assert_eq!((&over["state"], &over["id"]), (&"over".into(), &begins["id"]));
    }

    /// What the receivers' own documents ask for: the keys, and that both events are one incident of theirs.
    #[test]
    fn receivers_get_what_they_take() {
        let id = story().0.id.to_string();
        for begins in &bodies(&WebhookFormat::Slack) {
            let text = begins["text"].as_str().unwrap();
            assert!(text.contains("[high] brute-force 192.0.2.7 on web1"), "{text}");
        }
        let [card, _] = bodies(&WebhookFormat::Teams);
        assert_eq!(card["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        assert!(card["attachments"][0]["content"]["body"][2]["text"].as_str().unwrap().ends_with(&id));

        let [trigger, resolve] = bodies(&WebhookFormat::PagerDuty { routing_key: "k".to_owned() });
        for (event, action) in [(&trigger, "trigger"), (&resolve, "resolve")] {
            assert_eq!((&event["event_action"], &event["dedup_key"]), (&action.into(), &id.as_str().into()));
            assert_eq!(
                (&event["routing_key"], &event["payload"]["severity"]),
                (&"k".into(), &"error".into())
            );
        }
        let [firing, resolved] = bodies(&WebhookFormat::Alertmanager);
        assert_eq!(firing[0]["labels"], resolved[0]["labels"], "one alert of Alertmanager's");
        assert_eq!(firing[0]["startsAt"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(firing[0]["endsAt"], "2023-11-15T22:13:20.000000Z");
        assert_eq!(resolved[0]["endsAt"], "2023-11-14T22:23:20.000000Z");
    }
}
