//! What is reported, and its parts in the words of records.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::decide::{About, Action, Alert, Incident, RecordId};
use crate::detect::{Evidence, Sample, Severity, Threat};
use crate::printable::{printable, to_json};

/// Something to report.
#[derive(Clone, Copy)]
pub(super) enum News<'a> {
    /// An alert, or one that got worse.
    Alert(&'a Alert),
    /// An open incident, at a time.
    Open(&'a Incident, Timestamp),
    /// An incident that is over.
    Over(&'a Incident),
}

impl News<'_> {
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::Alert(alert) => alert.severity,
            Self::Open(incident, _) | Self::Over(incident) => incident.severity,
        }
    }

    /// What all reports of one incident have in common.
    pub(super) fn id(self) -> String {
        match self {
            Self::Alert(alert) => alert.id.to_string(),
            Self::Open(incident, _) | Self::Over(incident) => incident.id.to_string(),
        }
    }

    pub(super) const fn detector(self) -> &'static str {
        match self {
            Self::Alert(alert) => alert.detector.slug(),
            Self::Open(incident, _) | Self::Over(incident) => incident.detector.slug(),
        }
    }

    pub(super) fn about(self) -> String {
        let about = match self {
            Self::Alert(alert) => &alert.about,
            Self::Open(incident, _) | Self::Over(incident) => &incident.about,
        };
        match about {
            About::Client(client) => client.to_string(),
            About::Subject(subject) => printable(subject),
        }
    }

    /// One line for a person.
    pub(super) fn text(self) -> String {
        match self {
            Self::Alert(alert) => {
                let what = alert.action.label().replace('_', " ");
                let until = alert.until.map(|until| format!(" until {until}")).unwrap_or_default();
                let why = alert.reason_no_action.as_deref().map(printable);
                let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{}; action: {what}{until}{why}", printable(&alert.summary))
            }
            Self::Open(incident, _) | Self::Over(incident) => format!(
                "{}: {} by {} {} from {} to {}; {}",
                incident.state.label(),
                incident.detector.counted(incident.attempts),
                incident.clients,
                if incident.clients == 1 { "client" } else { "clients" },
                incident.first,
                incident.last,
                printable(&incident.summary)
            ),
        }
    }

    pub(super) fn headline(self) -> String {
        format!("[{}] {} {}", self.severity().label(), self.detector(), self.about())
    }

    pub(super) fn record(self) -> Result<String, serde_json::Error> {
        match self {
            Self::Alert(alert) => to_json(alert),
            Self::Open(incident, _) | Self::Over(incident) => to_json(incident),
        }
    }
}

/// What alerts and incidents have in common.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The same for all reports of one incident.
    pub(super) id: RecordId,
    pub(super) detector: Threat,
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    pub(super) owasp: &'a str,
    pub(super) about: &'a About,
    pub(super) summary: &'a str,
    pub(super) action: Action,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: Option<&'a str>,
    pub(super) evidence: &'a Evidence,
    /// When it was detected.
    pub(super) known: Timestamp,
    /// The earliest attempt involved, and the latest.
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// The time of the report.
    pub(super) at: Timestamp,
    /// None in an alert.
    pub(super) incident: Option<&'a Incident>,
}

impl<'a> News<'a> {
    pub(super) fn facts(self) -> Facts<'a> {
        match self {
            Self::Alert(alert) => Facts {
                id: alert.id,
                detector: alert.detector,
                severity: alert.severity,
                confidence: alert.confidence,
                owasp: &alert.owasp,
                about: &alert.about,
                summary: &alert.summary,
                action: alert.action,
                until: alert.until,
                reason: alert.reason_no_action.as_deref(),
                evidence: &alert.evidence,
                known: alert.ts,
                start: alert.window.start,
                end: alert.window.end,
                at: alert.ts,
                incident: None,
            },
            Self::Open(incident, at) => of_incident(incident, at),
            Self::Over(incident) => of_incident(incident, incident.told),
        }
    }
}

fn of_incident(incident: &Incident, at: Timestamp) -> Facts<'_> {
    Facts {
        id: incident.id,
        detector: incident.detector,
        severity: incident.severity,
        confidence: incident.confidence,
        owasp: &incident.owasp,
        about: &incident.about,
        summary: &incident.summary,
        action: incident.action,
        until: incident.until,
        reason: incident.reason_no_action.as_deref(),
        evidence: &incident.evidence,
        known: incident.known,
        start: incident.first,
        end: incident.last,
        at,
        incident: Some(incident),
    }
}

impl Facts<'_> {
    /// What an incident counts, by the record's names; nothing in an alert.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.incident.map(|incident| {
            [
                ("attempts", incident.attempts),
                ("clients", incident.clients),
                ("blocked", incident.blocked),
                ("limited", incident.limited),
            ]
        });
        counts.into_iter().flatten()
    }

    /// The client's address, where it is about one. Of an IPv6 network, that of an example.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let About::Client(client) = self.about else { return None };
        let prefix = client.prefix();
        let whole = (prefix.prefix_len() == prefix.max_prefix_len()).then(|| client.address());
        whole
            .or_else(|| self.examples().map(|sample| sample.client).find(|address| client.contains(*address)))
    }

    /// The subject as text.
    pub(super) fn subject(&self) -> String {
        match self.about {
            About::Client(client) => client.to_string(),
            About::Subject(subject) => subject.clone(),
        }
    }

    /// Exchanges in evidence.
    pub(super) fn examples(&self) -> std::slice::Iter<'_, Sample> {
        self.evidence.exchanges.iter()
    }
}

/// The name of this host in reports.
pub(super) fn host_name() -> String {
    let name = nix::sys::utsname::uname().ok().and_then(|name| Some(name.nodename().to_str()?.to_owned()));
    name.unwrap_or_else(|| "localhost".to_owned())
}
