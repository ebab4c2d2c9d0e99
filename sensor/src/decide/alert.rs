//! The alert: what people, the event store and webhooks are told.

use documented::DocumentedFields;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::id::RecordId;
use crate::clock::Timestamp;
use crate::detect::{Evidence, Number, Severity, Signal, Subject, Threat};
use crate::groups::Share;
use crate::prefix::ClientNet;

/// The action taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(rename_all = "snake_case")]
#[documented_fields(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    #[default]
    None,
    /// In monitor mode: a tighter limit would have been set.
    WouldLimit,
    /// A tighter limit was set.
    Limit,
    /// In monitor mode: the client would have been blocked.
    WouldBlock,
    /// The client was blocked.
    Block,
}

impl Action {
    /// The word in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WouldLimit => "would_limit",
            Self::Limit => "limit",
            Self::WouldBlock => "would_block",
            Self::Block => "block",
        }
    }

    /// An action carried out ranks above one that is only recorded, and a block above a limit.
    pub(super) const fn strength(self) -> u8 {
        match self {
            Self::None => 0,
            Self::WouldLimit => 1,
            Self::WouldBlock => 2,
            Self::Limit => 3,
            Self::Block => 4,
        }
    }
}

/// From the earliest evidence to the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its first moment.
    pub start: Timestamp,
    /// Its last.
    pub end: Timestamp,
}

/// Whom or what an alert is about: one key of the record, named after the variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// One client: an IPv4 address, or an IPv6 prefix of the length that makes a client.
    Client(ClientNet),
    /// Something else, as text.
    Subject(String),
}

impl About {
    /// The addresses meant; none where it is about no address.
    #[must_use]
    pub fn prefix(&self) -> Option<IpNet> {
        match self {
            Self::Client(client) => Some(client.prefix()),
            Self::Subject(text) => text.parse().ok(),
        }
    }
}

impl From<&Subject> for About {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Client(client) => Self::Client(*client),
            Subject::Network(_)
            | Subject::Account(_)
            | Subject::Principal(_)
            | Subject::Route(_)
            | Subject::Host => Self::Subject(shortened(&subject.to_string())),
        }
    }
}

/// One alert, as it stands in records, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
pub struct Alert {
    /// Identifier, for `sensor explain`; sorts by time.
    pub id: RecordId,
    /// When it was detected (RFC 3339, UTC).
    pub ts: Timestamp,
    /// The detector that found it.
    pub detector: Threat,
    /// How bad it is.
    pub severity: Severity,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f64,
    /// Its place in the OWASP API Security Top 10 of 2023.
    pub owasp: Cow<'static, str>,
    /// What it is about: `client`, an IPv4 address or an IPv6 client prefix; or else `subject`, a network, a keyed
    /// hash, `route` and its template, or `host`.
    #[serde(flatten)]
    #[documented_fields(rename = "client, subject")]
    pub about: About,
    /// One sentence for people.
    pub summary: String,
    /// Evidence: numbers with the thresholds they passed, and up to five exchanges in `exchanges`.
    pub evidence: Evidence,
    /// The autonomous systems and countries of the offenders, if `[names]` has databases: at most five of each, the
    /// largest first, as `group`, `organization` and the number of `clients`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Share>,
    /// The systemd units and containers that served the exchanges in the evidence; absent if unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// The time covered, from the earliest attempt involved to the latest: `start` and `end`.
    pub window: Window,
    /// The action taken; in answers of the daemon, the latest of its incident.
    pub action: Action,
    /// When the action expires; absent if there is none or it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why no action, or a weaker one than usual, was taken; absent if there is no reason to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_no_action: Option<String>,
}

/// Longest text of an alert, in characters: a client may have influenced it.
const MAX_TEXT: usize = 512;

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl Alert {
    /// The alert of a signal, before any action.
    #[must_use]
    pub fn from_signal(signal: &Signal, id: RecordId) -> Self {
        Self {
            id,
            ts: signal.at,
            detector: signal.threat,
            severity: signal.severity,
            confidence: if signal.confidence.is_nan() { 0.0 } else { signal.confidence.clamp(0.0, 1.0) },
            owasp: Cow::Borrowed(signal.threat.owasp()),
            about: About::from(&signal.subject),
            summary: shortened(&signal.summary),
            evidence: finite(&signal.evidence),
            groups: Vec::new(),
            units: signal.evidence.units(),
            window: Window { start: signal.window.0, end: signal.window.1 },
            action: Action::None,
            until: None,
            reason_no_action: None,
        }
    }

    /// The same with the action, and its expiry.
    #[must_use]
    pub fn with_action(mut self, action: Action, until: Option<Timestamp>) -> Self {
        self.action = action;
        self.until = until;
        self
    }

    /// The same with the reason for no action, or for less than the detector asked for.
    #[must_use]
    pub fn with_reason(mut self, reason: &str) -> Self {
        self.reason_no_action = Some(shortened(reason));
        self
    }
}

/// JSON has no infinity, and what cannot be read back is useless.
fn finite(evidence: &Evidence) -> Evidence {
    let mut evidence = evidence.clone();
    for number in evidence.numbers.values_mut() {
        if let Number::Ratio(ratio) = number
            && !ratio.is_finite()
        {
            *number = Number::Text(ratio.to_string());
        }
    }
    evidence.exchanges.truncate(Evidence::MAX_SAMPLES);
    evidence
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::decide::Ids;
    use crate::detect::{Growth, Sample};
    use crate::printable::to_json;

    /// A signal about a client, at a time in seconds.
    pub(crate) fn signal(client: &str, seconds: u64) -> Signal {
        let at = Timestamp::from_unix_micros(seconds * 1_000_000);
        Signal {
            at,
            threat: Threat::BruteForce,
            severity: Severity::High,
            confidence: 0.9,
            subject: Subject::Client(client.parse().unwrap()),
            offenders: Vec::new(),
            summary: "31 failed logins on one account in 5 minutes".to_owned(),
            evidence: Evidence::default().with("failures", 31_u64).with("failures_threshold", 10_u64),
            window: (Timestamp::from_unix_micros(0), at),
            decided: None,
            growth: Growth::default(),
        }
    }

    fn sample(unit: Option<&str>) -> Sample {
        Sample {
            ts: Timestamp::from_unix_micros(0),
            client: IpAddr::from([192, 0, 2, 7]),
            method: None,
            route: None,
            path: None,
            status: Some(401),
            user: None,
            unit: unit.map(str::to_owned),
        }
    }

    #[test]
    fn the_record_has_the_keys_that_others_rely_on() {
        let signal = signal("192.0.2.7", 1_700_000_000);
        let id = RecordId::new(signal.at, 1, 2);
        let until = Timestamp::from_unix_micros(1_700_000_600_000_000);
        let alert = Alert::from_signal(&signal, id).with_action(Action::WouldBlock, Some(until));
        let expected = serde_json::json!({
            "id": id.to_string(),
            "ts": "2023-11-14T22:13:20.000000Z",
            "detector": "brute-force",
            "severity": "high",
            "confidence": 0.9,
            "owasp": "API2:2023",
            "client": "192.0.2.7",
            "summary": "31 failed logins on one account in 5 minutes",
            "evidence": { "failures": 31, "failures_threshold": 10 },
            "window": { "start": "1970-01-01T00:00:00.000000Z", "end": "2023-11-14T22:13:20.000000Z" },
            "action": "would_block",
            "until": "2023-11-14T22:23:20.000000Z",
        });
        assert_eq!(serde_json::to_value(&alert).unwrap(), expected);
        let mut served = signal.clone();
        served.evidence.exchanges =
            ["b.service", "a.service", "b.service"].map(|unit| sample(Some(unit))).to_vec();
        served.evidence.exchanges.push(sample(None));
        let units = Alert::from_signal(&served, id).units;
        assert_eq!(units, ["a.service", "b.service"]);
        let reason = Alert::from_signal(&signal, id).with_reason("the gateway");
        let value = serde_json::to_value(&reason).unwrap();
        assert_eq!((&value["action"], &value["reason_no_action"]), (&"none".into(), &"the gateway".into()));
    }

    #[test]
    fn actions_have_one_word() {
        for action in [Action::None, Action::WouldLimit, Action::Limit, Action::WouldBlock, Action::Block] {
            assert_eq!(serde_json::to_value(action).unwrap(), action.label());
        }
    }

    #[test]
    fn subjects_and_their_prefixes() {
        for (subject, key, text, prefix) in [
            (Subject::Client("192.0.2.7".parse().unwrap()), "client", "192.0.2.7", Some("192.0.2.7/32")),
            (
                Subject::Client("2001:db8::/64".parse().unwrap()),
                "client",
                "2001:db8::/64",
                Some("2001:db8::/64"),
            ),
            (
                Subject::Network("192.0.2.0/24".parse().unwrap()),
                "subject",
                "192.0.2.0/24",
                Some("192.0.2.0/24"),
            ),
            (Subject::Route("/login".to_owned()), "subject", "route /login", None),
            (Subject::Host, "subject", "host", None),
        ] {
            let mut signal = signal("192.0.2.7", 0);
            signal.subject = subject;
            let alert = Alert::from_signal(&signal, Ids::default().next(signal.at));
            assert_eq!(serde_json::to_value(&alert).unwrap()[key], text);
            assert_eq!(alert.about.prefix().map(|prefix| prefix.to_string()).as_deref(), prefix);
        }
    }

    /// Few digits: of many, reading JSON may change the last.
    #[expect(clippy::float_arithmetic, reason = "a ratio")]
    fn eighths(count: i32) -> f64 {
        f64::from(count) / 8.0
    }

    fn numbers() -> impl Strategy<Value = Number> {
        prop_oneof![
            any::<u64>().prop_map(Number::Count),
            any::<i32>().prop_map(|count| Number::Ratio(eighths(count))),
            Just(Number::Ratio(f64::NAN)),
            Just(Number::Ratio(f64::NEG_INFINITY)),
            ".{0,20}".prop_map(Number::Text)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_is_read_again(
            confidence in prop_oneof![Just(f64::NAN), (-2_i32..12).prop_map(eighths)], route in ".{0,600}", summary in ".{0,600}", client: u128,
            numbers in prop::collection::btree_map("[a-d]{1,8}", numbers(), 0..5), samples in 0_usize..9,
        ) {
            let mut signal = signal("192.0.2.7", 9);
            signal.subject = Subject::Route(route);
            signal.summary = summary;
            signal.confidence = confidence;
            let sample = Sample { client: IpAddr::V6(client.into()), ..sample(Some("a.service")) };
            signal.evidence = Evidence { numbers, exchanges: vec![sample; samples] };
            let alert = Alert::from_signal(&signal, RecordId::new(signal.at, 0, 0)).with_reason("because");
            let line = to_json(&alert).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert!((0.0..=1.0).contains(&alert.confidence));
            prop_assert!(alert.evidence.exchanges.len() <= Evidence::MAX_SAMPLES);
            prop_assert_eq!(serde_json::from_str::<Alert>(&line).unwrap(), alert);
        }
    }
}
