//! `graphql`: documents that cost a server more than their bytes (OWASP, "GraphQL Cheat Sheet"; OWASP API4:2023; CWE-400).
//!
//! Limits are fixed (those of the configuration) and learned (`learned`): where ordinary documents of a route are larger, its
//! limits are; where all are far smaller, what passes them by far is told. One document is a mistake of a developer; several
//! are an attack, and so is one that no client sends by mistake.

use std::time::Duration;

use documented::DocumentedFields;

mod learned;
#[cfg(test)]
mod tests;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::posture::{Case, Posture};
use super::recent::Recent;
use super::{Detector, Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange};
use crate::inspect::{Document, Kind};
use crate::prefix::ClientNet;
use learned::{Learned, MEASURES, measures};

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Maximum field depth, with fragments expanded. The usual introspection query has 13.
    pub depth: u32,
    /// Maximum aliases, with fragments expanded.
    pub aliases: u32,
    /// Maximum directives.
    pub directives: u32,
    /// Maximum tokens.
    pub tokens: u32,
    /// Maximum requests in one batch.
    pub batch: u32,
    /// Maximum cost: the number of fields, each multiplied by the requested lengths of the lists around it.
    pub cost: u32,
    /// Documents over a limit, per client within ten minutes, from which severity is high; fewer are medium.
    pub documents: u32,
    /// Maximum clients with such documents remembered.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            depth: preset.scaled(20),
            aliases: preset.scaled(100),
            directives: preset.scaled(50),
            tokens: preset.scaled(5_000),
            batch: preset.scaled(25),
            cost: preset.scaled(500_000),
            documents: preset.scaled(5),
            entries: 4_096,
        }
    }

    /// Reads `[detect.graphql]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("depth", 2..=200, &mut config.depth);
        section.integer("aliases", 1..=1_000_000, &mut config.aliases);
        section.integer("directives", 1..=1_000_000, &mut config.directives);
        section.integer("tokens", 10..=20_000, &mut config.tokens);
        section.integer("batch", 1..=1_000_000, &mut config.batch);
        section.integer("cost", 10..=u32::MAX, &mut config.cost);
        section.integer("documents", 1..=1_000_000, &mut config.documents);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }

    /// In the order of [`MEASURES`].
    fn limits(&self) -> [u64; MEASURES.len()] {
        [self.depth, self.aliases, self.directives, self.tokens, self.batch, self.cost].map(u64::from)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(600);
/// By how much a document passes a limit that no client passes by mistake.
const FAR: u64 = 10;

struct Client {
    began: Timestamp,
    documents: u32,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

/// A document beyond what is allowed.
#[derive(Clone, Copy, Debug)]
struct Beyond {
    measure: &'static str,
    value: u64,
    limit: u64,
    is_far: bool,
}

/// The detector.
pub struct Graphql {
    config: Config,
    sources: Sources,
    clients: Recent<ClientNet, Client>,
    learned: Learned,
    posture: Posture,
    ongoing: Ongoing,
}

impl Graphql {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            sources,
            clients: Recent::new(config.entries, WINDOW, seed),
            learned: Learned::new(seed),
            posture: Posture::new(Threat::Graphql, seed),
            ongoing: Ongoing::default(),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let Some(document) = exchange.exposed.document else { return };
        let is_answered = exchange.status.is_some_and(|status| (200..300).contains(&status));
        let suggests =
            exchange.findings.iter().any(|one| one.kind == Kind::Graphql && one.rule == "suggestions");
        let mut say = |class, severity, says| {
            let case = Case { class, rule: class, field: "", severity, confidence: 0.9, says };
            signals.extend(self.posture.note(exchange, case));
        };
        if document.introspects && is_answered {
            say("introspection", Severity::Info, "answers introspection queries");
        }
        if suggests {
            say("suggestions", Severity::Info, "suggests field names in errors");
        }
        let client = self.sources.client(exchange.client);
        let limits = self.learned.limits(exchange, self.config.limits());
        let Some(beyond) = judge(&document, limits) else {
            self.learned.note(exchange, client, &document);
            return;
        };
        // What was refused says nothing of what is usual; what is answered again and again to many does.
        if is_answered && !beyond.is_far {
            self.learned.note(exchange, client, &document);
        }
        signals.extend(self.beyond(exchange, client, beyond));
    }

    fn beyond(&mut self, exchange: &Exchange<'_>, client: ClientNet, beyond: Beyond) -> Option<Signal> {
        let now = exchange.seen;
        let offender = Offender::of(client, exchange);
        let fresh = || Client { began: now, documents: 0, told: None, samples: Vec::new() };
        let known = self.clients.touch(client, now, fresh)?;
        if now.since(known.began) >= WINDOW {
            *known = fresh();
        }
        known.documents = known.documents.saturating_add(1);
        Sample::keep(&mut known.samples, exchange);
        let severity = match known.documents {
            _ if exchange.cross_site => Severity::Low,
            documents if documents >= self.config.documents || beyond.is_far && documents >= 2 => {
                Severity::High
            }
            _ => Severity::Medium,
        };
        let told = (&mut known.told, severity);
        if !self.ongoing.is_news((Threat::Graphql, Subject::Client(client)), offender, told, now) {
            return None;
        }
        let offenders = if exchange.cross_site { Vec::new() } else { vec![offender] };
        let signal = signal((client, offenders), &beyond, known, (severity, self.config.documents), now);
        Some(self.ongoing.tell(signal, known.documents.into()))
    }
}

/// The measure that passes its limit by most.
fn judge(document: &Document, limits: [u64; MEASURES.len()]) -> Option<Beyond> {
    if document.has_cycle || document.is_beyond {
        let measure = if document.has_cycle { "cycle" } else { "nesting" };
        return Some(Beyond { measure, value: 1, limit: 0, is_far: true });
    }
    let values = measures(document);
    let passed = MEASURES.into_iter().zip(values).zip(limits).filter(|((_, value), limit)| value > limit);
    let times = |value: u64, limit: u64| value.checked_div(limit.max(1)).unwrap_or_default();
    let worst = passed.max_by_key(|((_, value), limit)| times(*value, *limit));
    worst.map(|((measure, value), limit)| Beyond {
        measure,
        value,
        limit,
        is_far: times(value, limit) >= FAR,
    })
}

fn signal(
    (client, offenders): (ClientNet, Vec<Offender>),
    beyond: &Beyond,
    known: &Client,
    (severity, threshold): (Severity, u32),
    now: Timestamp,
) -> Signal {
    let Beyond { measure, value, limit, .. } = *beyond;
    let what = match measure {
        "cycle" => "a fragment cycle".to_owned(),
        "nesting" => "too many levels or tokens to analyse".to_owned(),
        _ => format!("{measure} {value}, limit {limit}"),
    };
    Signal {
        at: now,
        threat: Threat::Graphql,
        severity,
        confidence: 0.85,
        subject: Subject::Client(client),
        offenders,
        summary: format!("{client} sent {} GraphQL documents over a limit: {what}", known.documents),
        evidence: Evidence::default()
            .with("documents", u64::from(known.documents))
            .with("documents_threshold", u64::from(threshold))
            .with("measure", measure)
            .with("value", value)
            .with("value_threshold", limit)
            .showing(known.samples.iter().cloned()),
        window: (known.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for Graphql {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 64, |_, _| {});
        self.learned.advance(now);
        self.posture.advance(now);
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        let own = self.clients.usage().and(self.learned.usage());
        own.and(self.posture.usage()).and(self.ongoing.usage())
    }
}
