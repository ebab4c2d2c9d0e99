//! `data-exposure`: answers that give more than they should: records of many people, hashes of passwords, files of the server,
//! errors that show its inside, fields that a route never gave before (OWASP API3:2023, API8:2023; CWE-200, CWE-209, CWE-548).
//!
//! What is usual for a route is learned from its own answers (`usual`). A user's own record holds one number of each kind;
//! many different ones in an answer, or one after another to one client, are records of others.

use std::time::Duration;

use documented::DocumentedFields;

#[cfg(test)]
mod tests;
mod usual;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::posture::{Case, Posture};
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::inspect::{Answer, Kind};
use crate::prefix::ClientNet;
use usual::{News, Usual};

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Distinct card, account or national numbers in one response, if the route does not usually return as many. E-mail
    /// addresses count a tenth.
    pub records: u32,
    /// The same for all responses to one client within an hour.
    pub client_records: u32,
    /// Responses of a route from which its usual content is learned. No preset changes it.
    pub learn: u32,
    /// Maximum routes whose usual content is remembered, at most 1.5 KiB each.
    pub routes: u32,
    /// Maximum clients remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            records: preset.scaled(5),
            client_records: preset.scaled(50),
            learn: 200,
            routes: 512,
            entries: 8_192,
        }
    }

    /// Reads `[detect.data-exposure]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("records", 1..=10_000, &mut config.records);
        section.integer("client_records", 1..=1_000_000, &mut config.client_records);
        section.integer("learn", 10..=1_000_000, &mut config.learn);
        section.integer("routes", 16..=65_536, &mut config.routes);
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
const WINDOW: Duration = Duration::from_secs(3_600);
/// Addresses of e-mail count a tenth of what other records do.
const MAIL: u32 = 10;

struct Client {
    began: Timestamp,
    /// In tenths of records.
    tenths: u32,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

/// The detector.
pub struct DataExposure {
    config: Config,
    sources: Sources,
    usual: Usual,
    clients: Recent<ClientNet, Client>,
    posture: Posture,
    ongoing: Ongoing,
}

impl DataExposure {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            usual: Usual::new(config, seed),
            clients: Recent::new(config.entries, WINDOW, seed),
            posture: Posture::new(Threat::DataExposure, seed),
            ongoing: Ongoing::default(),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let Some(answer) = exchange.exposed.answer else { return };
        // Only the largest leak of a class is told; classes are few.
        let findings = exchange.findings.iter().filter(|finding| finding.kind == Kind::DataExposure);
        for finding in findings {
            let is_usual = self.usual.leaks(exchange, finding.class);
            if let Some((severity, says)) = leak(exchange, finding.class).filter(|_| !is_usual) {
                let confidence = finding.confidence.share();
                let case =
                    Case { class: finding.class, rule: finding.rule, field: "", severity, confidence, says };
                signals.extend(self.posture.note(exchange, case));
            }
        }
        if !exchange.status.is_some_and(|status| (200..300).contains(&status)) {
            return;
        }
        let news = self.usual.note(exchange, &answer);
        self.tell(exchange, &news, signals);
        if !news.is_usual {
            signals.extend(self.client(exchange, &answer));
        }
    }

    /// What a route gave that it never gave before.
    fn tell(&mut self, exchange: &Exchange<'_>, news: &News, signals: &mut Vec<Signal>) {
        let mut say = |class, rule: &str, field: &str, severity, says| {
            let case = Case { class, rule, field, severity, confidence: 0.7, says };
            signals.extend(self.posture.note(exchange, case));
        };
        if let Some((class, count)) = news.records
            && count >= self.config.records.saturating_mul(if class == "mail" { MAIL } else { 1 })
        {
            let severity = if class == "mail" { Severity::Low } else { Severity::Medium };
            say("records", class, "", severity, "returned other people's records, which is unusual for it");
        }
        if let Some(field) = news.field {
            say(
                "sensitive-field",
                "field",
                field.text(),
                Severity::Medium,
                "returned a sensitive field that it never returned before",
            );
        } else if news.fields > 0 {
            say("new-field", "field", "", Severity::Info, "returned fields that it never returned before");
        }
        if news.is_large {
            say("size", "size", "", Severity::Low, "returned a response many times larger than usual");
        }
    }

    /// Counts what one client was given.
    fn client(&mut self, exchange: &Exchange<'_>, answer: &Answer<'_>) -> Option<Signal> {
        let tenths = Answer::KINDS.into_iter().zip(answer.records).fold(0_u32, |sum, (kind, count)| {
            let worth = if kind == "mail" { 1 } else { MAIL };
            sum.saturating_add(u32::from(count).saturating_mul(worth))
        });
        // One record of each kind is the user's own.
        if tenths == 0 || answer.records.iter().all(|count| *count <= 1) {
            return None;
        }
        let now = exchange.seen;
        let offender = Offender::of(self.sources.client(exchange.client), exchange);
        let fresh = || Client { began: now, tenths: 0, told: None, samples: Vec::new() };
        let client = self.clients.touch(offender.client, now, fresh)?;
        if now.since(client.began) >= WINDOW {
            *client = fresh();
        }
        client.tenths = client.tenths.saturating_add(tenths);
        Sample::keep(&mut client.samples, exchange);
        let records = client.tenths / MAIL;
        let threshold = self.config.client_records;
        let severity = match records {
            records if records < threshold => return None,
            _ if exchange.cross_site => Severity::Low,
            records if records < threshold.saturating_mul(10) => Severity::Medium,
            _ => Severity::High,
        };
        let subject = Subject::Client(offender.client);
        let told = (&mut client.told, severity);
        if !self.ongoing.is_news((Threat::DataExposure, subject), offender, told, now) {
            return None;
        }
        let offenders = if exchange.cross_site { Vec::new() } else { vec![offender] };
        let numbers = (records, threshold);
        let signal = signal((offender.client, offenders), numbers, client, severity, now);
        Some(self.ongoing.tell(signal, 1))
    }
}

/// How bad a leak is, and what to say of the route. Errors that show the inside are errors all the same.
fn leak(exchange: &Exchange<'_>, class: &str) -> Option<(Severity, &'static str)> {
    let is_given = exchange.status.is_some_and(|status| (200..300).contains(&status));
    Some(match class {
        "file" => (Severity::High, "returns a server file that should be private"),
        "password-hash" if is_given => (Severity::High, "returns password hashes"),
        "diagnostics" => (Severity::Medium, "returns a diagnostic page meant for developers"),
        "directory-listing" if is_given => (Severity::Low, "returns a directory listing"),
        "database-error" => (Severity::Medium, "returns database errors"),
        "stack-trace" => (Severity::Low, "returns stack traces"),
        _ => return None,
    })
}

fn signal(
    (address, offenders): (ClientNet, Vec<Offender>),
    (records, threshold): (u32, u32),
    client: &Client,
    severity: Severity,
    now: Timestamp,
) -> Signal {
    Signal {
        at: now,
        threat: Threat::DataExposure,
        severity,
        confidence: 0.8,
        subject: Subject::Client(address),
        offenders,
        summary: format!("{address} received {records} records of other people"),
        evidence: Evidence::default()
            .with("records", u64::from(records))
            .with("records_threshold", u64::from(threshold))
            .showing(client.samples.iter().cloned()),
        window: (client.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for DataExposure {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.usual.advance(now);
        self.clients.sweep(now, 64, |_, _| {});
        self.posture.advance(now);
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        let own = self.clients.usage().and(self.usual.usage());
        own.and(self.posture.usage()).and(self.ongoing.usage())
    }
}
