//! `token-misuse`: tokens that are forged, unsafe, or used by several at once (RFC 8725; RFC 9700; OWASP API2:2023).
//!
//! Forged ones accuse their client. What is wrong with the tokens that an application hands out is told of the route, once a
//! day. A token that is used from two places at once is told of whom it stands for: who of them is its owner, nobody can see.

use std::time::Duration;

use documented::DocumentedFields;

mod issuer;
mod sharing;
#[cfg(test)]
mod tests;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::posture::{Case, Posture};
use super::recent::Recent;
use super::{
    CountryOf, Detector, Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage,
};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::inspect::Kind;
use crate::prefix::ClientNet;
use issuer::Issuers;
use sharing::Sharing;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Requests with forged tokens, per client within an hour, from which severity is high; fewer are medium.
    pub forged: u32,
    /// How often a token must move back to an earlier network and program within 15 minutes to be reported as shared; twice
    /// as often where the program stays and only the country changes (`names.country_database`). No preset changes it.
    pub switches: u32,
    /// Maximum tokens watched for sharing.
    pub tokens: u32,
    /// Maximum clients with forged tokens remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { forged: preset.scaled(5), switches: 6, tokens: 16_384, entries: 4_096 }
    }

    /// Reads `[detect.token-misuse]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("forged", 1..=1_000_000, &mut config.forged);
        section.integer("switches", 2..=10_000, &mut config.switches);
        section.integer("tokens", 16..=16_777_216, &mut config.tokens);
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
/// Rules that are told apart of one client.
const RULES: usize = 8;

struct Client {
    began: Timestamp,
    forged: u32,
    accepted: u32,
    rules: Vec<&'static str>,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

impl Client {
    const fn new(now: Timestamp) -> Self {
        Self { began: now, forged: 0, accepted: 0, rules: Vec::new(), told: None, samples: Vec::new() }
    }

    /// Several ways to forge are tried by tools, and one that is taken is a hole.
    fn judge(&self, config: &Config) -> Severity {
        let is_attack = self.accepted > 0 || self.forged >= config.forged || self.rules.len() >= 3;
        if is_attack { Severity::High } else { Severity::Medium }
    }
}

/// The detector.
pub struct TokenMisuse {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    issuers: Issuers,
    sharing: Sharing,
    posture: Posture,
    ongoing: Ongoing,
}

impl TokenMisuse {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64, countries: CountryOf) -> Self {
        Self {
            config: config.clone(),
            sources,
            clients: Recent::new(config.entries, WINDOW, seed),
            issuers: Issuers::new(seed),
            sharing: Sharing::new(config, sources, seed, countries),
            posture: Posture::new(Threat::TokenMisuse, seed),
            ongoing: Ongoing::default(),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        signals.extend(self.sharing.note(exchange));
        let mut forged: Vec<&'static str> = Vec::new();
        if let Some(token) = &exchange.exposed.token
            && self.issuers.is_changed(token, exchange.seen)
        {
            forged.push("algorithm-changed");
        }
        let findings = exchange.findings.iter().filter(|finding| finding.kind == Kind::TokenMisuse);
        for finding in findings {
            match finding.class {
                "forged" => forged.push(finding.rule),
                "own-key" if self.issuers.is_usual(exchange, finding.rule) => {}
                "own-key" => forged.push(finding.rule),
                _ => signals.extend(self.posture.note(exchange, case(finding.rule))),
            }
        }
        if !forged.is_empty() {
            signals.extend(self.forged(exchange, &forged));
        }
    }

    fn forged(&mut self, exchange: &Exchange<'_>, rules: &[&'static str]) -> Option<Signal> {
        let now = exchange.seen;
        let offender = Offender::of(self.sources.client(exchange.client), exchange);
        let client = self.clients.touch(offender.client, now, || Client::new(now))?;
        if now.since(client.began) >= WINDOW {
            *client = Client::new(now);
        }
        client.forged = client.forged.saturating_add(1);
        let is_accepted = exchange.exposed.token.is_some_and(|token| token.is_accepted);
        client.accepted = client.accepted.saturating_add(is_accepted.into());
        for rule in rules {
            if !client.rules.contains(rule) && client.rules.len() < RULES {
                client.rules.push(rule);
            }
        }
        Sample::keep(&mut client.samples, exchange);
        // Pages of other sites cannot make a browser send a token of their own making, but cookies they may.
        let severity = if exchange.cross_site { Severity::Low } else { client.judge(&self.config) };
        let subject = Subject::Client(offender.client);
        let told = (&mut client.told, severity);
        if !self.ongoing.is_news((Threat::TokenMisuse, subject), offender, told, now) {
            return None;
        }
        let offenders = if exchange.cross_site { Vec::new() } else { vec![offender] };
        let count = u64::from(client.forged);
        let signal = signal(&self.config, (offender.client, offenders), client, severity, now);
        Some(self.ongoing.tell(signal, count))
    }
}

/// What is wrong with tokens that an application takes.
fn case(rule: &'static str) -> Case<'static> {
    let (severity, says) = match rule {
        "expired-accepted" => (Severity::High, "accepts tokens that have expired"),
        "weak-secret" => (Severity::High, "accepts tokens signed with a known weak secret"),
        "secret-inside" => {
            (Severity::Medium, "receives tokens with secrets in their claims, which anyone can read")
        }
        "endless" => (Severity::Low, "accepts tokens without expiry that are older than a day"),
        _ => (Severity::Low, "receives tokens valid for more than a day"),
    };
    Case { class: rule, rule, field: "", severity, confidence: 0.9, says }
}

fn signal(
    config: &Config,
    (address, offenders): (ClientNet, Vec<Offender>),
    client: &Client,
    severity: Severity,
    now: Timestamp,
) -> Signal {
    let rules = client.rules.join(" ");
    let taken = match client.accepted {
        0 => String::new(),
        accepted => format!("; the server accepted {accepted}"),
    };
    Signal {
        at: now,
        threat: Threat::TokenMisuse,
        severity,
        confidence: 0.9,
        subject: Subject::Client(address),
        offenders,
        summary: format!("{address} sent {} forged tokens ({rules}){taken}", client.forged),
        evidence: Evidence::default()
            .with("forged", u64::from(client.forged))
            .with("forged_threshold", u64::from(config.forged))
            .with("accepted", u64::from(client.accepted))
            .with("rules", rules.as_str())
            .showing(client.samples.iter().cloned()),
        window: (client.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for TokenMisuse {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 64, |_, _| {});
        self.issuers.advance(now);
        self.sharing.advance(now);
        self.posture.advance(now);
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        let own = self.clients.usage().and(self.ongoing.usage());
        own.and(self.issuers.usage()).and(self.sharing.usage()).and(self.posture.usage())
    }
}
