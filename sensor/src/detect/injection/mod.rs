//! `injection`: values that are meant to be run by what reads them, over time and by client.
//!
//! A finding is an attempt; what a client does with attempts tells how serious it is. One score is low, one construct
//! medium. High is a client that tries three parameters, or three constructs in three requests, within ten minutes, or whose
//! attempt shows in the answer. The many behind one address together trip a rule now and then, so attempts must be one in 40
//! of its requests at least. Only high severity names an offender, so nothing is blocked for less.
//!
//! Fields in which such text is ordinary, as in editors, are muted by [`profile`].

mod config;
mod kept;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _};

pub use config::Config;
use serde::Deserialize as _;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::event::{Effect, Effects, Event, Exchange, Finding};
use crate::inspect::Kind;
use crate::inspect::injection::{EVIDENCE_RULE, SCORE_RULE};
use crate::prefix::ClientNet;
use kept::Kept;
use profile::Profiles;

/// Fields, and rules, of a client that are told apart.
const MAX_APART: usize = 16;
/// One request with findings to at most so many without, for what a client tried to be its own doing and not that of the many
/// behind its address: of legitimate requests, one in 400 trips a rule.
const OTHERS: u32 = 40;

/// What a client tried.
struct Client {
    began: Timestamp,
    requests: u32,
    /// Its requests without findings, since the first one with them.
    others: u32,
    /// Findings by constructs.
    hard: u32,
    /// Hashes of route and field.
    fields: BTreeSet<u64>,
    rules: BTreeSet<&'static str>,
    classes: BTreeSet<&'static str>,
    effects: Effects,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

impl Client {
    fn new(now: Timestamp) -> Self {
        Self {
            began: now,
            requests: 0,
            others: 0,
            hard: 0,
            fields: BTreeSet::new(),
            rules: BTreeSet::new(),
            classes: BTreeSet::new(),
            effects: Effects::default(),
            told: None,
            samples: Vec::new(),
        }
    }

    /// What was tried says how serious it is.
    fn severity(&self, config: &Config) -> Severity {
        let many = usize::try_from(config.parameters).unwrap_or(usize::MAX);
        let is_many =
            self.fields.len() >= many || self.rules.len() >= many && self.requests >= config.parameters;
        // The people behind one address together trip a rule now and then.
        let has_tried = is_many && self.requests.saturating_mul(OTHERS) >= self.others;
        // Servers also fail, are slow, and show what their editors wrote; the rest is the attack's own doing.
        let by_chance = [Effect::ServerError, Effect::Delayed, Effect::Reflected];
        let has_worked = self.effects.iter().any(|effect| self.hard > 0 || !by_chance.contains(&effect));
        match self.hard {
            _ if has_tried && self.hard > 0 || has_worked => Severity::High,
            0 => Severity::Low,
            _ => Severity::Medium,
        }
    }
}

/// The detector.
pub struct Injection {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    /// What pages of other sites had the browsers of clients send: told, and accuses nobody.
    foreign: Recent<ClientNet, Client>,
    profiles: Profiles,
    ongoing: Ongoing,
}

impl Injection {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            clients: Recent::new(config.entries, config.window, seed),
            foreign: Recent::new(config.entries, config.window, seed),
            profiles: Profiles::new(config, seed),
            ongoing: Ongoing::default(),
        }
    }

    /// A request without findings of somebody who had some.
    fn pass(&mut self, exchange: &Exchange<'_>) {
        if self.clients.is_empty() {
            return;
        }
        let client = self.sources.client(exchange.client);
        let hash = self.clients.hash(&client);
        if let Some(client) = self.clients.get(hash, &client, exchange.seen) {
            client.others = client.others.saturating_add(1);
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let now = exchange.seen;
        if exchange.findings.is_empty() {
            self.pass(exchange);
            return;
        }
        let offender = Offender::of(self.sources.client(exchange.client), exchange);
        let Self { profiles, .. } = self;
        let is_new = |finding: &&Finding| {
            finding.kind == Kind::Injection
                && finding.rule != EVIDENCE_RULE
                && !profiles.is_muted(exchange, finding, offender.client, now)
        };
        let findings: Vec<&Finding> = exchange.findings.iter().filter(is_new).collect();
        if findings.is_empty() {
            return;
        }
        let is_foreign = exchange.cross_site;
        let table = if is_foreign { &mut self.foreign } else { &mut self.clients };
        let Some(client) = table.touch(offender.client, now, || Client::new(now)) else { return };
        if now.since(client.began) >= self.config.window {
            *client = Client::new(now);
        }
        note(client, exchange, &findings);
        let severity = if is_foreign { Severity::Low } else { client.severity(&self.config) };
        let goes_on = !is_foreign
            && self.ongoing.goes_on((Threat::Injection, Subject::Client(offender.client)), offender, now);
        if goes_on || client.told < Some(severity) {
            client.told = client.told.max(Some(severity));
            let mut signal = signal(&self.config, offender, client, severity, now);
            if is_foreign {
                let why = "reported only: any site could make its visitors send this, to get them blocked";
                signal.evidence = signal.evidence.with("cross_site", why);
            }
            signals.push(self.ongoing.tell(signal, client.requests.into()));
        }
    }
}

/// Takes note of what a request tried.
fn note(client: &mut Client, exchange: &Exchange<'_>, findings: &[&Finding]) {
    client.requests = client.requests.saturating_add(1);
    for finding in findings {
        client.hard = client.hard.saturating_add(u32::from(finding.rule != SCORE_RULE));
        client.classes.insert(finding.class);
        if client.fields.len() < MAX_APART {
            client.fields.insert(field(exchange, finding));
        }
        if client.rules.len() < MAX_APART {
            client.rules.insert(finding.rule);
        }
    }
    exchange.effects.iter().for_each(|effect| client.effects.insert(effect));
    Sample::keep(&mut client.samples, exchange);
}

/// The hash of a field on its route.
fn field(exchange: &Exchange<'_>, finding: &Finding) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(exchange.route.unwrap_or_default().as_bytes());
    hasher.write_u64(finding.field);
    hasher.finish()
}

fn signal(
    config: &Config,
    offender: Offender,
    client: &Client,
    severity: Severity,
    now: Timestamp,
) -> Signal {
    let address = offender.client;
    let joined = |words: &BTreeSet<&'static str>| words.iter().copied().collect::<Vec<_>>().join(", ");
    let effects: Vec<_> = client.effects.iter().map(Effect::label).collect();
    let shown = if effects.is_empty() { String::new() } else { format!("; effects: {}", effects.join(", ")) };
    Signal {
        at: now,
        threat: Threat::Injection,
        severity,
        confidence: match severity {
            Severity::High | Severity::Critical => 0.95,
            Severity::Medium => 0.8,
            Severity::Low | Severity::Info => 0.5,
        },
        subject: Subject::Client(address),
        offenders: if severity >= Severity::High { vec![offender] } else { Vec::new() },
        summary: format!(
            "{address} attempted injection ({}) in {} requests and {} parameters{shown}",
            joined(&client.classes),
            client.requests,
            client.fields.len()
        ),
        evidence: Evidence::default()
            .with("requests", u64::from(client.requests))
            .with("parameters", client.fields.len())
            .with("parameters_threshold", u64::from(config.parameters))
            .with("rules", joined(&client.rules).as_str())
            .with("effects", effects.join(", ").as_str())
            .showing(client.samples.iter().cloned()),
        window: (client.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for Injection {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 256, |_, _| {});
        self.foreign.sweep(now, 256, |_, _| {});
        self.profiles.sweep(now);
        self.ongoing.advance(now, signals);
    }

    fn name(&self) -> &'static str {
        "injection"
    }

    fn learned(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.profiles.kept()).ok()
    }

    fn restore(&mut self, learned: &serde_json::Value) -> Result<(), String> {
        let kept = Kept::deserialize(learned).map_err(|error| format!("injection: {error}"))?;
        self.profiles.restore(&kept).map_or(Ok(()), Err)
    }

    fn usage(&self) -> Usage {
        self.clients.usage().and(self.foreign.usage()).and(self.profiles.usage()).and(self.ongoing.usage())
    }
}
