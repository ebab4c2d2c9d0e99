//! What this sensor found, as alerts of CrowdSec.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::decide::{Action, Alert, Decision};

/// Longest message, in characters.
const MAX_MESSAGE: usize = 512;
/// CrowdSec's decisions end; one of ours that does not holds there for ten years.
const FOR_GOOD: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A block, or an alert that led to none, about an address or a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    prefix: IpNet,
    detector: &'static str,
    message: String,
    start: Timestamp,
    stop: Timestamp,
    /// When the block ends, if there is one; absent within if it does not.
    block: Option<Option<Timestamp>>,
}

impl Report {
    /// Of a detector's block.
    #[must_use]
    pub fn of_block(decision: &Decision) -> Self {
        let detector = decision.threat.slug();
        Self {
            prefix: decision.prefix,
            detector,
            message: format!("blocked: {detector}, alert {}", decision.alert_id),
            start: decision.since,
            stop: decision.since,
            block: Some(decision.until),
        }
    }

    /// Of an alert; none if it is about no address, or its client was blocked, which is a report of its own.
    #[must_use]
    pub fn of_alert(alert: &Alert) -> Option<Self> {
        let prefix = alert.about.prefix().filter(|_| alert.action != Action::Block)?;
        Some(Self {
            prefix,
            detector: alert.detector.slug(),
            message: alert.summary.chars().take(MAX_MESSAGE).collect(),
            start: alert.window.start,
            stop: alert.window.end,
            block: None,
        })
    }

    /// Address or range, as CrowdSec writes them, and which of both it is.
    pub(super) fn value(&self) -> (&'static str, String) {
        let prefix = self.prefix;
        if prefix.prefix_len() == prefix.max_prefix_len() {
            ("Ip", prefix.addr().to_string())
        } else {
            ("Range", prefix.to_string())
        }
    }

    /// The alert. `mark` begins the name of its scenario.
    pub(super) fn body(&self, mark: &str, now: Timestamp) -> Value {
        let (scope, value) = self.value();
        let scenario = format!("{mark}{}", self.detector);
        let source = if scope == "Ip" {
            json!({"scope": scope, "value": value, "ip": value})
        } else {
            json!({"scope": scope, "value": value, "range": value})
        };
        let left = self.block.map(|until| until.map_or(FOR_GOOD, |until| until.since(now)));
        // The server counts from the end of the alert.
        let stop = if left.is_some() { now } else { self.stop };
        let decisions = left.filter(|left| !left.is_zero()).map(|left| {
            json!({
                "origin": "crowdsec", "type": "ban", "scope": scope, "value": value, "scenario": scenario,
                "duration": format!("{}s", left.as_secs().max(1)),
            })
        });
        json!({
            "scenario": scenario, "scenario_hash": "", "scenario_version": env!("CARGO_PKG_VERSION"),
            "message": self.message, "events_count": 1, "events": [], "capacity": 0, "leakspeed": "0",
            "start_at": self.start, "stop_at": stop, "simulated": false, "remediation": decisions.is_some(),
            "source": source, "decisions": decisions.into_iter().collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    fn report(prefix: &str, block: Option<Option<Timestamp>>) -> Report {
        let prefix = prefix.parse().unwrap();
        Report { prefix, detector: "scanner", message: "m".to_owned(), start: at(10), stop: at(20), block }
    }

    #[test]
    fn blocks_have_decisions_for_the_time_that_is_left() {
        for (block, expected) in [
            (Some(Some(at(160))), Some("60s")),
            (Some(Some(at(100))), None),
            (Some(None), Some("315360000s")),
            (None, None),
        ] {
            let body = report("192.0.2.7/32", block).body("sensor@web1/", at(100));
            assert_eq!(body["decisions"][0]["duration"].as_str(), expected, "{block:?}");
            assert_eq!(body["remediation"], expected.is_some());
            assert_eq!(body["scenario"], "sensor@web1/scanner");
            let stop = if block.is_some() { at(100) } else { at(20) };
            assert_eq!(body["stop_at"], stop.to_string(), "decisions count from it");
        }
    }

    #[test]
    fn clients_are_addresses_or_ranges() {
        for (prefix, scope, value, key) in [
            ("192.0.2.7/32", "Ip", "192.0.2.7", "ip"),
            ("2001:db8:0:7::/64", "Range", "2001:db8:0:7::/64", "range"),
            ("2001:db8::7/128", "Ip", "2001:db8::7", "ip"),
        ] {
            let body = report(prefix, Some(None)).body("sensor@web1/", at(100));
            for place in [&body["source"], &body["decisions"][0]] {
                assert_eq!((&place["scope"], &place["value"]), (&scope.into(), &value.into()), "{prefix}");
            }
            assert_eq!(body["source"][key], value);
        }
    }

    /// 1.4.6 answers 500 if one of them is missing.
    #[test]
    fn nothing_is_missing_that_the_server_wants() {
        let body = report("192.0.2.7/32", None).body("sensor@web1/", at(100));
        for key in [
            "scenario",
            "scenario_hash",
            "scenario_version",
            "message",
            "events_count",
            "start_at",
            "stop_at",
            "capacity",
            "leakspeed",
            "simulated",
            "events",
            "source",
        ] {
            assert!(body.get(key).is_some_and(|value| !value.is_null()), "{key}");
        }
    }
}
