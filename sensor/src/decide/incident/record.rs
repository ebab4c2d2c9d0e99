//! The record of an incident.

use std::borrow::Cow;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::alert::{About, Action, Alert};
use crate::decide::id::RecordId;
use crate::detect::{Evidence, Offender, Severity, Threat};
use crate::prefix::ClientNet;

/// Whether it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(rename_all = "lowercase")]
#[documented_fields(rename_all = "lowercase")]
pub enum State {
    /// It goes on.
    #[default]
    Open,
    /// Nothing was seen of it for `decide.incident_quiet`.
    Over,
}

impl State {
    /// The word in records.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Over => "over",
        }
    }
}

/// What was told of an incident last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// That it began.
    #[default]
    Began,
    /// That its severity rose.
    Worse,
    /// That it grew: tenfold, or within a minute.
    Grew,
    /// That it is over.
    Over,
}

/// A client that takes part in an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Participant {
    /// An IPv4 address, or the IPv6 prefix that makes a client; a /48 where a whole site takes part.
    pub client: ClientNet,
    /// Its packets bear the address of a trusted proxy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxied: bool,
    /// Its attempts.
    pub attempts: u64,
    /// When it was first seen to take part.
    pub first: Timestamp,
    /// When it was last seen to.
    pub last: Timestamp,
    /// Whether the detector asked for something to be done about it.
    pub accused: bool,
    /// What was done about it.
    #[serde(default)]
    pub action: Action,
    /// Until when that lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why nothing, or less than the detector asked for, was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A person lifted what was decided about it; within this incident nothing more is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pardoned: bool,
}

impl Participant {
    pub(super) const fn new(who: Offender, at: Timestamp) -> Self {
        Self {
            client: who.client,
            proxied: who.proxied,
            attempts: 0,
            first: at,
            last: at,
            accused: false,
            action: Action::None,
            until: None,
            reason: None,
            pardoned: false,
        }
    }

    /// As detectors name it.
    #[must_use]
    pub const fn offender(&self) -> Offender {
        Offender { client: self.client, proxied: self.proxied }
    }
}

/// One incident, as it stands in records, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
pub struct Incident {
    /// Identifies it: the identifier of its alert.
    pub id: RecordId,
    /// The detector that found it.
    pub detector: Threat,
    /// The worst so far.
    pub severity: Severity,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f64,
    /// Its place in the OWASP API Security Top 10 of 2023.
    pub owasp: Cow<'static, str>,
    /// Whom it is about, as in alerts.
    #[serde(flatten)]
    #[documented_fields(rename = "client, subject")]
    pub about: About,
    /// One sentence for a person, as the detector said it last.
    pub summary: String,
    /// The first moment that the detector looked at.
    pub first: Timestamp,
    /// When it was known: the time of its alert.
    pub known: Timestamp,
    /// When it was last seen to go on.
    pub last: Timestamp,
    /// `open` or `over`.
    pub state: State,
    /// When it was told to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// Failed logins, requests, connections or packets so far; 0 where the detector counts none.
    pub attempts: u64,
    /// How many clients take part.
    pub clients: u64,
    /// Of these, how many are blocked or denied by a decision of this incident, or would be.
    pub blocked: u64,
    /// Of these, how many are limited, or would be.
    pub limited: u64,
    /// Clients beyond the number that is kept, each time that one was told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// Its alerts.
    pub alerts: Vec<RecordId>,
    /// What was done last.
    pub action: Action,
    /// Until when the last of it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why nothing, or less than the detector asked for, was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_no_action: Option<String>,
    /// What was told last: `began`, `worse`, `grew` or `over`.
    pub step: Step,
    /// When that was.
    pub told: Timestamp,
    /// What it rests on, as the detector said it last.
    pub evidence: Evidence,
    /// Every client that takes part. In the answer to `sensor incidents`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offenders: Vec<Participant>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Incident {
    /// The one that an alert begins.
    pub(super) fn of(alert: &Alert) -> Self {
        Self {
            id: alert.id,
            detector: alert.detector,
            severity: alert.severity,
            confidence: alert.confidence,
            owasp: alert.owasp.clone(),
            about: alert.about.clone(),
            summary: alert.summary.clone(),
            first: alert.window.start.min(alert.ts),
            known: alert.ts,
            last: alert.ts,
            state: State::Open,
            over: None,
            attempts: 0,
            clients: 0,
            blocked: 0,
            limited: 0,
            unlisted: 0,
            alerts: vec![alert.id],
            action: Action::None,
            until: None,
            reason_no_action: None,
            step: Step::Began,
            told: alert.ts,
            evidence: alert.evidence.clone(),
            offenders: Vec::new(),
        }
    }
}

/// An incident that changed: what is to be kept, and told.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// As it is now. Of its participants, those that changed.
    pub incident: Incident,
    /// What of it is to be told besides its alert.
    pub step: Option<Step>,
}
