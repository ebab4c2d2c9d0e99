//! `schema`: requests and answers that break the OpenAPI document that is configured (OWASP API8:2023, API9:2023; CWE-20).
//!
//! One request that breaks it is a mistake of a program. Many of one client, or few that break many different things, are
//! somebody who tries what the server takes. What the server accepts although the document does not, and what answers
//! break, is the server's or the document's, and accuses nobody.

use std::time::Duration;

use documented::DocumentedFields;

#[cfg(test)]
mod tests;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::posture::{Case, Posture};
use super::recent::Recent;
use super::threat::counted;
use super::{Detector, Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::inspect::{Finding, Kind, Side};
use crate::prefix::ClientNet;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Requests of a client that break the document and are refused within ten minutes that are severity medium; fewer
    /// are low.
    pub requests: u32,
    /// Different rules and fields that such requests of a client break within ten minutes that are severity high: a program with a mistake
    /// breaks one or two.
    pub faults: u32,
    /// Maximum clients with such requests remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { requests: preset.scaled(20), faults: preset.scaled(12), entries: 4_096 }
    }

    /// Reads `[detect.schema]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("requests", 1..=1_000_000, &mut config.requests);
        section.integer("faults", 2..=64, &mut config.faults);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(600);
/// Different faults that are remembered of a client; the largest `faults`.
const MAX_FAULTS: usize = 64;

struct Client {
    began: Timestamp,
    requests: u32,
    faults: Vec<u64>,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

/// The detector.
pub struct Schema {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    posture: Posture,
    ongoing: Ongoing,
}

impl Schema {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            clients: Recent::new(config.entries, WINDOW, seed),
            posture: Posture::new(Threat::Schema, seed),
            ongoing: Ongoing::default(),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let is_accepted = exchange.outcome().is_some_and(|status| status < 400);
        let mut is_broken = false;
        for finding in exchange.findings.iter().filter(|finding| finding.kind == Kind::Schema) {
            let is_of_request = is_of_request(finding);
            is_broken |= is_of_request;
            if is_of_request && !is_accepted {
                continue;
            }
            let says = match finding.class {
                "undocumented" => "is answered, and the OpenAPI document does not describe it",
                "undocumented-method" => "answers a method that the OpenAPI document does not describe",
                _ if finding.side == Side::Request => "accepts requests that break the OpenAPI document",
                _ => "gives answers that break the OpenAPI document",
            };
            let case = Case {
                class: finding.class,
                rule: finding.rule,
                field: finding.name.text(),
                severity: Severity::Low,
                confidence: 0.9,
                says,
            };
            signals.extend(self.posture.note(exchange, case));
        }
        if is_broken && !is_accepted {
            signals.extend(self.request(exchange));
        }
    }

    fn request(&mut self, exchange: &Exchange<'_>) -> Option<Signal> {
        let now = exchange.seen;
        let client = self.sources.client(exchange.client);
        let offender = Offender::of(client, exchange);
        let fresh =
            || Client { began: now, requests: 0, faults: Vec::new(), told: None, samples: Vec::new() };
        let known = self.clients.touch(client, now, fresh)?;
        if now.since(known.began) >= WINDOW {
            *known = fresh();
        }
        known.requests = known.requests.saturating_add(1);
        let mut first = None;
        for finding in exchange.findings.iter().filter(|finding| is_of_request(finding)) {
            let fault = finding.field ^ super::window::hash_of(finding.rule);
            if !known.faults.contains(&fault) && known.faults.len() < MAX_FAULTS {
                known.faults.push(fault);
            }
            first = first.or(Some(*finding));
        }
        Sample::keep(&mut known.samples, exchange);
        let faults = u32::try_from(known.faults.len()).unwrap_or(u32::MAX);
        let severity = match known.requests {
            _ if exchange.cross_site => Severity::Low,
            _ if faults >= self.config.faults => Severity::High,
            requests if requests >= self.config.requests => Severity::Medium,
            _ => Severity::Low,
        };
        let told = (&mut known.told, severity);
        if !self.ongoing.is_news((Threat::Schema, Subject::Client(client)), offender, told, now) {
            return None;
        }
        let offenders = if exchange.cross_site { Vec::new() } else { vec![offender] };
        let signal = signal((client, offenders), first?, known, (severity, &self.config), now);
        Some(self.ongoing.tell(signal, known.requests.into()))
    }
}

fn is_of_request(finding: &Finding) -> bool {
    finding.kind == Kind::Schema
        && finding.side == Side::Request
        && !finding.class.starts_with("undocumented")
}

fn signal(
    (client, offenders): (ClientNet, Vec<Offender>),
    finding: Finding,
    known: &Client,
    (severity, config): (Severity, &Config),
    now: Timestamp,
) -> Signal {
    let faults = u64::try_from(known.faults.len()).unwrap_or(u64::MAX);
    let mut evidence = Evidence::default()
        .with("broken_requests", u64::from(known.requests))
        .with("broken_requests_threshold", u64::from(config.requests))
        .with("faults", faults)
        .with("faults_threshold", u64::from(config.faults))
        .with("class", finding.class)
        .showing(known.samples.iter().cloned());
    if !finding.name.text().is_empty() {
        evidence = evidence.with("field", finding.name.text());
    }
    Signal {
        at: now,
        threat: Threat::Schema,
        severity,
        confidence: 0.8,
        subject: Subject::Client(client),
        offenders,
        summary: format!(
            "{client} sent {} that break the OpenAPI document in {} and were refused",
            counted(known.requests, "request"),
            counted(faults, "way")
        ),
        evidence,
        window: (known.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for Schema {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 64, |_, _| {});
        self.posture.advance(now);
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        self.clients.usage().and(self.posture.usage()).and(self.ongoing.usage())
    }
}
