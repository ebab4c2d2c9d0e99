//! The record of an incident.

use std::borrow::Cow;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::decide::alert::{About, Action, Alert};
use crate::decide::id::RecordId;
use crate::detect::{Evidence, Offender, Severity, Threat};
use crate::groups::Share;
use crate::prefix::ClientNet;

/// Whether it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(rename_all = "lowercase")]
#[documented_fields(rename_all = "lowercase")]
pub enum State {
    /// It is in progress.
    #[default]
    Open,
    /// No activity was seen for `decide.incident_quiet`.
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
    /// An IPv4 address, or an IPv6 client prefix; a /48 if a whole site takes part.
    pub client: ClientNet,
    /// Its packets have a trusted proxy's source address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxied: bool,
    /// Its attempts, in the incident's unit.
    pub attempts: u64,
    /// When it was first seen taking part.
    pub first: Timestamp,
    /// When it was last seen taking part.
    pub last: Timestamp,
    /// Whether the detector requested an action against it.
    pub accused: bool,
    /// The action taken.
    #[serde(default)]
    pub action: Action,
    /// When the action expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why no action, or a weaker one than the detector requested, was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A person lifted its block or limit; this incident takes no further action against it.
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
    /// Identifier: that of its alert.
    pub id: RecordId,
    /// The detector that found it.
    pub detector: Threat,
    /// The highest severity so far.
    pub severity: Severity,
    /// How sure the detector is, from 0 to 1.
    pub confidence: f64,
    /// Its place in the OWASP API Security Top 10 of 2023.
    pub owasp: Cow<'static, str>,
    /// Client or subject, as in alerts.
    #[serde(flatten)]
    #[documented_fields(rename = "client, subject")]
    pub about: About,
    /// One sentence for people, from the detector's latest signal.
    pub summary: String,
    /// When the earliest attempt involved was made, as far as the detector remembers.
    pub first: Timestamp,
    /// When it was detected: the time of its alert.
    pub known: Timestamp,
    /// When activity was last seen.
    pub last: Timestamp,
    /// `open` or `over`.
    pub state: State,
    /// When it was reported as over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// Failed logins, requests, connections or packets so far; 0 if the detector counts none.
    pub attempts: u64,
    /// Number of clients involved.
    pub clients: u64,
    /// How many of these are blocked or denied by this incident's decisions, or would be.
    pub blocked: u64,
    /// How many of these are limited, or would be.
    pub limited: u64,
    /// Clients beyond the number kept, counted each time one was reported.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// Its alerts.
    pub alerts: Vec<RecordId>,
    /// The latest action.
    pub action: Action,
    /// When the last action expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why no action, or a weaker one than the detector requested, was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_no_action: Option<String>,
    /// The latest step reported: `began`, `worse`, `grew` or `over`.
    pub step: Step,
    /// When that was.
    pub told: Timestamp,
    /// Evidence from the detector's latest signal.
    pub evidence: Evidence,
    /// The autonomous systems and countries of all clients involved, as in alerts. In the answer to `sensor incidents`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Share>,
    /// Every client involved. In the answer to `sensor incidents`.
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
            groups: Vec::new(),
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
